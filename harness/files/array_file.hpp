#pragma once
// Files of named arrays in other tools' formats: one interface for safetensors, npy, npz and raw binary.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/cell.hpp"

namespace kvstone {

struct ArrayInfo {
    std::string dtype;                 ///< "f32 f16 bf16 f64 i8 u8 f8_e4m3 f8_e5m2"; else the file's own name
    std::size_t element_bytes = 0;     ///< 0: not known for this dtype
    std::vector<std::uint64_t> shape;  ///< slowest axis first, unless fortran_order; empty: one value
    bool fortran_order = false;        ///< the first axis varies fastest
    std::string layout = {};  ///< names of the axes (layout.hpp) where the file has them; "head*dim": one axis of both
};

/// Opening a file reads and checks everything except the values; bytes() reads one array's values.
class ArrayFile {
  public:
    virtual ~ArrayFile() = default;
    /// The bytes of one array: the product of its shape times element_bytes; may point into a mapped file, at any
    /// alignment. Requires a name of arrays(). Throws CorruptData and SystemError.
    virtual std::shared_ptr<std::byte const> bytes(std::string const& name) const = 0;

    std::string const& path() const { return path_; }
    std::map<std::string, ArrayInfo> const& arrays() const { return arrays_; }
    /// The file's metadata, besides its arrays.
    Json const& metadata() const { return metadata_; }

  protected:
    std::string path_;
    std::map<std::string, ArrayInfo> arrays_;
    Json metadata_ = Json::object();
};

/// Each opens one format; all throw CorruptData with the file and the reason, SystemError where it cannot be read.
std::unique_ptr<ArrayFile> open_safetensors(std::string const& path);
std::unique_ptr<ArrayFile> open_sharded(std::string const& path);  ///< by the index of shards of safetensors
std::unique_ptr<ArrayFile> open_npy(std::string const& path);      ///< its one array is called "data"
std::unique_ptr<ArrayFile> open_npz(std::string const& path);
/// A file of torch.save() (torch_file.cpp), read without executing anything; also throws ConfigError, where the file
/// has values that cannot become tensors. bytes() packs views with other strides.
std::unique_ptr<ArrayFile> open_torch(std::string const& path);
/// A session or sequence of llama.cpp (llama_state.cpp), under any name; also throws ConfigError, where it has another
/// cache than the K and V of one sequence in f32, f16 or bf16.
std::unique_ptr<ArrayFile> open_llama_state(std::string const& path);
/// Whether a file begins as one of these.
bool is_llama_state(std::string const& path);
/// A chunk of tokens of LMCache (lmcache_file.cpp): arrays k and v, for latent attention k alone. Also throws
/// ConfigError, for other formats.
std::unique_ptr<ArrayFile> open_lmcache(std::string const& path);
/// Raw little-endian binary; `description` maps each array's name to {"dtype", "layout", "offset", "shape", ["scale"]}.
/// The arrays must not overlap, and the last ends with the file.
std::unique_ptr<ArrayFile> open_raw(std::string const& path, Json const& description);

/// Opens a file by its extension: .safetensors, .npy, .npz, .pt, .pth, .data (LMCache); otherwise by its first bytes, a
/// state of llama.cpp. Throws ConfigError where it is none of them.
std::unique_ptr<ArrayFile> open_arrays(std::string const& path);

/// Bytes of one element of "f32 f16 bf16 f64 i8 u8 f8_e4m3 f8_e5m2", else 0.
std::size_t dtype_bytes(std::string_view dtype);
/// Product of the axes times element_bytes. Throws CorruptData, beginning with `what`, where it exceeds 2^63.
std::uint64_t array_bytes(std::vector<std::uint64_t> const& shape, std::size_t element_bytes, std::string const& what);
/// "2x8x512x64"; "scalar" where there is no axis.
std::string shape_text(std::vector<std::uint64_t> const& shape);

}  // namespace kvstone
