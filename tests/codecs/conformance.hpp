#pragma once
// The checks of the conformance suite for every example of a stage, as functions: tests of the suite itself
// ask the same of stages that are wrong on purpose.

#include <string>
#include <vector>

#include "codecs/container/tensor_codec.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {

/// The beginning of names of stages that are wrong on purpose: the suite has to refuse them (mutants.cpp).
inline constexpr char const* mutant_stage = "test-mutant";

/// The examples of all stages but those, and codecs whose rules cut tensors.
std::vector<std::string> conformance_examples();

/// A codec's text as a test's name, STAGE__TEXT. STAGE is whose test it is, as `./dev test codec STAGE` picks them: the stage
/// that names the text as its example, else the text's quantiser, or "rules" where there are several rules.
std::string test_name_of(std::string const& codec);
/// All characters but letters and digits become `_`, as GoogleTest wants them.
std::string as_test_name(std::string text);

/// The first place where decoded values lie further from the original than allowed, or "".
std::string beyond_bounds(std::vector<float> const& original, std::vector<float> const& result,
                          std::vector<double> const& bounds);

/// A tensor that a codec is judged on whatever bound it declares.
struct CheckedTensor {
    std::string name;
    double least_gain;
    Component component;
    KvShape shape;
    std::vector<float> values;
};
/// N(0,1) and outlier channels as K and as V; K and V that a model wrote into its cache.
std::vector<CheckedTensor> const& checked_tensors();

/// The share of a tensor that its decoded values keep of it, <x, y> / <x, x>, and their squared error over its variance.
struct Fidelity {
    double gain = 0;
    double nmse = 0;
};
Fidelity fidelity(std::string const& codec, CheckedTensor const& tensor);
/// Errors that no declared bound can excuse: a gain of N(0,1) that is not between a half and one and a half, an NMSE of
/// 1 or more (nothing but the mean would be as good). Where few channels have most of the energy, quantisers that clip
/// their range keep less of it: there a fifth is enough. "" where all tensors pass.
std::string fidelity_fault(std::string const& codec);

/// Payload bytes of a small tensor that decide nothing: whatever they are altered to (inverted, each bit by itself), the same
/// is decoded. "" where they are no more than the stages' idle_bytes allow.
std::string idle_bytes_fault(std::string const& codec);

/// The message for decoding that leaves values unwritten, or "".
std::string unwritten_fault(std::string const& codec, ElementType type);

}  // namespace kvstone
