// q8_0, q4_0, q4_1, q5_0, q5_1: ggml's blocks of 32 values.
//
// Purpose    the bytes of llama.cpp's KV cache, so that its figures can be compared with all others.
// Source     ggml (github.com/ggml-org/ggml), quantize_row_*_ref of ggml-quants.c; structures of ggml-common.h.
// Planes     payload: blocks in [layer, head, token, block] order, an array of structures as in ggml, little-endian:
//              d   binary16                   step
//              m   binary16                   origin (q4_1, q5_1)
//              qh  32 bits                    bit i: bit 4 of code i (q5_0, q5_1)
//              qs  16 bytes                   code i (low four bits) and code i + 16 (high), i = 0..15; q8_0: 32 int8
//            18, 20, 22, 24 and 34 bytes (q4_0, q4_1, q5_0, q5_1, q8_0). Steps and origins lie within the payload and are
//            billed with it.
// Codes      q8_0: d = max |x| / 127, q = round(x / d), ties away from zero
//            q4_0, q5_0: d = e / -H with H = 8, 16 and e the value of largest magnitude with its sign (of equals the first),
//            q = min(floor(x / d + H + 1/2), 2 H - 1), x' = (q - H) d
//            q4_1, q5_1: m = min x, d = (max x - m) / L with L = 15, 31, q = floor((x - m) / d + 1/2), x' = q d + m
//            x / d is the product with 1 / d; d and m before they are rounded to binary16. All in single floats, to the
//            bit as in the reference; ggml's functions for one processor may round a tie to the other side.
// Dim        A vector whose dim is no multiple of 32 ends in a block filled up with its last value.
// Example    q8_0 of 127, -1, 0.5, -0.5 and zeros: d = 1; 00 3c 7f ff 01 ff, then 28 zeros
//            q4_0 of -8, 7, 0 ... and 1 at 16: d = 1; 00 3c 90 8f, then 88 for 14 bytes
//            q5_1 of 0, 31, 16, zeros: d = 1, m = 0; 00 3c 00 00 06 00 00 00 00 0f 00, then 13 zeros
// Error      |d| / 2 up to the last code, beyond it that and the distance to it (q4_0, q5_0: a value opposite to e); from
//            rounding d and m to binary16 at most L |d' - d| + |m' - m| (L the largest |q|); from arithmetic 2^-20 of the
//            block's largest magnitude, and L 2^-149.
// Saturation d and m beyond binary16 are stored as 65504, where ggml stores Inf. Decoded values beyond the largest number of
//            the tensor's type become that number (a d that was rounded up: 127 x 516 where 65504 was coded).
// NaN, Inf, denormals: NaN becomes the code nearest to 0, Inf the last one on its side; neither counts for d and m.
//            Denormals are values as any other; a d that binary16 rounds to 0 leaves 0 or m.

#include "codecs/kernels/ggml_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "codecs/register_stage.hpp"

namespace kvstone {

template <unsigned bits, bool with_least>
class GgmlQuantiser : public Quantiser {
  public:
    using Blocks = GgmlBlocks<bits, with_least>;

    static StageInfo info() {
        auto const name = "q" + std::to_string(bits) + (with_least ? "_1" : "_0");
        StageInfo info;
        info.name = name;
        info.summary = "ggml's blocks of 32 values: " + std::to_string(bits) + " bits, " +
                       (with_least ? "step and origin" : "step");
        info.source = "ggml, quantize_row_" + name + "_ref";
        info.non_finite = NonFinite::saturated;
        info.engines = nearest(name);
        info.examples = {name};
        return info;
    }
    explicit GgmlQuantiser(Options const&) {}

    static std::vector<EngineSettings> nearest(std::string const& name) {
        EngineSettings here{.llama_cpp = {name},
                            .differs =
                                "the same blocks in llama.cpp, which rotates before it codes them where the head "
                                "dimension is a multiple of 64: LLAMA_ATTN_ROT_DISABLE=1 for the same"};
        if constexpr (bits == 4 || bits == 8) {
            here.vllm = {bits == 4 ? "int4_per_token_head" : "int8_per_token_head"};
            here.differs += "; vLLM has a scale a token and head, not a block of 32";
        }
        auto rotated = here;
        rotated.behind = "hadamard";
        rotated.differs =
            "llama.cpp does this by itself, with its own signs, where the head dimension is a multiple of 64";
        return {rotated, here};
    }

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const row = Blocks::of_vector(section.shape.dim) * Blocks::bytes;
        return {{LedgerLine::payload, section.shape.vectors() * row, false, 1, row}};
    }
    double nominal_bits(Section const&) const { return 8.0 * Blocks::bytes / Blocks::values; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        encode_pages(space, values, Blocks::tokens_at_a_time, by_pages(section, planes[0].data), Blocks{});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        decode_pages(space, by_pages(section, planes[0].data), Blocks::tokens_at_a_time, values, Blocks{});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        auto const dim = section.shape.dim;
        for (std::uint64_t first = 0; first < section.shape.values(); first += dim) {
            for (std::uint64_t c = 0; c < dim; c += Blocks::values) {
                bound_block(values + first + c, std::min<std::uint64_t>(Blocks::values, dim - c), bounds + first + c);
            }
        }
    }

  private:
    template <class Byte>
    static std::array<PagePlane<Byte>, 1> by_pages(Section const& section, Byte* data) {
        auto const row = Blocks::of_vector(section.shape.dim) * Blocks::bytes;
        auto const left = section.shape.tokens % Blocks::tokens_at_a_time;
        return {{{data, Blocks::tokens_at_a_time * row, left * row}}};
    }

    static void bound_block(float const* values, std::uint64_t count, double* bounds) {
        auto const made = Blocks::step_of(Blocks::ends_of(values, count));
        double const step = made.step;
        double const least = made.least;
        constexpr double levels = std::max(-Blocks::low, Blocks::high);
        auto const lost = [](float value) -> double {
            return std::fabs(double{to_float(saturated_half(value))} - double{value});
        };
        double const rounding = levels * lost(made.step) + lost(made.least) + levels * std::ldexp(1.0, -149);
        double largest = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (std::isfinite(values[i])) largest = std::max(largest, std::fabs(double{values[i]}));
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            double const code = step == 0 ? 0 : (values[i] - least) / step;
            double const beyond = std::max({0.5, code - Blocks::high, Blocks::low - code});
            bounds[i] = beyond * std::fabs(step) + rounding + std::ldexp(largest, -20);
            if (std::isnan(bounds[i])) bounds[i] = std::numeric_limits<double>::infinity();
        }
    }
};

static Register<GgmlQuantiser<8, false>> const q8_0_registered;
static Register<GgmlQuantiser<4, false>> const q4_0_registered;
static Register<GgmlQuantiser<4, true>> const q4_1_registered;
static Register<GgmlQuantiser<5, false>> const q5_0_registered;
static Register<GgmlQuantiser<5, true>> const q5_1_registered;

}  // namespace kvstone
