#pragma once
// The sidecar of a raw binary dump: a YAML file that says which tensors lie where.
//
//   file: capture.bin                # default: the sidecar's own name without .yaml
//   dtype: f16                       # f32, f16, bf16, i8, f8_e4m3, f8_e5m2
//   layout: layer head token dim     # axes, slowest first; an axis that is not named has length 1
//   shape: [32, 8, 512, 128]         # lengths in the order of layout
//   tokens: 400                      # how many of them are in use (default: all), from the first on; dim: the same of channels
//   k: {offset: 0}                   # bytes from the start of the file; may have its own dtype, layout, shape, scale, tokens, dim
//   v: {offset: 33554432}
//
// Tensors: k, v, q, k_prerope; at least one of k and v. scale (of i8 and f8) multiplies every value. Axes: layer, batch,
// head, token, dim. Little endian.

#include <string>
#include <vector>

#include "scenarios/cell.hpp"
#include "scenarios/yaml_value.hpp"

namespace kvstone {

struct RawSidecar {
    std::string path;  ///< of the sidecar; absolute, like the next
    std::string binary;
    Json tensors;  ///< as member `raw` of a dump source (see cell.hpp)
};

/// Extensions of files that need no sidecar; files of llama.cpp's caches need none either, and are known by their first
/// bytes.
inline constexpr char const* self_describing_extensions[] = {".safetensors", ".npy", ".npz", ".pt", ".pth"};
/// True where the name has one of them; also where the file has no sidecar beside it, and either is called .data, as
/// LMCache's files are, or begins as llama.cpp's do.
bool describes_itself(std::string const& path);

/// Reads the sidecar of a raw file: `path` itself where it ends with .yaml, else `path` with .yaml behind it. A missing
/// one is refused at `named`, the place that named the file; a mistake inside it, at its own line. Throws
/// ConfigError.
RawSidecar read_raw_sidecar(YamlValue const& named, std::string const& path);

inline constexpr std::uint64_t longest_axis = std::uint64_t{1} << 32;
inline constexpr auto default_layout = "layer head token dim";
std::vector<std::string> const& dump_dtypes();
/// Axes of a layout, single spaces between them. Refused: other words, an axis twice, no token or no dim.
std::string layout_of(YamlValue const& value);

}  // namespace kvstone
