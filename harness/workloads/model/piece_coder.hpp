#pragma once
// A cache that grows, coded piece by piece: for codecs from outside, whose bytes cannot be appended to one another.

#include <optional>
#include <vector>

#include "codecs/pipeline/sections.hpp"
#include "harness/workloads/model/codec_path.hpp"

namespace kvstone {

/// Whether a stage of the codec is one from outside.
bool has_stage_from_outside(Codec const& codec);

/// Each piece is encoded and decoded as sections of its own. That equals a cache which codes every token as it comes, where no
/// token's values depend on another's: definitions say so (`by_token: true`), and one token of the first piece that has several
/// is coded alone to see it.
class PieceCoder {
  public:
    /// `capacity` and `settings` are those of the sequence. Throws NotApplicable where a stage codes several tokens together, or
    /// where a component's tokens do not have one window for all layers and heads.
    PieceCoder(Codec const& codec, EngineSequence const& sequence, PathSettings const& settings);

    /// Tokens at the end that no rule codes yet.
    std::uint64_t window_tokens(Component component) const { return windows_[index(component)]; }
    /// The sections of the sequence's capacity, where no window takes any of them.
    std::vector<RuledSection> const& sections(Component component) const { return sections_[index(component)]; }
    /// Replaces values of consecutive tokens, [layer, head, token, dim] from `layer` and `token` on, all heads, by the decoded
    /// ones. Throws as SectionCodec does, and ExternalFailure where a token is decoded to other values when it is alone.
    void pass(Component component, std::uint64_t layer, std::uint64_t token, KvView const& values);

  private:
    static std::size_t index(Component component) { return static_cast<std::size_t>(component); }
    void code(Component component, std::uint64_t layer, std::uint64_t token, KvView const& values);

    Codec codec_;
    PathSettings settings_;
    std::vector<Pipeline> pipelines_;
    Scratch scratch_;
    std::vector<RuledSection> sections_[2];
    std::uint64_t windows_[2] = {0, 0};
    bool checked_[2] = {false, false};
};

/// Stored bytes of K or V of the sequence, encoded as a whole.
CacheBytes bytes_of_whole(EngineSequence& sequence, Codec const& codec, Component component,
                          PathSettings const& settings);

}  // namespace kvstone
