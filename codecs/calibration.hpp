#pragma once
// Bases that `kvstone calibrate` fitted to the cache of a text, and how they reach a codec that names such a file.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"

namespace kvstone {

/// The vectors that are joined into one: each head's alone, those of the heads of a layer, or those of several layers
/// (`over` of lowrank).
struct CalibrationGroups {
    std::string over = "head";
    std::uint64_t layers = 1;  ///< of a group
    bool mean = false;         ///< whether the mean is taken away before
    std::uint64_t heads = 0;   ///< of a group, with over=heads; 0: all of a layer
    bool operator==(CalibrationGroups const&) const = default;
};
/// The groups as options of lowrank: "over=heads,heads=4,mean=yes".
std::string text_of(CalibrationGroups const& groups);

/// Bases of one tensor: principal axes of each group's vectors, all of them, the largest eigenvalue first.
struct TensorBases {
    KvShape shape;                ///< groups along layers, groups along heads, components, channels (as many)
    std::vector<float> basis;     ///< [layer group, head group, component, channel]
    std::vector<float> mean;      ///< [layer group, head group, channel]; empty without mean
    std::vector<float> variance;  ///< eigenvalues, [layer group, head group, component]
};

/// The content of a file of `kvstone calibrate`.
struct Calibration {
    std::string path;
    std::string hash;         ///< SHA-256 of the file
    std::string text_sha256;  ///< of the text whose cache it was fitted to; empty: a dump of unknown text
    CalibrationGroups groups;
    bool queries = false;                        ///< whether bases of K were fitted to the text's queries, too
    KvShape shape;                               ///< of the tensors; tokens: the number of tokens they were fitted to
    std::map<std::string, TensorBases> tensors;  ///< "k" (after RoPE), "k_prerope" and "v", those that the file has
};

/// Digits of a file's hash in codec text.
inline constexpr std::size_t calibration_hash_digits = 16;

/// Reads a file of `kvstone calibrate`; throws ConfigError where it is none. The program supplies it: codecs read no
/// files.
using CalibrationReader = std::function<std::shared_ptr<Calibration const>(std::string const& path)>;
void set_calibration_reader(CalibrationReader reader);
/// Throws ConfigError, also where the program has set no reader.
std::shared_ptr<Calibration const> read_calibration(std::string const& path);

/// Throws ConfigError where a codec's bases were fitted to the text of this hash, unless its stage has the option that
/// allows it.
void check_other_text(Codec const& codec, std::string const& text_sha256);

}  // namespace kvstone
