#pragma once
// The tokens of a stream that belong to one rule, in some of its layers and heads. Final tokens are coded, the others
// are held as they came.

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "codecs/pipeline/pipeline.hpp"
#include "codecs/pipeline/token_runs.hpp"

namespace kvstone {

/// Tokens are numbered from the run's first. They lie in blocks of block_tokens() tokens of all layers and heads: coded,
/// plane by plane as [layer, head, page], or as they came, as [layer, head, token, dim]. A block is taken when its first
/// token comes; no token moves to make room for another.
class StreamRun {
  public:
    /// `columns` names the layers and heads, element type and dim, and the run's first token. Blocks have `page` tokens,
    /// rounded up to whole pages of the pipeline. Throws ConfigError where the pipeline does not fit.
    StreamRun(Pipeline const& pipeline, TokenRun const& run, Section const& columns, std::uint64_t page,
              BackendKind kind);

    TokenRun const& run() const { return run_; }
    std::uint64_t tokens() const { return tokens_; }
    std::uint64_t coded_tokens() const { return coded_; }
    std::uint64_t block_tokens() const { return block_tokens_; }

    /// Takes the next tokens. The first `final_tokens` of the run will never change their page or rule: those that fill
    /// pages (or end the run) are coded, and their values freed. With an empty view it only looks for tokens that are
    /// final.
    void append(KvView const& view, std::uint64_t final_tokens, Scratch& scratch);

    /// Decodes `view.shape.tokens` coded tokens from `first` on.
    void read_coded(std::uint64_t first, KvView const& view, Scratch& scratch);
    /// Copies tokens that are held as they came, from `first` on.
    void read_held(std::uint64_t first, KvView const& view) const;
    /// Writes the coded bytes of one stored plane into host memory: for each layer and head the bytes of all coded
    /// tokens, with layers `layer_stride` and heads `head_stride` bytes apart. Requires coded tokens.
    void copy_plane(std::size_t plane, std::byte* to, std::uint64_t layer_stride, std::uint64_t head_stride) const;

    /// Memory of the blocks, coded and as they came.
    std::size_t held_bytes() const;
    /// Memory that holds no token: the planes of a page before they are copied into a block.
    std::size_t workspace_bytes() const;

  private:
    struct StoredPart {                ///< one stored plane within a coded block
        std::uint64_t page_bytes = 0;  ///< of one layer and head; of the section where it has the plane once
        std::uint64_t offset = 0;      ///< within the block; index into once_ where the section has the plane once
        bool once = false;
    };

    std::uint64_t columns() const { return section_.shape.layers * section_.shape.heads; }
    std::uint64_t pages_of_block() const { return block_tokens_ / run_.page_tokens; }
    SectionCodec codec_of(std::uint64_t tokens) const;
    void lay_out();
    KvView held_block(std::uint64_t block) const;
    void hold(KvView const& view);
    /// Codes whole pages of one block, or the tail of the run, from where coding stands.
    void code(KvView const& view, Scratch& scratch);
    void code_held(std::uint64_t final_tokens, Scratch& scratch);
    void release_held();
    std::uint64_t codable(std::uint64_t final_tokens) const;
    void read_block(std::uint64_t block, std::uint64_t tokens, KvView const& view, Scratch& scratch);

    Pipeline const* pipeline_;
    TokenRun run_;
    Section section_;
    BackendKind kind_;
    std::uint64_t block_tokens_;
    std::uint64_t tokens_ = 0;
    std::uint64_t coded_ = 0;
    std::vector<StoredPart> parts_;
    std::uint64_t block_bytes_ = 0;
    std::optional<SectionCodec> page_codec_;   ///< of one page
    std::optional<SectionCodec> block_codec_;  ///< of a whole block, where it lies
    std::optional<SectionCodec> tail_;         ///< the last page of a run that ends within it
    std::vector<Buffer> once_;                 ///< planes of the section, one each
    std::vector<Buffer> coded_blocks_;
    std::deque<Buffer> held_blocks_;  ///< the first is block first_held_block_
    std::uint64_t first_held_block_ = 0;
    Buffer spare_;    ///< a held block given back, for the next one
    Buffer decoded_;  ///< one block's values, where only a part of them is asked for
};

}  // namespace kvstone
