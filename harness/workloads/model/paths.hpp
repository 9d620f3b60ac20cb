#pragma once
// The protocols behind codec_path(), each in a file of its own.

#include "codecs/pipeline/checked_decode.hpp"
#include "codecs/pipeline/sections.hpp"
#include "harness/workloads/model/codec_path.hpp"

namespace kvstone {

std::unique_ptr<CodecPath> context_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
/// Requires a codec that drops tokens. Throws NotApplicable where it keeps other tokens in each layer or head.
std::unique_ptr<CodecPath> dropping_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
std::unique_ptr<CodecPath> inline_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
std::unique_ptr<CodecPath> decode_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
/// Requires settings.engine, and a sequence in such a cache.
std::unique_ptr<CodecPath> engine_path(EngineSequence& sequence, PathSettings const& settings);

/// Vectors of the first `tokens` tokens that the sections code, without those of sinks and windows kept as plain
/// numbers.
std::uint64_t coded_vectors(std::vector<RuledSection> const& sections, std::uint64_t tokens);

/// Whether decoding finds that the bytes cannot be right.
template <class Decode>
bool complains(Decode const& decode) {
    try {
        decode();
        return false;
    } catch (CorruptData const&) {
        return true;
    } catch (UnwrittenValues const&) {
        return true;
    }
}

}  // namespace kvstone
