#pragma once
// How to add a stage: one file in codecs/stages/, nothing else. Copy the nearest one and change it:
//
//   stages/fp16.cpp      a quantiser that codes each value by itself. Frame: map_to_packed() and map_from_packed() of
//                        backends/kernels/map_values.hpp.
//   stages/lloydmax.cpp  a quantiser whose vectors, or groups of tokens, have a scale (read VectorLevels and what of LloydMax
//                        is `by_vector_`). Frame: encode_pages() and decode_pages() of backends/kernels/map_pages.hpp, which
//                        is the one to take wherever values share anything. Scales are stored by codecs/kernels/scales.hpp,
//                        codes of 1 to 16 bits by codecs/kernels/bit_packing.hpp.
//   stages/center.cpp    a transform.
//   stages/lowrank.cpp   a transform that hands on another shape than it takes.
//   stages/zstd.cpp      an entropy stage that runs on the host. Frame: codecs/kernels/pieces.hpp, for coders of libraries.
//   stages/gear.cpp      an entropy stage that writes several planes, each of which the next stage codes by itself.
//
// Then `./dev test codec NAME` builds what it needs and runs all tests of that stage: everything below that can be tested,
// over the stage's own examples. Its worked example goes to tests/codecs/stage_bytes*_test.cpp, the error that theory
// gives for normal values to tests/codecs/closed_forms_test.cpp. A member that is missing or has another signature ends
// compilation with a sentence that gives it as it should be (codecs/stage_checks.hpp).
//
// A stage is a small typed struct, constructed from its validated options (the constructor may throw ConfigError), that
// says which planes it writes and encodes and decodes them with kernels templated on the execution space. One line,
// `Register<MyStage> const registered;` (codecs/register_stage.hpp), makes it known to codec text, `list`, the docs, the
// conformance suite and the benchmarks. Types of the file are the whole program's: rename those of the file that was copied,
// or the linker takes one for both (`./dev test codec` tells which). There are three kinds, told apart by their base:
//
//   Transform   tensor to tensor, f32, of the same shape or another one; may keep side planes (means, bases).
//   Quantiser   tensor to planes: exactly one per pipeline.
//   Entropy     payload plane to planes, lossless; planes billed as anything else pass it by.
//
// Bindings (constructor, planes(), host code around kernels) validate and throw: ConfigError where options are wrong,
// NotApplicable where the tensor is not one that the stage can take; kernels are plain parallel loops that
// cannot fail, and that stay inside their planes whatever bytes those hold. A section is never empty. Sizes that are
// promised exactly are checked before decode() is called. encode() and decode() allocate nothing: what they need is in
// the planes and the workspace. Results do not depend on the number of threads.
//
// What a stage writes, S being the stage, Space any execution space, T const or not one of float, Float16, BFloat16:
//
//   static StageInfo info();
//   explicit S(Options const&);
//   Transform:  std::vector<PlaneSpec> planes(Section const&) const;
//               void encode(Space, Section, KvSpan<float const> in, KvSpan<float> out, Planes, Workspace) const;
//               void decode(Space, Section, ConstPlanes, KvSpan<float> values, Workspace) const;     in place
//               void carry_bounds(Section const&, float const* values, double* bounds) const;
//               `in` and `out` may be the same memory. carry_bounds turns bounds on the transformed values into bounds
//               on the original ones, which it is given, in place; both in packed order.
//   Transform that hands on another shape than it takes:
//               KvShape coded_shape(Section const&) const;
//               What the stages behind it are bound to: a Section of this shape. It has as many tokens as the section, and
//               where page_tokens() is not 0 as many layers and heads. With it, decode() and carry_bounds() are
//               void decode(Space, Section, ConstPlanes, KvSpan<float const> coded, KvSpan<float> values, Workspace) const;
//               void carry_bounds(Section const&, float const* values, double const* coded_bounds, double* bounds) const;
//               and neither these nor encode() are given the same memory twice. Bits are billed per value of the section.
//   Quantiser:  std::vector<PlaneSpec> planes(Section const&) const;
//               void encode(Space, Section, KvSpan<T const> values, Planes, Workspace) const;
//               void decode(Space, Section, ConstPlanes, KvSpan<T> values, Workspace) const;
//               double nominal_bits(Section const&) const;
//               Bits a value that the method's name promises: those of its codes, not of scales and other side data (4 for
//               `int:bits=4` and `mxfp4`; 1.6 where five values of three levels share a byte), but for ggml's blocks, whose
//               names stand for all of a block (8.5 for `q8_0`). Figures and gates compare what is stored with it: see
//               StageInfo::side_bits. It changes nothing that is stored.
//               void error_bounds(Section const&, float const* values, double* bounds) const;
//               Taking KvSpan<float> alone is enough: other element types are then converted on the way.
//               error_bounds gives, for each value in packed order, the largest error allowed, infinity included: of the
//               arithmetic in float, saturated scales among it. What rounding to the tensor's type adds is added by the caller,
//               which asks nothing where the value is NaN or Inf.
//   Entropy:    std::vector<PlaneSpec> planes(PlaneSpec const& input) const;
//               void encode(Space, PlaneSpec const& input_spec, ConstPlane input, Planes, Workspace) const;
//               void decode(Space, PlaneSpec const& input_spec, ConstPlanes, Plane& input, Workspace) const;
//               decode throws CorruptData where the planes are not what encode() writes.
//               decode() of Transform and Quantiser writes every value, whatever the values are before.
//               static constexpr bool host_only = true; where Space is to be the host's alone: for other backends the
//               planes are then copied to the host and back.
//               The input has as many bytes as its ConstPlane says, at most input_spec.bytes. decode() is handed a Plane of
//               input_spec.bytes and sets its `bytes` to what the input had: where input_spec.variable, what encode() writes
//               has to tell it.
//   all, where needed:  static void complete(std::map<std::string, std::string>& options);
//               Fills in, while codec text is read, an option that follows from others, such as the hash of a file that they
//               name: canonical text has it. Throws ConfigError.
//                       std::size_t workspace_bytes(Section const& | PlaneSpec const& input) const;
//   Transform, Quantiser, where they differ from the defaults below:
//               std::uint64_t page_tokens(Section const&) const;
//               How many consecutive tokens of a layer and head can be coded by themselves: 1 each token, n pages of n
//               (the last page may be shorter), 0 the whole section at once. Where it is not 0, planes are laid out as
//               [layer, head, page, ...] with the same bytes for every full page, so that streams can append; but for
//               those of PlaneSpec::once. The planes of a section are those of its layers and heads put together. Depends
//               on component, type and dim alone. The frame of map_pages.hpp is given the bytes of a full page and of a
//               shorter one for each plane (PagePlane); PageGrid::bytes() of the two is the plane's size.
//               double encode_reads(Section const&) const;
//               How often encode() has to read every value: 2 where a range over everything comes first.

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

/// What becomes of NaN and Inf. kept: they stay what they are. saturated: Inf becomes the end of the range of the
/// finite values, NaN the code nearest to zero. nan_kept: Inf likewise, NaN stays NaN. mixed: of quantisers that code
/// several values together, NaN counts as 0 and Inf as the largest finite magnitude of its group with its sign; all of the
/// group come back finite. any: nothing is promised of them, or it differs between options. Finite values stay finite in
/// each case.
enum class NonFinite : std::uint8_t { kept, saturated, nan_kept, mixed, any };

struct StageInfo {
    std::string name;
    std::string summary;  ///< one line
    std::string source;   ///< paper and equation, or format
    NonFinite non_finite =
        NonFinite::kept;  ///< of a quantiser; one that has codes and a scale keeps neither: saturated
    /// The nearest settings in serving engines: the first that fits the options is taken. The last one fits always; of
    /// transforms and entropy stages it says what engines have of them.
    std::vector<EngineSettings> engines;
    /// Raised whenever the bytes written for the same text change; from 2 on it is part of the name ("int8.2").
    std::uint32_t format_version = 1;
    std::vector<OptionSpec> options;
    /// Codec texts that use it; the first is shown to users, all are run by the conformance suite and the benchmarks.
    std::vector<std::string> examples;
    /// For a quantiser that stores each value as a floating-point number: what a rule for sinks or the recent window
    /// keeps with it is billed as window.
    bool plain = false;
    /// What serving has to know: whether decoding needs the tokens' positions (a stage that undoes RoPE), whether a head's
    /// values cannot be decoded without those of other heads or layers, whether the bytes are known before the values are,
    /// and whether a file made by `kvstone calibrate` belongs to it.
    bool needs_positions = false;
    bool mixes_heads = false;
    bool mixes_layers = false;
    bool fixed_rate = true;
    bool calibrated = false;
    /// Of these, what is so under one value of an option alone.
    struct Under {
        std::string option;
        std::string value;
        bool StageInfo::* flag = nullptr;
    };
    std::vector<Under> under;
    /// For a name that stands for another stage with some of its options fixed and the rest its own: that stage with
    /// these values has the shorter name in canonical text.
    struct Shorthand {
        std::string stage;
        std::map<std::string, std::string> fixed;
    };
    std::optional<Shorthand> shorthand;
    /// For a stage behind which, or before which, some bytes of a payload decide nothing: the largest share of a payload's
    /// bytes of which that may be true, up to a half, and why. The conformance suite takes no other exemption from "every
    /// byte that is stored matters".
    struct IdleBytes {
        double share = 0;
        std::string reason;
    };
    IdleBytes idle_bytes;
    /// For a stage whose examples store more than 1.05 times nominal_bits a value: scales, means or indices of which the
    /// method's name says nothing, at most so many bits a value beyond nominal_bits in tensors of head dimension 64 or 128,
    /// and the sum that they are. tests/codecs/nominal_bits_test.cpp compares them with what is stored.
    struct SideBits {
        double most = 0;
        std::string reason;
    };
    SideBits side_bits;
};

/// The info with what is so under these options, `under` taken in.
inline StageInfo under_options(StageInfo info, std::map<std::string, std::string> const& options) {
    for (auto const& [option, value, flag] : info.under) info.*flag = info.*flag || options.at(option) == value;
    return info;
}

/// The box of one tensor that a pipeline is bound to. Stages see as `type` what they are handed: f32 behind transforms.
struct Section {
    Component component = Component::k;
    ElementType type = ElementType::f32;
    std::uint64_t layer = 0;  ///< first layer, head and token of the box within the tensor
    std::uint64_t head = 0;
    std::uint64_t token = 0;
    KvShape shape;
    /// What K went through, token t as position t; null where that is not known, as it is not to a container.
    Rope const* rope = nullptr;
};

/// What the elements of a plane are, for entropy stages that code exponents.
enum class NumberFormat : std::uint8_t { none, fp32, fp16, bf16, fp8_e4m3, fp8_e5m2 };

/// One array of coded bytes.
struct PlaneSpec {
    LedgerLine line = LedgerLine::payload;
    /// What encode() writes, exactly: it fills the plane, and decode() is called with no other size. Where `variable`: the
    /// most that it may write, whatever the values are; Plane::bytes then says how much it was.
    std::uint64_t bytes = 0;
    bool variable = false;
    std::uint32_t element_bytes = 1;  ///< width of what it holds, for entropy stages that split or subtract
    /// Elements (of element_bytes) of one vector, that is of one token of a layer and head, for the same stages: dim where
    /// each value is an element, the bytes of a vector's codes where these are packed, 1 for a vector's scale. 0 where
    /// vectors do not lie one after the other (one scale for a section, groups of tokens, variable planes).
    std::uint64_t row_elements = 0;
    bool once = false;  ///< of a stage that codes pages: parameters of the section, the same whichever page is coded
    NumberFormat numbers = NumberFormat::none;  ///< each element is a number of this format
    /// Where row_elements is not 0: rows of one layer and head, and heads of a layer, rows lying in [layer, head, token]
    /// order, for tables per head or layer. A quantiser's are filled in by the pipeline; an entropy stage copies those of
    /// its input to what keeps their order.
    std::uint64_t head_rows = 0;
    std::uint64_t layer_heads = 0;
    /// Bits of an element, the lowest ones, that may be set; 0: all of them. A stage that stores bytes as they are because
    /// they do not shrink packs them to so many.
    std::uint32_t element_bits = 0;
};

/// Memory of a plane. Of a variable plane, encode() lowers `bytes` to what it wrote.
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

/// What stages derive from: the kind, and defaults for what few of them need.
struct Transform {
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
