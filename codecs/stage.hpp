#pragma once
// How to add a stage: write one file in codecs/stages/, nothing else. Copy the nearest one and change it:
//
//   stages/fp16.cpp      a quantiser that codes each value by itself. Frame: map_to_packed() and map_from_packed() of
//                        backends/kernels/map_values.hpp.
//   stages/lloydmax.cpp  a quantiser whose vectors or groups of tokens share anything. Frame: encode_pages(), decode_pages()
//                        of backends/kernels/map_pages.hpp, with scales.hpp and bit_packing.hpp of codecs/kernels. Where it
//                        is a scale a vector: VectorQuantiser of codecs/kernels/vector_quantiser.hpp, which has planes,
//                        packing and bounds (tests/codecs/skeletons/worked_example.cpp is a whole stage on it).
//   stages/center.cpp    a transform.
//   stages/lowrank.cpp   a transform that hands on another shape than it takes.
//   stages/zstd.cpp      an entropy stage that runs on the host. Frame: codecs/kernels/pieces.hpp, for coders of libraries.
//   stages/gear.cpp      an entropy stage that writes several planes, each of which the next stage codes by itself.
//
// Then `./dev test codec NAME` builds the test programs and runs all tests of that stage on the stage's own examples.
// Its worked example goes to tests/codecs/stage_bytes*_test.cpp, the error that theory gives for normal values to
// tests/codecs/closed_forms_test.cpp. Compilation ends with a sentence where a member is missing or has another
// signature: the sentence shows the right one (codecs/stage_checks.hpp).
//
// A stage is a small typed struct, constructed from its validated options (the constructor may throw ConfigError). It
// says which planes it writes, and encodes and decodes them with kernels templated on the execution space. One line,
// `Register<MyStage> const registered;` (codecs/register_stage.hpp), makes it known to codec text, `list`, the docs,
// the conformance suite and the benchmarks. The names of a file's types belong to the whole program: rename them after
// copying a file, or the linker merges both types (`./dev test codec` reports it). There are three kinds of stages,
// each with a base class:
//
//   Transform   tensor to tensor, f32, of the same shape or another one; may keep side planes (means, bases).
//   Quantiser   tensor to planes: exactly one per pipeline.
//   Entropy     payload plane to planes, lossless; planes billed as anything else pass it by.
//
// Bindings (constructor, planes(), host code around kernels) validate and throw: ConfigError where options are wrong,
// NotApplicable where the stage cannot take the tensor. Kernels are plain parallel loops that cannot fail, and that
// stay inside their planes whatever bytes those hold. A section is never empty. Planes of a fixed size have that size
// when decode() is called. encode() and decode() allocate nothing: all memory they use is in the planes and the
// workspace. Results do not depend on the number of threads.
//
// The members of a stage S, for any execution space Space; T is float, Float16 or BFloat16, const or not:
//
//   static StageInfo info();
//   explicit S(Options const&);
//   Transform:  std::vector<PlaneSpec> planes(Section const&) const;
//               void encode(Space, Section, KvSpan<float const> in, KvSpan<float> out, Planes, Workspace) const;
//               void decode(Space, Section, ConstPlanes, KvSpan<float> values, Workspace) const;     in place
//               void carry_bounds(Section const&, float const* values, double* bounds) const;
//               `in` and `out` may be the same memory. carry_bounds is given bounds on the transformed values and
//               replaces them by bounds on the original ones, which are `values`; both in packed order.
//   Transform that hands on another shape than it takes:
//               KvShape coded_shape(Section const&) const;
//               The shape of the Section that the next stages are bound to. It has as many tokens as the section and, where
//               page_tokens() is not 0, as many layers and heads. decode() and carry_bounds() are then
//               void decode(Space, Section, ConstPlanes, KvSpan<float const> coded, KvSpan<float> values, Workspace) const;
//               void carry_bounds(Section const&, float const* values, double const* coded_bounds, double* bounds) const;
//               No call is given the same memory twice. Bits are billed per value of the section.
//   Quantiser:  std::vector<PlaneSpec> planes(Section const&) const;
//               void encode(Space, Section, KvSpan<T const> values, Planes, Workspace) const;
//               void decode(Space, Section, ConstPlanes, KvSpan<T> values, Workspace) const;
//               double nominal_bits(Section const&) const;
//               Bits per value that the method's name promises: those of its codes, without scales and other side data (4
//               for `int:bits=4` and `mxfp4`; 1.6 where five values of three levels share a byte). The names of ggml's
//               blocks include all bytes of a block (8.5 for `q8_0`). Figures and gates compare the stored bits with this
//               number, see StageInfo::side_bits. It does not change the stored bytes.
//               void error_bounds(Section const&, float const* values, double* bounds) const;
//               KvSpan<float> alone is enough: other element types are then converted before and after.
//               error_bounds gives the largest error allowed for each value in packed order, infinity included. It covers
//               arithmetic in float and saturated scales. The caller adds the error of rounding to the tensor's type, and
//               ignores the bounds of values that are NaN or Inf.
//   Entropy:    std::vector<PlaneSpec> planes(PlaneSpec const& input) const;
//               void encode(Space, PlaneSpec const& input_spec, ConstPlane input, Planes, Workspace) const;
//               void decode(Space, PlaneSpec const& input_spec, ConstPlanes, Plane& input, Workspace) const;
//               decode() throws CorruptData where encode() cannot have written the planes.
//               decode() of Transform and Quantiser writes every value, whatever the memory held before.
//               static constexpr bool host_only = true; where Space must be the host's. For other backends the planes are
//               then copied to the host and back.
//               The input has as many bytes as its ConstPlane says, at most input_spec.bytes. decode() is given a Plane of
//               input_spec.bytes and sets its `bytes` to the size of the input. Where input_spec.variable, encode() has to
//               store that size.
//   all, where needed:  static void complete(std::map<std::string, std::string>& options);
//               Called while codec text is read. It fills in an option that follows from others, such as the hash of a file
//               that an option names, so that canonical text has it. Throws ConfigError.
//                       std::size_t workspace_bytes(Section const& | PlaneSpec const& input) const;
//   Transform, Quantiser, where they differ from the defaults below:
//               std::uint64_t page_tokens(Section const&) const;
//               How many consecutive tokens of a layer and head are coded by themselves: 1 each token, n pages of n
//               (the last page may be shorter), 0 the whole section at once. Where it is not 0, planes lie as
//               [layer, head, page, ...] with the same bytes for every full page, so that streams can append; planes with
//               PlaneSpec::once do not. The planes of a section are those of its layers and heads put together. The number
//               depends on component, type and dim alone. The frame of map_pages.hpp is given the bytes of a full page and
//               of a shorter one for each plane (PagePlane); PageGrid::bytes() of the two is the plane's size.
//               static constexpr bool in_parts = true;    (Transform)
//               The stage has next to no cost of its own for each call: encode() and decode() are then called for some
//               pages at a time, so that the next stage reads their values from the cache.
//               double encode_reads(Section const&) const;
//               How often encode() has to read every value: 2 where it first computes a range over all values.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "codecs/engines.hpp"
#include "codecs/ledger.hpp"
#include "codecs/options.hpp"
#include "codecs/rope.hpp"

namespace kvstone {

/// How a stage treats NaN and Inf. kept: they stay NaN and Inf. saturated: Inf becomes the end of the range of the
/// finite values, NaN the code nearest to zero. nan_kept: Inf likewise, NaN stays NaN. mixed: for quantisers that code
/// several values together: NaN counts as 0, Inf as the largest finite magnitude of its group with its sign, and all
/// values of the group come back finite. any: no promise, or the answer differs between options. Finite values stay
/// finite in each case.
enum class NonFinite : std::uint8_t { kept, saturated, nan_kept, mixed, any };

struct StageInfo {
    std::string name;
    std::string summary;  ///< one line
    std::string source;   ///< paper and equation, or format
    NonFinite non_finite =
        NonFinite::kept;  ///< of a quantiser; one that has codes and a scale keeps neither: saturated
    /// The nearest settings in serving engines: the first that fits the options is taken. The last one fits always; of
    /// transforms and entropy stages it says what engines have of them. Left out: it is said that none is stated.
    std::vector<EngineSettings> engines;
    /// Raised whenever the bytes written for the same text change; from 2 on it is part of the name ("int8.2").
    std::uint32_t format_version = 1;
    std::vector<OptionSpec> options;
    /// Codec texts that use it; the first is shown to users, all are run by the conformance suite and the benchmarks.
    std::vector<std::string> examples;
    /// For a quantiser that stores each value as a floating-point number: the tokens that a rule for sinks or the
    /// recent window stores with it are billed as window.
    bool plain = false;
    /// Properties that a serving engine has to know: whether decoding needs the tokens' positions (a stage that undoes
    /// RoPE), whether a head's values cannot be decoded without those of other heads or layers, whether the number of
    /// bytes is known before the values are, and whether the stage needs a file made by `kvstone calibrate`.
    bool needs_positions = false;
    bool mixes_heads = false;
    bool mixes_layers = false;
    bool fixed_rate = true;
    bool calibrated = false;
    /// One of these flags that is true under one value of an option alone.
    struct Under {
        std::string option;
        std::string value;
        bool StageInfo::* flag = nullptr;
    };
    std::vector<Under> under;
    /// For a name that is short for another stage with some of its options fixed: canonical text writes that stage with
    /// these values by the shorter name.
    struct Shorthand {
        std::string stage;
        std::map<std::string, std::string> fixed;
    };
    std::optional<Shorthand> shorthand;
    /// For a stage behind which, or before which, some bytes of a payload decide nothing: the largest share of a
    /// payload's bytes that may do so, up to a half, and the reason. The conformance suite takes no other exemption
    /// from "every byte that is stored matters".
    struct IdleBytes {
        double share = 0;
        std::string reason;
    };
    IdleBytes idle_bytes;
    /// For a stage whose examples store more than 1.05 times nominal_bits per value: the most bits per value beyond
    /// nominal_bits in tensors of head dimension 64 or 128 (scales, means or indices that the method's name does not
    /// count), and the sum that gives them. tests/codecs/nominal_bits_test.cpp compares them with the stored bytes.
    struct SideBits {
        double most = 0;
        std::string reason;
    };
    SideBits side_bits;
};

/// The info with the flags of `under` that these options set.
inline StageInfo under_options(StageInfo info, std::map<std::string, std::string> const& options) {
    for (auto const& [option, value, flag] : info.under) info.*flag = info.*flag || options.at(option) == value;
    return info;
}

/// The box of one tensor that a pipeline is bound to. `type` is the element type that the stage gets: f32 behind
/// transforms.
struct Section {
    Component component = Component::k;
    ElementType type = ElementType::f32;
    std::uint64_t layer = 0;  ///< first layer, head and token of the box within the tensor
    std::uint64_t head = 0;
    std::uint64_t token = 0;
    KvShape shape;
    /// The rotary embedding of K, token t at position t; null where it is not known, as in a container.
    Rope const* rope = nullptr;
};

/// The number format of a plane's elements, for entropy stages that code exponents.
enum class NumberFormat : std::uint8_t { none, fp32, fp16, bf16, fp8_e4m3, fp8_e5m2 };

/// One array of coded bytes.
struct PlaneSpec {
    LedgerLine line = LedgerLine::payload;
    /// The bytes that encode() writes, exactly: it fills the plane, and decode() is called with no other size. Where
    /// `variable`: the most bytes that it may write for any values; Plane::bytes then holds the number written.
    std::uint64_t bytes = 0;
    bool variable = false;
    std::uint32_t element_bytes = 1;  ///< width of an element, for entropy stages that split or subtract
    /// Elements (of element_bytes) of one vector, that is of one token of a layer and head, for the same stages: dim
    /// where each value is an element, the bytes of a vector's codes where these are packed, 1 for a vector's scale. 0
    /// where vectors do not lie one after the other (one scale for a section, groups of tokens, variable planes).
    std::uint64_t row_elements = 0;
    bool once = false;  ///< of a stage that codes pages: parameters of the section, the same for every page
    NumberFormat numbers = NumberFormat::none;  ///< each element is a number of this format
    /// Where row_elements is not 0: rows of one layer and head, and heads of a layer, with rows in [layer, head, token]
    /// order, for tables per head or layer. The pipeline fills them in for a quantiser; an entropy stage copies those
    /// of its input to the planes that keep their order.
    std::uint64_t head_rows = 0;
    std::uint64_t layer_heads = 0;
    /// How many of an element's bits, the lowest ones, may be set; 0: all of them. A stage that stores bytes unchanged
    /// because they do not shrink packs them to this many bits.
    std::uint32_t element_bits = 0;
};

/// Memory of a plane. encode() lowers `bytes` of a variable plane to the number it wrote.
struct Plane {
    std::byte* data = nullptr;
    std::uint64_t bytes = 0;

    template <class T>
    T* as() const {
        return reinterpret_cast<T*>(data);
    }
};

struct ConstPlane {
    std::byte const* data = nullptr;
    std::uint64_t bytes = 0;

    template <class T>
    T const* as() const {
        return reinterpret_cast<T const*>(data);
    }
};

using Planes = std::span<Plane>;
using ConstPlanes = std::span<ConstPlane const>;
/// Scratch memory of the backend, aligned to 256 bytes; its contents are lost between calls.
using Workspace = std::byte*;

/// The bases of stages: each names a kind and has defaults for members that few stages need.
struct Transform {
    static constexpr bool in_parts = false;
    std::size_t workspace_bytes(Section const&) const { return 0; }
    std::uint64_t page_tokens(Section const&) const { return 1; }
    KvShape coded_shape(Section const& section) const { return section.shape; }
};
struct Quantiser {
    std::size_t workspace_bytes(Section const&) const { return 0; }
    std::uint64_t page_tokens(Section const&) const { return 1; }
    double encode_reads(Section const&) const { return 1; }
};
struct Entropy {
    static constexpr bool host_only = false;
    std::size_t workspace_bytes(PlaneSpec const&) const { return 0; }
};

}  // namespace kvstone
