// unrope: keys as they were before rotary position embedding.
//
// Purpose    RoPE spreads a channel over its pair and makes it oscillate along the tokens; without it keys keep their
//            outlier channels where they are, tokens resemble their neighbours, and quantisation by channel (KVQuant), mean
//            removal and PCA (KVTC) gain. For keys only.
// Source     Su et al., "RoFormer", 2021, equation 34, backwards: pair i of the key of token t, (x, y), becomes
//            (x cos a + y sin a, y cos a - x sin a), a = t f_i, f_i = scale base^(-2i/dims) / factor_i. Decoding rotates
//            by +a. Token t of a cache has position t.
// Planes     headers: rotated channels (dims), 4 bytes; 1 where pairs are interleaved, else 0, 4 bytes; dim/2 of f_i,
//            binary64, 0 from dims/2 on; all little-endian. Decoding needs nothing else.
// Options    base=B     B >= 1: the f_i are B^(-2i/dims). 0: the tensor's own RoPE, as its source states it, with scale
//                       and frequency factors
//            dims=N     rotated channels, an even number; 0: all, but the last of an odd number. Goes with base.
//            pairs=halves|interleaved   (i, i + dims/2) or (2i, 2i + 1). Goes with base.
// Arithmetic a, its sine and cosine in binary64: those of position 64 h + l follow from those of 64 h and l by the
//            addition theorem, and are then rounded to f32, in which the pair is rotated.
// Example    base=100, tokens 0 and 1 of dim 4, (1, 0, 0, 0) each: headers 04 00 00 00 00 00 00 00, f = 1, 0.1:
//            00 00 00 00 00 00 f0 3f 9a 99 99 99 99 99 b9 3f; behind it `raw` stores (1, 0, 0, 0) and
//            (cos 1, 0, -sin 1, 0) = 40 51 0a 3f 00 00 00 00 a4 6a 57 bf 00 00 00 00
// Error      of each of a pair: the Euclidean norm of both quantiser's bounds, and 2^-21 of that plus the
//            pair's own norm (2^-147 at the least) for the arithmetic of both ways; from 2^128 on none is given.
// NaN, Inf, denormals: NaN or Inf makes its pair NaN or Inf; denormals are values as any other.

#include <array>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "backends/kernels/rotate_pairs.hpp"
#include "backends/portable_math.hpp"
#include "codecs/kernels/rope_frequency.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

class Unrope : public Transform {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "unrope";
        info.summary = "undoes the rotary position embedding of keys";
        info.source = "RoFormer (Su et al. 2021), equation 34; before quantisation as in KVQuant (2024)";
        info.needs_positions = true;
        info.engines = {{.differs = "no engine has it: keys are cached after RoPE"}};
        info.options = {
            number_option("base", 0, 0, 1e12, false, "of RoPE's frequencies; 0: the tensor's own RoPE"),
            integer_option("dims", 0, 0, most_rotated_channels, "rotated channels; 0: all"),
            choice_option("pairs", "halves", {"halves", "interleaved"}, "(i, i + dims/2) or (2i, 2i + 1)"),
        };
        info.examples = {"k{unrope:base=10000 | int8} v{int8}", "k{unrope:base=500000,pairs=interleaved | raw} v{raw}"};
        info.idle_bytes = {0.5, "rotating back rounds the lowest bits of a value away"};
        return info;
    }
    explicit Unrope(Options const& options)
        : base_(options.number("base")),
          dims_(static_cast<std::uint64_t>(options.integer("dims"))),
          interleaved_(options.choice("pairs") == "interleaved") {
        if (base_ != 0 && base_ < 1) {
            throw ConfigError("RoPE's base is 1 or more; 0 means the tensor's own RoPE", fmt::format("base={}", base_),
                              {"base=10000", "base=500000"});
        }
        if (dims_ % 2 != 0) throw ConfigError("unrope rotates pairs of channels", fmt::format("dims={}", dims_));
        if (base_ == 0 && (dims_ != 0 || interleaved_)) {
            throw ConfigError("options dims and pairs of unrope go with base", "unrope", {"unrope:base=10000,..."});
        }
    }

    std::vector<PlaneSpec> planes(Section const& section) const {
        if (section.component != Component::k) {
            throw NotApplicable("unrope is for keys: values have no rotary position embedding", "unrope",
                                {"k{unrope | ...} v{...}"});
        }
        auto const dim = section.shape.dim;
        if (dim > most_rotated_channels) {
            throw NotApplicable("unrope takes vectors that are not as long", fmt::format("{} channels", dim),
                                {fmt::format("up to {}", most_rotated_channels)});
        }
        // Without a base, a container's section does not know its RoPE: encode() asks for it, decode() does not.
        if (base_ != 0 || section.rope != nullptr) check_fit(layout(section), section);
        return {{LedgerLine::headers, plane_bytes(dim), false, sizeof(double), 0, true}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return PairRotations::memory_bytes(section.shape.dim / 2, section.shape.tokens);
    }

    template <class Space>
    void encode(Space const& space, Section const& section, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace workspace) const {
        if (base_ == 0 && section.rope == nullptr) {
            throw NotApplicable("the source of these keys states no rotary position embedding", "unrope",
                                {"unrope:base=10000", "unrope:base=500000,pairs=interleaved"});
        }
        auto const where = layout(section);
        Header header{static_cast<std::uint32_t>(2 * where.pairs), where.interleaved, {}};
        for (std::uint64_t i = 0; i < where.pairs; ++i) header.frequencies[i] = frequency(section, where.pairs, i);
        copy_to_backend(backend_of<Space>, planes[0].data, reinterpret_cast<std::byte const*>(&header),
                        plane_bytes(in.shape.dim));
        rotate(space, section, where, true, {planes[0].data, planes[0].bytes}, in, out, workspace);
    }
    template <class Space>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<float> values,
                Workspace workspace) const {
        std::array<std::uint32_t, 2> stored{};
        copy_to_host(backend_of<Space>, reinterpret_cast<std::byte*>(stored.data()), planes[0].data, sizeof(stored));
        if (stored[0] % 2 != 0 || stored[0] > values.shape.dim || stored[1] > 1) {
            throw CorruptData(fmt::format("RoPE over {} of {} channels", stored[0], values.shape.dim));
        }
        rotate(space, section, {stored[0] / 2, stored[1] == 1}, false, planes[0], read_only(values), values, workspace);
    }

    void carry_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    static constexpr std::size_t header_bytes = 8;
    struct Header {
        std::uint32_t dims;
        std::uint32_t interleaved;
        std::array<double, most_rotated_channels / 2> frequencies;
    };
    struct Layout {
        std::uint64_t pairs;
        bool interleaved;
    };

    static std::uint64_t plane_bytes(std::uint64_t dim) { return header_bytes + dim / 2 * sizeof(double); }

    Layout layout(Section const& section) const {
        if (base_ == 0) return {section.rope->dims / 2, section.rope->interleaved};
        return {(dims_ == 0 ? section.shape.dim : dims_) / 2, interleaved_};
    }
    void check_fit(Layout const& where, Section const& section) const {
        bool const own = base_ == 0;
        if (2 * where.pairs > section.shape.dim || (own && section.rope->dims % 2 != 0) ||
            (own && !section.rope->frequency_factors.empty() &&
             section.rope->frequency_factors.size() != where.pairs)) {
            throw NotApplicable("this rotary position embedding does not fit the keys",
                                fmt::format("{} rotated channels", own ? section.rope->dims : dims_),
                                {fmt::format("an even number up to {}", section.shape.dim)});
        }
    }
    double frequency(Section const& section, std::uint64_t pairs, std::uint64_t pair) const {
        if (base_ == 0) return rope_frequency(*section.rope, pair);
        return portable::pow(base_, -static_cast<double>(pair) / static_cast<double>(pairs));
    }
    template <class Space>
    static void rotate(Space const& space, Section const& section, Layout const& where, bool backwards,
                       ConstPlane const& header, KvSpan<float const> in, KvSpan<float> out, Workspace workspace) {
        PairRotations const rotations(where.pairs, where.interleaved, backwards, section.token, in.shape.tokens,
                                      reinterpret_cast<double const*>(header.data + header_bytes), workspace);
        rotations.fill(space);
        rotate_pairs(space, in, out, rotations);
    }

    double base_;
    std::uint64_t dims_;
    bool interleaved_;
};

void Unrope::carry_bounds(Section const& section, float const* values, double* bounds) const {
    auto const where = layout(section);
    auto const dim = section.shape.dim;
    for (std::uint64_t vector = 0; vector < section.shape.vectors(); ++vector) {
        for (std::uint64_t i = 0; i < where.pairs; ++i) {
            auto const first = vector * dim + (where.interleaved ? 2 * i : i);
            auto const second = first + (where.interleaved ? 1 : where.pairs);
            auto const allowed = std::hypot(bounds[first], bounds[second]);
            auto const reach = std::hypot(double{values[first]}, double{values[second]}) + allowed;
            auto const arithmetic = std::ldexp(reach, -21) + std::ldexp(1.0, -147);
            bounds[first] = bounds[second] =
                reach < FLT_MAX * 0.999 ? allowed + arithmetic : std::numeric_limits<double>::infinity();
        }
    }
}

static Register<Unrope> const registered;

}  // namespace kvstone
