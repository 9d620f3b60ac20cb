// turboquant_prod: Lloyd-Max levels of b - 1 bits, and one bit for the signs of a sketch of their error.
//
// Purpose    scores without bias at b bits a value: levels of least mean squared error shrink the values, and a
//            sketch of the residual corrects that in inner products. Each decoded value is further off than with b
//            bits of `lloydmax` alone; the two are to be compared on attention, not on values. For vectors that were
//            rotated: `hadamard | turboquant_prod:bits=b`. The variant of least squared error is
//            `hadamard | lloydmax:bits=b`.
// Source     Zandieh, Daliri, Hadian, Mirrokni, "TurboQuant: Online Vector Quantization with Near-optimal Distortion
//            Rate", 2025, algorithm 2 (the paper rotates by a random orthogonal matrix, here `hadamard` does). Engines
//            ship the other variant alone.
// Planes     payload: codes of b - 1 bits (see bit_packing.hpp), each vector from a byte of its own
//            payload: m signs a vector, m = d rounded up to a multiple of 8, bit r 1 where row r of S times the
//                     residual is not negative (see random_sketch.hpp)
//            scales:  n = |x| and g = |residual|, two binary16 a vector
//            All in [layer, head, token] order. x' = y + sqrt(pi/2) / m g S^T signs, y = n / sqrt(d) times the levels,
//            the residual x - y, S of independent N(0, 1) from the seed.
// Options    bits=b (1 bit would be `qjl:sketch=1`), seed=N of S
// Example    bits=2, (1, 1, 1, -1): n = 2, levels +-.7979, codes 1, 1, 1, 0, residual .2021 of the same signs, g = .4042:
//            payload 07, scales 00 40 78 36; the signs' payload follows from S. Zeros:
//            payloads 00 and ff, scales 00 00 00 00.
// Error      D (pi d/2 - 1) / m of the energy, D the distortion of Lloyd-Max with b - 1 bits on N(0,1); d times the
//            squared error of inner products of unit vectors is the same number. The bound of a single value:
//            its magnitude, the last level's, and the most that all rows of S together can add.
// Saturation n and g beyond 65504 are stored as that. Decoded values beyond the largest number of the tensor's type
//            become that number.
// NaN, Inf, denormals: NaN counts as 0, Inf as the vector's largest finite magnitude with its sign. Denormals are
//            values as any other; norms below 2^-25 become 0.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/level_table.hpp"
#include "codecs/kernels/lloyd_max.hpp"
#include "codecs/kernels/random_sketch.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// Codes, signs and norms; a page is one token.
struct LevelsAndSketch {
    LevelTable table;
    Sketch sketch;
    double root_of_dim;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 3> const& to) const {
        float values[most_sketched_values];
        copy_finite(page.values, page.dim, largest_magnitude(page.values, page.dim), values);
        auto const stored = stored_norm(square_sum(values, page.dim));
        put_as(to[2], stored);
        double const norm = to_float(stored);
        auto const inverse = norm > 0 ? static_cast<float>(root_of_dim / norm) : 0.0F;
        auto const factor = static_cast<float>(norm / root_of_dim);
        std::uint8_t codes[levels_at_a_time];
        float levels[levels_at_a_time];
        for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
            auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
            table.nearest(values + first, count, inverse, codes);
            pack_codes(table.bits, codes, count, to[0] + first * table.bits / 8);
            look_up(table.levels, factor, codes, count, levels);
            for (std::uint64_t i = 0; i < count; ++i) values[first + i] -= levels[i];
        }
        sketch.store(values, page.dim, to[1], to[2] + sizeof(Float16));
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 3> const& from, Page<T> const& page) const {
        auto const factor = static_cast<float>(static_cast<double>(to_float(get_as<Float16>(from[2]))) / root_of_dim);
        std::uint8_t codes[levels_at_a_time];
        float values[most_sketched_values];
        float sums[most_sketched_values];
        for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
            auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
            unpack_codes(table.bits, from[0] + first * table.bits / 8, count, codes);
            look_up(table.levels, factor, codes, count, values + first);
        }
        sketch.add(from[1], from[2] + sizeof(Float16), page.dim, sums, values);
        for (std::uint64_t i = 0; i < page.dim; ++i) page.values[i] = nearest_element<T>(values[i]);
    }
};

class TurboQuantProd : public Quantiser {
  public:
    static StageInfo info();
    explicit TurboQuantProd(Options const& options)
        : levels_(static_cast<unsigned>(options.integer("bits")) - 1,
                  lloyd_max_levels(static_cast<unsigned>(options.integer("bits")) - 1)),
          sketches_(SketchMatrix::gaussian, 1, static_cast<std::uint64_t>(options.integer("seed"))) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const dim = section.shape.dim;
        sketches_.prepare("turboquant_prod", dim);
        auto const vectors = section.shape.vectors();
        auto const row = packed_bytes(dim, levels_.bits());
        auto const signs = sketches_.rows(dim) / 8;
        return {{LedgerLine::payload, vectors * row, false, 1, row},
                {LedgerLine::payload, vectors * signs, false, 1, signs},
                {LedgerLine::scales, vectors * norm_bytes, false, sizeof(Float16), 2}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return level_bytes() + sketches_.bytes(section.shape.dim);
    }
    double nominal_bits(Section const& section) const {
        auto const dim = section.shape.dim;
        return levels_.bits() + static_cast<double>(sketches_.rows(dim)) / static_cast<double>(dim);
    }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        encode_pages(space, values, 1, by_pages<std::byte>(section, planes), kernel(space, section, workspace));
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values,
                Workspace workspace) const {
        decode_pages(space, by_pages<std::byte const>(section, planes), 1, values, kernel(space, section, workspace));
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    static constexpr std::uint64_t norm_bytes = 2 * sizeof(Float16);

    std::size_t level_bytes() const { return (levels_.bytes() + 255) / 256 * 256; }
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 3> by_pages(Section const& section, AnyPlanes planes) const {
        auto const dim = section.shape.dim;
        return {{{planes[0].data, packed_bytes(dim, levels_.bits()), 0},
                 {planes[1].data, sketches_.rows(dim) / 8, 0},
                 {planes[2].data, norm_bytes, 0}}};
    }
    template <class Space>
    LevelsAndSketch kernel(Space const& space, Section const& section, Workspace workspace) const {
        auto const dim = section.shape.dim;
        return {levels_.put(space, workspace), sketches_.put(space, dim, workspace + level_bytes()),
                std::sqrt(static_cast<double>(dim))};
    }

    LevelBook levels_;
    SketchBook sketches_;
};

StageInfo TurboQuantProd::info() {
    StageInfo info;
    info.name = "turboquant_prod";
    info.summary = "TurboQuant for inner products: Lloyd-Max levels, and a sketch of their error";
    info.source = "TurboQuant (Zandieh et al. 2025), algorithm 2";
    info.non_finite = NonFinite::mixed;
    info.engines = {{.differs = "no engine has it: TurboQuant presets of vLLM and LMCache have no sketch of the "
                                "residual, as `hadamard | lloydmax` has none"}};
    info.options = {
        integer_option("bits", std::nullopt, 2, 8, "bits of a value, one of them the sketch's"),
        integer_option("seed", 0, 0, 4294967295, "of the sketch"),
    };
    info.examples = {"hadamard | turboquant_prod:bits=4", "turboquant_prod:bits=3"};
    info.side_bits = {0.5, "two fp16 norms for each vector of 64 values"};
    return info;
}

void TurboQuantProd::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    sketches_.prepare("turboquant_prod", dim);
    auto const reach = sketches_.reach(dim);
    double const last = levels_.level((std::size_t{1} << levels_.bits()) - 1);
    std::vector<float> finite(dim);
    for (std::uint64_t first = 0; first < section.shape.values(); first += dim) {
        copy_finite(values + first, dim, largest_magnitude(values + first, dim), finite.data());
        auto const squares = square_sum(finite.data(), dim);
        double const norm = to_float(stored_norm(squares));
        // The residual is at most as long as both that it is the difference of.
        auto const residual = std::min(std::sqrt(squares) + last * norm, 65504.0);
        auto const level = last * norm / std::sqrt(static_cast<double>(dim));
        for (std::uint64_t i = 0; i < dim; ++i) {
            auto const magnitude = std::fabs(static_cast<double>(finite[i]));
            bounds[first + i] = magnitude + (level + residual * reach[i]) * (1 + 0x1p-10) + 0x1p-24;
        }
    }
}

static Register<TurboQuantProd> const registered;

}  // namespace kvstone
