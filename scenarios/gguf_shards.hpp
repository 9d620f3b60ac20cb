#pragma once
// GGUF models that are split into several files.

#include <string>
#include <vector>

namespace kvstone {

/// The files that are read where `path` is read: the file alone, or all shards of a GGUF model in their order where its
/// metadata has a `split.count` above 1. Shards are called NAME-00001-of-00003.gguf and so on, as llama.cpp writes them.
/// Throws SystemError where the file cannot be read, where it is a shard but not the first one, and where its name is
/// none of a first shard. That the other shards exist is not checked.
std::vector<std::string> files_behind(std::string const& path);

}  // namespace kvstone
