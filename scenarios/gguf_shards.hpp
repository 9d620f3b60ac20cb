#pragma once
// GGUF models that are split into several files.

#include <string>
#include <vector>

namespace kvstone {

/// The files that are read where `path` is named: the file alone; an index of safetensors and the shards that it names, in
/// their order by name; or all shards in their order where it is a GGUF model whose metadata has a `split.count` above 1. Shards are called NAME-00001-of-00003.gguf and so on, as llama.cpp
/// writes them. Throws SystemError where the file cannot be read, where it is a shard but not the first one, and where
/// its name is not that of a first shard. The other shards are not looked for.
std::vector<std::string> files_behind(std::string const& path);

}  // namespace kvstone
