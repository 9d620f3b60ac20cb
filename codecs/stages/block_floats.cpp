// nvfp4, mxfp4, mxfp8: small floating-point numbers in blocks, each with a scale of eight bits.
//
// Purpose    the block formats that current processors multiply by themselves.
// Source     mxfp4, mxfp8: OCP Microscaling Formats (MX) Specification, version 1.0, sections 5 and 6.3; nvfp4: NVIDIA,
//            "Pretraining Large Language Models with NVFP4", 2025, section 2 (E4M3 scales of 16 values below an f32 one).
// Planes     payload: codes of each vector from a byte of their own, in [layer, head, token] order: E2M1, two a byte, the
//            first in the low half; mxfp8: E4M3 or E5M2 (see small_floats.hpp)
//            scales:  a byte for each 16 (nvfp4) or 32 values of a vector, of which the last may have fewer, in [layer,
//            head, token, block] order: E4M3 (nvfp4) or E8M0 (mxfp4, mxfp8: e stands for 2^(e - 127), 255 for NaN)
//            scales:  (nvfp4) g as f32
// Scales     nvfp4: g = max |x| / (448 x 6) over the section, at least 2^-126; a block's s = E4M3(max |x| (1 / (6 g))), its
//            step g s, x' = g s E2M1(x (1 / (g s))); a block whose step is below 2^-126 becomes zeros.
//            mxfp4, mxfp8: a block's step 2^(floor(log2 max |x|) - r), r = 2 (E2M1), 8 (E4M3), 15 (E5M2), at least 2^-127;
//            x' = step fp(x / step).
//            max |x| is over finite values, that of a section taken for 255/256 x 2^128 where it is larger. All
//            conversions round to nearest, ties to even, and saturate.
// Options    format=e4m3|e5m2 (mxfp8)
// Example    mxfp4, f32 1, -6, 0.75, 0.2: max 6, step 2^(2 - 2) = 1; payload f2 02 (0.75 is a tie: 1), scales 7f
//            mxfp8, f32 1, -448: step 2^(8 - 8); payload 38 fe, scales 7f
//            nvfp4, f32 2688, -448, 1: g = 1, s = 448; payload a7 00 (6, -1, 0), scales 7e, scales 00 00 80 3f
// Error      of y = x / step, where |y| is at most the largest number: half of the gap between the numbers around it (E2M1:
//            1/4 below 2, 1/2 below 4, then 1; E4M3, E5M2 as in fp8); further out that gap and the distance to the largest
//            number. All times the step; the arithmetic adds at most 2^-20 |x| and 2^-148.
// Saturation decoded values beyond the largest number of the tensor's type become that number.
// NaN, Inf, denormals: Inf becomes the largest number times the step. NaN becomes 0 (nvfp4, mxfp4) or stays NaN (mxfp8).
//            Denormals are values as any other.

#include "codecs/kernels/block_floats.hpp"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <vector>

#include "backends/kernels/reduce_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// What stages of such blocks share.
template <class Element, class Scale>
struct BlocksOf {
    using Kernel = BlockFloats<Element, Scale>;
    static constexpr unsigned bits = Kernel::bits;
    static constexpr std::uint64_t block = Kernel::block;

    /// Planes by pages, payload first.
    template <class Byte, class AnyPlanes>
    static std::array<PagePlane<Byte>, 2> by_pages(KvShape const& shape, AnyPlanes planes) {
        auto const left = shape.tokens % Kernel::tokens_at_a_time;
        auto const row = packed_bytes(shape.dim, bits);
        auto const scales = Kernel::of_vector(shape.dim);
        return {{{planes[0].data, Kernel::tokens_at_a_time * row, left * row},
                 {planes[1].data, Kernel::tokens_at_a_time * scales, left * scales}}};
    }
    static std::vector<PlaneSpec> planes(KvShape const& shape) {
        auto const row = packed_bytes(shape.dim, bits);
        auto const scales = Kernel::of_vector(shape.dim);
        return {{LedgerLine::payload, shape.vectors() * row, false, 1, row},
                {LedgerLine::scales, shape.vectors() * scales, false, 1, scales}};
    }

    template <class Space, class T>
    static void encode(Space const& space, KvSpan<T const> values, Planes planes, std::byte const* global) {
        encode_pages(space, values, Kernel::tokens_at_a_time, by_pages<std::byte>(values.shape, planes),
                     Kernel{global});
    }
    template <class Space, class T>
    static void decode(Space const& space, ConstPlanes planes, KvSpan<T> values, std::byte const* global) {
        decode_pages(space, by_pages<std::byte const>(values.shape, planes), Kernel::tokens_at_a_time, values,
                     Kernel{global});
    }

    static void error_bounds(Scale const& scale, KvShape const& shape, float const* values, double* bounds) {
        for (std::uint64_t first = 0; first < shape.values(); first += shape.dim) {
            for (std::uint64_t c = 0; c < shape.dim; c += block) {
                auto const count = std::min(block, shape.dim - c);
                auto const* const of_block = values + first + c;
                auto const code = scale.code(largest_magnitude(of_block, count));
                double const step = scale.inverse(code) == 0 ? 0 : scale.step(code);
                for (std::uint64_t i = 0; i < count; ++i) {
                    bounds[first + c + i] = bound_of(std::fabs(double{of_block[i]}), step);
                }
            }
        }
    }
    static double bound_of(double magnitude, double step) {
        if (step == 0) return magnitude;
        auto const excess = std::max(0.0, magnitude / step - Element::largest_value());
        auto const within = std::min(magnitude / step, double{Element::largest_value()});
        return step * (small_float_rounding<Element>(within) + excess) + std::ldexp(magnitude, -20) +
               std::ldexp(1.0, -148);
    }
};

class NvFp4 : public Quantiser {
  public:
    using Blocks = BlocksOf<E2M1, GlobalScale>;

    static StageInfo info() {
        StageInfo info;
        info.name = "nvfp4";
        info.summary = "4-bit floats in blocks of 16 below one scale of eight bits each and one of the tensor";
        info.source = "NVIDIA, Pretraining Large Language Models with NVFP4, 2025, section 2";
        info.non_finite = NonFinite::saturated;
        info.engines = {{.vllm = {"nvfp4"},
                         .sglang = {"nvfp4"},
                         .differs = "the same blocks; engines take the tensor's scale from calibration"}};
        info.examples = {"nvfp4"};
        info.side_bits = {0.5, "an 8-bit scale for each 16 values"};
        return info;
    }
    explicit NvFp4(Options const&) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto specs = Blocks::planes(section.shape);
        specs.push_back({LedgerLine::scales, sizeof(float), false, sizeof(float), 0});
        return specs;
    }
    double nominal_bits(Section const&) const { return Blocks::bits; }
    std::uint64_t page_tokens(Section const&) const { return 0; }
    double encode_reads(Section const&) const { return 2; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        std::byte global[4];
        put_as(global, GlobalScale::global_of(finite_range(space, values).magnitude()));
        copy_to_backend(backend_of<Space>, planes[2].data, global, sizeof(global));
        Blocks::encode(space, values, planes, planes[2].data);
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        Blocks::decode(space, planes, values, planes[2].data);
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        auto const global = GlobalScale::global_of(largest_magnitude(values, section.shape.values()));
        Blocks::error_bounds(GlobalScale::of(global), section.shape, values, bounds);
    }
};

class MxFp4 : public Quantiser {
  public:
    using Blocks = BlocksOf<E2M1, PowerScale<E2M1>>;

    static StageInfo info() {
        StageInfo info;
        info.name = "mxfp4";
        info.summary = "4-bit floats in blocks of 32 below one power of two each";
        info.source = "OCP Microscaling Formats 1.0, MXFP4";
        info.non_finite = NonFinite::saturated;
        info.engines = {
            {.sglang = {"fp4_mx_block16"},
             .differs = "SGLang's blocks have 16 values, not 32; llama.cpp has the format for weights alone"}};
        info.examples = {"mxfp4"};
        info.side_bits = {0.25, "an 8-bit scale for each 32 values"};
        return info;
    }
    explicit MxFp4(Options const&) {}

    std::vector<PlaneSpec> planes(Section const& section) const { return Blocks::planes(section.shape); }
    double nominal_bits(Section const&) const { return Blocks::bits; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        Blocks::encode(space, values, planes, nullptr);
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        Blocks::decode(space, planes, values, nullptr);
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        Blocks::error_bounds({}, section.shape, values, bounds);
    }
};

class MxFp8 : public Quantiser {
  public:
    using E4M3Blocks = BlocksOf<E4M3, PowerScale<E4M3>>;
    using E5M2Blocks = BlocksOf<E5M2, PowerScale<E5M2>>;

    static StageInfo info() {
        StageInfo info;
        info.name = "mxfp8";
        info.summary = "8-bit floats in blocks of 32 below one power of two each";
        info.source = "OCP Microscaling Formats 1.0, MXFP8";
        info.non_finite = NonFinite::nan_kept;
        info.engines = {{.sglang = {"mxfp8"}, .differs = "E4M3 in SGLang, with its FA4 backend alone"}};
        info.options = {choice_option("format", "e4m3", {"e4m3", "e5m2"}, "bits of exponent and of mantissa")};
        info.examples = {"mxfp8", "mxfp8:format=e5m2"};
        return info;
    }
    explicit MxFp8(Options const& options) : e4m3_(options.choice("format") == "e4m3") {}

    std::vector<PlaneSpec> planes(Section const& section) const { return E4M3Blocks::planes(section.shape); }
    double nominal_bits(Section const&) const { return E4M3Blocks::bits; }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        if (e4m3_) {
            E4M3Blocks::encode(space, values, planes, nullptr);
        } else {
            E5M2Blocks::encode(space, values, planes, nullptr);
        }
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        if (e4m3_) {
            E4M3Blocks::decode(space, planes, values, nullptr);
        } else {
            E5M2Blocks::decode(space, planes, values, nullptr);
        }
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        if (e4m3_) {
            E4M3Blocks::error_bounds({}, section.shape, values, bounds);
        } else {
            E5M2Blocks::error_bounds({}, section.shape, values, bounds);
        }
    }

  private:
    bool e4m3_;
};

static Register<NvFp4> const nvfp4_registered;
static Register<MxFp4> const mxfp4_registered;
static Register<MxFp8> const mxfp8_registered;

}  // namespace kvstone
