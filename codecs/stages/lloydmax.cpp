// lloydmax: every value as the nearest of the 2^b levels that suit a normal distribution best.
//
// Purpose    the least mean squared error of b bits a value for values that are close to normal, as those of
//            rotated vectors are: `hadamard | lloydmax:bits=b` is TurboQuant-mse, and with norm=matched the coded keys
//            and values of LMCache's presets without its rotation's name.
// Source     Max, "Quantizing for Minimum Distortion", IRE Trans. Inf. Theory 1960; Zandieh et al., "TurboQuant", 2025
//            (algorithm 1); Vargaftik et al., "EDEN", ICML 2022 (the unbiased scale).
// Planes     payload: b-bit codes (see bit_packing.hpp), code k for the k-th level from below; each vector from a byte of
//                     its own, in [layer, head, token] order
//            scales:  scale=vector  one fp16 a vector, S, in the same order
//                     scale=tensor  one f32: S
//            Decoded values are S / sqrt(d) times a level (vector of d values), or S times a level (tensor).
//            Levels are computed (see lloyd_max.hpp) and not stored.
// Options    scale=vector S from each vector's Euclidean norm n; the coded value is sqrt(d) x / n.
//                  tensor S = RMS of the section, f32, at least 2^-126 where it is not 0, and so small that decoded
//                         values are finite; the coded value is x / S.
//            norm  (vector) the definition of S, with c the coded vector's levels:
//                  none     n, rounded to fp16 before coding, so that values are coded by the stored one
//                  matched  n sqrt(d) / |c|: the decoded vector's norm is n
//                  eden     sqrt(d) n^2 / <c, x>: the decoded vector's part along x is x
//            Sums are taken in double precision.
// Example    bits=2, (1, 1, 1, -1): n = 2, sqrt(d) x / n = (1, 1, 1, -1); thresholds -.9816, 0, .9816, so codes 3, 3, 3,
//            0: payload 3f, scales 00 40 (S = 2)
//            norm=matched: S = 2 x 2 / (2 x 1.5104) = 1.3242: scales 4c 3d
//            norm=eden: S = 2 x 4 / (4 x 1.5104), the same
//            scale=tensor, (2, 2, 2, -2): payload 3f, scales 00 00 00 40
// Error      half the distance between the levels next to x, or the distance to the last level beyond it; with norm,
//            that error times the scale of coding, and the level times the difference of S from that scale.
// Saturation fp16 S beyond 65504 is stored as that. Decoded values beyond the largest number of the tensor's type become
//            that number.
// NaN, Inf, denormals: not part of norms; Inf becomes the last level on its side, NaN the code of 0 (the level below 0).
//            Denormals are values as any other; norms below 2^-25 become 0 as fp16, those above 65504 become that.

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>

#include "codecs/kernels/lloyd_max.hpp"
#include "codecs/kernels/vector_levels.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

class LloydMax : public Quantiser {
  public:
    static StageInfo info();
    explicit LloydMax(Options const& options);

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const row = packed_bytes(section.shape.dim, book_.bits());
        auto const vectors = section.shape.vectors();
        PlaneSpec const payload{LedgerLine::payload, vectors * row, false, 1, row};
        if (by_vector_) return {payload, {LedgerLine::scales, vectors * sizeof(Float16), false, sizeof(Float16), 1}};
        return {payload, {LedgerLine::scales, sizeof(float), false, sizeof(float), 0}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return table_bytes() + (by_vector_ ? 0 : SquareSum::workspace_bytes(section.shape));
    }
    std::uint64_t page_tokens(Section const&) const { return by_vector_ ? 1 : 0; }
    double encode_reads(Section const&) const { return by_vector_ ? 1 : 2; }
    double nominal_bits(Section const&) const { return book_.bits(); }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        auto const table = book_.put(space, workspace);
        if (by_vector_) {
            encode_pages(space, values, level_tokens,
                         level_planes<2>(section.shape, table.bits, std::array{planes[0].data, planes[1].data}),
                         VectorLevels{table, norm_, root(section)});
            return;
        }
        auto const scale = rms(SquareSum::find(space, values, workspace + table_bytes()), section);
        copy_to_backend(backend_of<Space>, planes[1].data, reinterpret_cast<std::byte const*>(&scale), sizeof(scale));
        encode_pages(space, values, level_tokens,
                     level_planes<1>(section.shape, table.bits, std::array{planes[0].data}),
                     TensorLevels{table, planes[1].data});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values,
                Workspace workspace) const {
        auto const table = book_.put(space, workspace);
        if (by_vector_) {
            decode_pages(space, level_planes<2>(section.shape, table.bits, std::array{planes[0].data, planes[1].data}),
                         level_tokens, values, VectorLevels{table, norm_, root(section)});
        } else {
            decode_pages(space, level_planes<1>(section.shape, table.bits, std::array{planes[0].data}), level_tokens,
                         values, TensorLevels{table, planes[1].data});
        }
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    std::size_t table_bytes() const { return (book_.bytes() + 255) / 256 * 256; }
    static double root(Section const& section) { return std::sqrt(static_cast<double>(section.shape.dim)); }
    float rms(double squares, Section const& section) const {
        auto const mean = std::sqrt(squares / static_cast<double>(section.shape.values()));
        // Every level times it is finite.
        auto const most = FLT_MAX / std::fmax(1.0, static_cast<double>(last_level())) * (1 - 0x1p-22);
        return squares == 0 ? 0.0F : std::fmax(static_cast<float>(std::fmin(mean, most)), FLT_MIN);
    }
    float last_level() const { return book_.level((std::size_t{1} << book_.bits()) - 1); }

    LevelBook book_;
    bool by_vector_;
    LevelNorm norm_;
};

StageInfo LloydMax::info() {
    StageInfo info;
    info.name = "lloydmax";
    info.summary = "the levels that suit normal values best, scaled by each vector's norm or the RMS";
    info.source = "Max 1960; Lloyd 1982; TurboQuant (Zandieh et al. 2025), algorithm 1";
    info.non_finite = NonFinite::saturated;
    // Presets of TurboQuant code K so, and V by even steps.
    auto const turboquant = [](std::string const& bits, std::vector<std::string> const& presets) {
        EngineSettings settings{.differs =
                                    "TurboQuant presets have matched norms, code V in even steps, and leave the first "
                                    "and last 2 layers; llama.cpp rotates, then codes blocks of 32 in even steps",
                                .options = {{"bits", bits}},
                                .behind = "hadamard"};
        for (auto const& preset : presets) {
            settings.vllm.push_back(preset);
            settings.lmcache.push_back(turboquant_serde(preset));
        }
        if (bits == "4") settings.llama_cpp = {"q4_0"};
        return settings;
    };
    info.engines = {turboquant("4", {"turboquant_4bit_nc"}),
                    turboquant("3", {"turboquant_3bit_nc", "turboquant_k3v4_nc"}),
                    {.differs = "engines have such levels for 3 and 4 bits behind a rotation alone"}};
    info.options = {
        integer_option("bits", std::nullopt, 1, 8, "bits of a code"),
        choice_option("scale", "vector", {"vector", "tensor"}, "each vector's norm or the RMS of everything"),
        choice_option("norm", "none", {"none", "matched", "eden"},
                      "the property that a vector's scale corrects after coding"),
    };
    info.examples = {"lloydmax:bits=4",
                     "hadamard | lloydmax:bits=4,norm=matched",
                     "lloydmax:bits=3,norm=eden",
                     "lloydmax:bits=4,scale=tensor",
                     "lloydmax:bits=1",
                     "lloydmax:bits=2,norm=matched",
                     "lloydmax:bits=5",
                     "lloydmax:bits=6,norm=eden",
                     "lloydmax:bits=7,scale=tensor",
                     "lloydmax:bits=8"};
    info.side_bits = {0.25, "an fp16 scale for each vector of 64 values"};
    return info;
}

LloydMax::LloydMax(Options const& options)
    : book_(static_cast<unsigned>(options.integer("bits")),
            lloyd_max_levels(static_cast<unsigned>(options.integer("bits")))),
      by_vector_(options.choice("scale") == "vector"),
      norm_(options.choice("norm") == "none"      ? LevelNorm::none
            : options.choice("norm") == "matched" ? LevelNorm::matched
                                                  : LevelNorm::eden) {
    if (!by_vector_ && norm_ != LevelNorm::none) {
        throw ConfigError("norms are of vectors", "norm=" + options.choice("norm"), {"scale=vector", "norm=none"});
    }
}

void LloydMax::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    auto const count = section.shape.values();
    auto const squares_of = [&](std::uint64_t first, std::uint64_t n) {
        double sum = 0;
        for (auto i = first; i < first + n; ++i) {
            if (std::isfinite(values[i])) sum += static_cast<double>(values[i]) * values[i];
        }
        return sum;
    };
    auto const as_half = [](double scale) {
        std::byte place[2];
        return static_cast<double>(store_scale(ScaleFormat::fp16, static_cast<float>(std::fmin(scale, 1e5)), place));
    };
    auto const& levels = lloyd_max_levels(book_.bits());
    double const last = levels.back();
    /// The levels on both sides of u; twice the same beyond the last.
    auto const neighbours = [&](double u) {
        auto const above = std::ranges::upper_bound(levels, u);
        double const low = above == levels.begin() ? levels.front() : *(above - 1);
        double const high = above == levels.end() ? levels.back() : *above;
        return std::pair{low, high};
    };
    // Values were coded as multiples of `coded` and come back as multiples of `stored`.
    auto const bound = [&](std::uint64_t first, std::uint64_t n, double coded, double stored) {
        for (auto i = first; i < first + n; ++i) {
            double const x = values[i];
            auto const [low, high] = neighbours(coded > 0 ? x / coded : 0);
            auto const beyond = std::max({0.0, x - last * coded, -last * coded - x});
            auto const level = std::max(std::fabs(low), std::fabs(high));
            // A threshold may be met by rounding; f16 scales may be rounded the other way.
            auto const arithmetic = std::ldexp(std::fabs(x) + level * coded, -20) +
                                    (by_vector_ ? std::ldexp(level * stored, -10) : 0) + std::ldexp(1.0, -148);
            bounds[i] = (high - low) / 2 * coded + beyond + level * std::fabs(stored - coded) + arithmetic;
        }
    };
    if (!by_vector_) {
        double const scale = rms(squares_of(0, count), section);
        bound(0, count, scale, scale);
        return;
    }
    for (std::uint64_t first = 0; first < count; first += dim) {
        auto const squares = squares_of(first, dim);
        auto const norm = std::sqrt(squares);
        if (norm_ == LevelNorm::none) {
            auto const stored = as_half(norm) / root(section);
            bound(first, dim, stored, stored);
            continue;
        }
        auto const coded = norm / root(section);
        double of_levels = 0;
        double with_levels = 0;
        for (auto i = first; i < first + dim; ++i) {
            if (coded == 0) break;
            auto const u = values[i] / coded;
            auto const [low, high] = neighbours(u);
            auto const level = u - low > high - u ? high : low;
            of_levels += level * level;
            if (std::isfinite(values[i])) with_levels += level * values[i];
        }
        auto const scale = norm_ == LevelNorm::matched ? norm / std::sqrt(of_levels) : squares / with_levels;
        bound(first, dim, coded, coded == 0 ? 0 : as_half(scale * root(section)) / root(section));
    }
}

static Register<LloydMax> const registered;

}  // namespace kvstone
