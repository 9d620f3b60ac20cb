#pragma once
// The index of a safetensors file that is split into several: NAME.safetensors.index.json beside its shards.

#include <map>
#include <string>

namespace kvstone {

bool is_safetensors_index(std::string const& path);

/// The path of the shard that holds each tensor (member `weight_map` of the index). Throws CorruptData where the file is no
/// index or names no shard, or one outside of its own folder; SystemError where it cannot be read.
std::map<std::string, std::string> shards_of_index(std::string const& path);

}  // namespace kvstone
