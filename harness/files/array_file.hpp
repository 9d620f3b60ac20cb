#pragma once
// Files of named arrays, as other tools write them: one shape of reading for safetensors, npy, npz and raw binary.

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
    std::string dtype;                 ///< "f32 f16 bf16 f64 i8 u8 f8_e4m3 f8_e5m2"; else the file's own spelling
    std::size_t element_bytes = 0;     ///< 0: not known for this dtype
    std::vector<std::uint64_t> shape;  ///< slowest axis first, unless fortran_order; empty: one value
    bool fortran_order = false;        ///< the first axis varies fastest
    std::string layout =
        {};  ///< names of the axes (layout.hpp) where the file itself says them; "head*dim": one of both
};

/// Everything but the values is read and checked when the file is opened; bytes() brings one array's values.
class ArrayFile {
  public:
    virtual ~ArrayFile() = default;
    /// The values of one array: shape's product times element_bytes of them; may point into a mapped file, at any
    /// alignment. Requires a name of arrays(). Throws CorruptData and SystemError.
    virtual std::shared_ptr<std::byte const> bytes(std::string const& name) const = 0;

    std::string const& path() const { return path_; }
    std::map<std::string, ArrayInfo> const& arrays() const { return arrays_; }
    /// What the file says of itself, beside its arrays.
    Json const& metadata() const { return metadata_; }

  protected:
    std::string path_;
    std::map<std::string, ArrayInfo> arrays_;
    Json metadata_ = Json::object();
};

/// Each opens one format; all throw CorruptData with the file and the reason, SystemError where it cannot be read.
std::unique_ptr<ArrayFile> open_safetensors(std::string const& path);
std::unique_ptr<ArrayFile> open_npy(std::string const& path);  ///< its one array is called "data"
std::unique_ptr<ArrayFile> open_npz(std::string const& path);
/// What torch.save() wrote (torch_file.cpp), without executing anything; throws ConfigError, too, where the file holds what
/// this cannot make tensors of. bytes() packs views that lie otherwise.
std::unique_ptr<ArrayFile> open_torch(std::string const& path);
/// A session or sequence of llama.cpp's (llama_state.cpp), whatever its name; throws ConfigError, too, where it holds
/// another cache than the K and V of one sequence in f32, f16 or bf16.
std::unique_ptr<ArrayFile> open_llama_state(std::string const& path);
/// Whether a file begins as one.
bool is_llama_state(std::string const& path);
/// A chunk of tokens that LMCache keeps (lmcache_file.cpp): arrays k and v, of latent attention k. Throws ConfigError,
/// too, of other formats.
std::unique_ptr<ArrayFile> open_lmcache(std::string const& path);
/// Raw little-endian binary; `description` maps each array's name to {"dtype", "layout", "offset", "shape", ["scale"]}.
/// The arrays must not overlap, and the last ends with the file.
std::unique_ptr<ArrayFile> open_raw(std::string const& path, Json const& description);

/// By extension: .safetensors, .npy, .npz, .pt, .pth, .data (LMCache); else by its first bytes a state of llama.cpp's.
/// Throws ConfigError where it is none of them.
std::unique_ptr<ArrayFile> open_arrays(std::string const& path);

/// Bytes of one element of "f32 f16 bf16 f64 i8 u8 f8_e4m3 f8_e5m2", else 0.
std::size_t dtype_bytes(std::string_view dtype);
/// Product of the axes times element_bytes. Throws CorruptData, beginning with `what`, where it exceeds 2^63.
std::uint64_t array_bytes(std::vector<std::uint64_t> const& shape, std::size_t element_bytes, std::string const& what);
/// "2x8x512x64"; "scalar" where there is no axis.
std::string shape_text(std::vector<std::uint64_t> const& shape);

}  // namespace kvstone
