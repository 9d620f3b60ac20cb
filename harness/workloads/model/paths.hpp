#pragma once
// The protocols behind codec_path(), each in a file of its own.

#include "codecs/pipeline/sections.hpp"
#include "harness/workloads/model/codec_path.hpp"

namespace kvstone {

std::unique_ptr<CodecPath> context_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
std::unique_ptr<CodecPath> inline_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
std::unique_ptr<CodecPath> decode_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);
/// Requires settings.engine, and a sequence in such a cache.
std::unique_ptr<CodecPath> engine_path(EngineSequence& sequence, PathSettings const& settings);

/// Vectors of the first `tokens` tokens that the sections code, without those of sinks and windows kept as plain
/// numbers.
std::uint64_t coded_vectors(std::vector<RuledSection> const& sections, std::uint64_t tokens);

}  // namespace kvstone
