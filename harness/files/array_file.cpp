#include "harness/files/array_file.hpp"

#include <filesystem>
#include <limits>

#include <fmt/ranges.h>

#include "scenarios/errors.hpp"
#include "scenarios/safetensors_index.hpp"

namespace kvstone {

std::size_t dtype_bytes(std::string_view dtype) {
    if (dtype == "f64") return 8;
    if (dtype == "f32") return 4;
    if (dtype == "f16" || dtype == "bf16") return 2;
    if (dtype == "i8" || dtype == "u8" || dtype == "f8_e4m3" || dtype == "f8_e5m2") return 1;
    return 0;
}

std::uint64_t array_bytes(std::vector<std::uint64_t> const& shape, std::size_t element_bytes, std::string const& what) {
    std::uint64_t bytes = element_bytes;
    bool overflow = false;
    for (auto const axis : shape) overflow = __builtin_mul_overflow(bytes, axis, &bytes) || overflow;
    if (overflow || bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw CorruptData(fmt::format("{}: the shape {} is too large to exist", what, shape_text(shape)));
    }
    return bytes;
}

std::string shape_text(std::vector<std::uint64_t> const& shape) {
    return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::unique_ptr<ArrayFile> open_arrays(std::string const& path) {
    if (is_safetensors_index(path)) return open_sharded(path);
    auto const extension = std::filesystem::path(path).extension();
    if (extension == ".safetensors") return open_safetensors(path);
    if (extension == ".npy") return open_npy(path);
    if (extension == ".npz") return open_npz(path);
    if (extension == ".pt" || extension == ".pth") return open_torch(path);
    if (extension == ".data") return open_lmcache(path);
    if (is_llama_state(path)) return open_llama_state(path);
    throw ConfigError(path + ": a dump is known by its extension, or by a sidecar that describes it",
                      extension.string(), {".safetensors", ".safetensors.index.json", ".npy", ".npz", ".pt"});
}

}  // namespace kvstone
