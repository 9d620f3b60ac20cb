#pragma once
// Captures of models, kept in files, so that a grid of codecs costs one prefill.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/captures/capture_folder.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// The capture of `key` (all facts that decide its values): from the folder's file for it, or else made by `capture`
/// and written there, by one process at a time, as a whole or not at all. A file that is damaged, or that holds another
/// key, is replaced. Where the folder cannot be written, or the capture alone exceeds the limit, it is returned all the
/// same, and metadata["cache"] says why it was not kept. An empty folder means no cache. Throws what `capture` throws.
KvTensors cached_capture(std::string const& folder, Json const& key, Needs needs,
                         std::function<KvTensors()> const& capture);
/// Only captures that the folder already has.
std::optional<KvTensors> find_capture(std::string const& folder, Json const& key, Needs needs);

/// Bytes that stay valid as long as `held` lives; from a file's mapping, or in memory.
struct KeptBytes {
    std::shared_ptr<void const> held;
    std::span<std::byte const> bytes;
};
KeptBytes keep_bytes(std::vector<std::byte> bytes);

/// The same for plain bytes, in files of their own format: the key's text as a line, a checksum, and the bytes from a
/// multiple of 64 on. `anew`: the kept file is not trusted, and is replaced.
KeptBytes cached_bytes(std::string const& folder, Json const& key, bool anew,
                       std::function<std::vector<std::byte>()> const& make);

}  // namespace kvstone
