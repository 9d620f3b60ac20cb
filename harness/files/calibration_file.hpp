#pragma once
// Files of `kvstone calibrate`: safetensors with bases and their origin.
//
//   TENSOR.basis     F32 [layer groups, head groups, components, channels]: principal axes, the largest eigenvalue first
//   TENSOR.mean      F32 [layer groups, head groups, 1, channels], where the mean was subtracted
//   TENSOR.variance  F32 [layer groups, head groups, 1, components]: the eigenvalues
//   __metadata__     kvstone_calibration (the version of this layout), over, layers, mean ("yes" or "no"), shape (layers,
//                    heads, tokens, dim of the tensors), text_sha256 and model_sha256 where the source is a model, source.
//                    Version "2", where it is needed, has heads (of a group; 0: all of a layer) and queries ("yes" where bases of
//                    K were fitted to K and the queries) in addition.
// TENSOR is k (keys after RoPE), k_prerope or v.

#include <string>

#include "codecs/calibration.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

/// Writes `calibration`, as a whole or not at all; its path and hash are ignored. `source` as in Cell. Throws
/// SystemError.
void write_calibration(std::string const& path, Calibration const& calibration, Json const& source);

/// Reads such a file; reading it again takes the first reading. Throws ConfigError where it is no such file.
std::shared_ptr<Calibration const> read_calibration_file(std::string const& path);

}  // namespace kvstone
