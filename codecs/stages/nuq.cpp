// nuq: every value as one of 2^b levels that k-means finds in the data.
//
// Purpose    levels where the values are, for any distribution: keys normalised by channel, values by token. With
//            `outliers:fraction=0.01,axis=channel` before it, KVQuant's nuq-b-1%.
// Source     Hooper et al., "KVQuant: Towards 10 Million Context Length LLM Inference with KV Cache Quantization", NeurIPS
//            2024, section 3.3 (non-uniform levels over values normalised to [-1, 1]; here every value weighs the same).
// Planes     payload:   b-bit codes (see bit_packing.hpp), each vector from a byte of its own, in [layer, head, token]
//                       order
//            scales:    s, fp16, and
//            zeros:     z, fp16: one a channel in [layer, head, channel] order, one a vector in [layer, head, token]
//                       order, or one
//            codebooks: 2^b f32 levels a layer, ascending
//            Code k stands for z + s level[k].
// Normalised z = (min + max) / 2 of the values that share it (finite ones only), s = max(max - z, z - min), each
//            rounded to fp16; (x - z) / s is coded by the nearest level, the lower one of two.
// Levels     for each layer: about 2^18 of its normalised values (of n vectors in [head, token] order those at
//            floor(i n / m), i = 0..m-1, m = max(1, 2^18 / dim), or all) are counted in 2048 bins of equal width over
//            [-1, 1]; k-means over the bins (see kmeans.hpp).
// Options    axis=channel each channel of a head over all tokens; token: each vector; tensor: the section
// Example    bits=2,axis=token, 0, 3, 6, 9: z = 4.5, s = 4.5, normalised -1, -1/3, 1/3, 1 in bins 0, 682, 1365, 2047, whose
//            middles are -2047, -683, 683, 2047 / 2048: payload e4 (codes 0, 1, 2, 3), scales 80 44, zeros 80 44,
//            codebooks 00 e0 7f bf, 00 c0 aa be, 00 c0 aa 3e, 00 e0 7f 3f
// Error      half the distance between the levels next to x times s, or the distance to the last level beyond it.
// Saturation z and s beyond +-65504 are stored as that. Decoded values beyond the largest number of the tensor's type become
//            that number.
// NaN, Inf, denormals: not part of ranges; Inf becomes the last level on its side, NaN the code of 0. Denormals are values
//            as any other.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "backends/kernels/channel_ranges.hpp"
#include "backends/kernels/host_for.hpp"
#include "backends/kernels/reduce_values.hpp"
#include "codecs/kernels/nuq_kernels.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Nuq : public Quantiser {
  public:
    enum class Axis : std::uint8_t { channel, token, tensor };

    static StageInfo info();
    explicit Nuq(Options const& options)
        : bits_(static_cast<unsigned>(options.integer("bits"))),
          axis_(options.choice("axis") == "channel" ? Axis::channel
                : options.choice("axis") == "token" ? Axis::token
                                                    : Axis::tensor) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const& shape = section.shape;
        auto const row = packed_bytes(shape.dim, bits_);
        auto const of_ranges = ranges(shape) * sizeof(Float16);
        return {{LedgerLine::payload, shape.vectors() * row, false, 1, row},
                {LedgerLine::scales, of_ranges, false, sizeof(Float16), 0},
                {LedgerLine::zeros, of_ranges, false, sizeof(Float16), 0},
                {LedgerLine::codebooks, (shape.layers << bits_) * sizeof(float), false, sizeof(float), 0}};
    }
    std::size_t workspace_bytes(Section const& section) const { return parts(section, nullptr).bytes; }
    std::uint64_t page_tokens(Section const&) const { return 0; }
    double encode_reads(Section const&) const { return axis_ == Axis::token ? 1 : 2; }
    double nominal_bits(Section const&) const { return bits_; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        auto const part = parts(section, workspace);
        store_ranges(space, values, planes, part.partials);
        if (axis_ != Axis::token) load_rows(space, section, planes[1].data, planes[2].data, part, true);
        fit(space, section, values, part, planes[3].as<float>());
        load_levels(space, section, planes[3].as<float>(), part.levels);
        if (axis_ == Axis::token) {
            encode_pages(space, values, nuq_tokens, by_pages<3, std::byte>(section.shape, planes),
                         NuqByToken{bits_, part.levels});
        } else {
            encode_pages(space, values, nuq_tokens, by_pages<1, std::byte>(section.shape, planes),
                         by_channel(section, part));
        }
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values,
                Workspace workspace) const {
        auto const part = parts(section, workspace);
        load_levels(space, section, planes[3].as<float>(), part.levels);
        if (axis_ == Axis::token) {
            decode_pages(space, by_pages<3, std::byte const>(section.shape, planes), nuq_tokens, values,
                         NuqByToken{bits_, part.levels});
        } else {
            load_rows(space, section, planes[1].data, planes[2].data, part, false);
            decode_pages(space, by_pages<1, std::byte const>(section.shape, planes), nuq_tokens, values,
                         by_channel(section, part));
        }
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

    /// What the workspace holds. Public, as everything in the signature of a function with a kernel has to be.
    struct Parts {
        NuqLevels* levels;      ///< one a layer
        std::uint32_t* counts;  ///< kmeans_bins for each share
        float* zeros;           ///< rows of ranges by channel
        float* factors;
        ChannelEnds* partials;
        std::size_t bytes;
    };

  private:
    /// Codes, and where there are three planes then an fp16 scale and an fp16 zero point a vector.
    template <std::size_t Planes, class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, Planes> by_pages(KvShape const& shape, AnyPlanes const& planes) const {
        auto const tail = shape.tokens % nuq_tokens;
        std::array<PagePlane<Byte>, Planes> pages;
        for (std::size_t p = 0; p < Planes; ++p) {
            auto const of_token = p == 0 ? packed_bytes(shape.dim, bits_) : sizeof(Float16);
            pages[p] = {planes[p].data, nuq_tokens * of_token, tail * of_token};
        }
        return pages;
    }
    Parts parts(Section const& section, std::byte* workspace) const {
        auto const& shape = section.shape;
        std::size_t used = 0;
        auto const take = [&](std::size_t bytes) -> std::byte* {
            auto* const place = workspace == nullptr ? nullptr : workspace + used;
            used += (bytes + 255) / 256 * 256;
            return place;
        };
        auto const rows = axis_ == Axis::token ? 0 : rows_of(shape) * shape.dim;
        auto const partials = axis_ == Axis::channel ? channel_range_partials(shape) : 0;
        Parts part{};
        part.levels = reinterpret_cast<NuqLevels*>(take(shape.layers * sizeof(NuqLevels)));
        part.counts = reinterpret_cast<std::uint32_t*>(take(shares * kmeans_bins * sizeof(std::uint32_t)));
        part.zeros = reinterpret_cast<float*>(take(rows * sizeof(float)));
        part.factors = reinterpret_cast<float*>(take(rows * sizeof(float)));
        part.partials = reinterpret_cast<ChannelEnds*>(take(partials * sizeof(ChannelEnds)));
        part.bytes = used;
        return part;
    }
    std::uint64_t rows_of(KvShape const& shape) const {
        return axis_ == Axis::channel ? shape.layers * shape.heads : 1;
    }
    std::uint64_t ranges(KvShape const& shape) const {
        return axis_ == Axis::channel ? shape.layers * shape.heads * shape.dim
               : axis_ == Axis::token ? shape.vectors()
                                      : 1;
    }
    NuqByChannel by_channel(Section const& section, Parts const& part) const {
        return {bits_,        part.levels,         part.zeros,
                part.factors, section.shape.heads, axis_ == Axis::channel ? section.shape.dim : 0};
    }

  public:  // as functions with kernels have to be
    /// Scales and zeros of channels or of the tensor; those of tokens are found where tokens are coded.
    template <class Space, class T>
    void store_ranges(Space const& space, KvSpan<T const> values, Planes planes, ChannelEnds* partials) const {
        if (axis_ == Axis::channel) {
            channel_ranges(space, values, partials, StoreChannelRange{planes[1].data, planes[2].data});
        } else if (axis_ == Axis::tensor) {
            auto const range = finite_range(space, values);
            std::byte scale[sizeof(Float16)];
            std::byte zero[sizeof(Float16)];
            NuqRange::store(range.low, range.high, scale, zero);
            copy_to_backend(backend_of<Space>, planes[1].data, scale, sizeof(scale));
            copy_to_backend(backend_of<Space>, planes[2].data, zero, sizeof(zero));
        }
    }

    /// Ranges as rows of floats; inverse: 1 / s in place of s.
    template <class Space>
    void load_rows(Space const& space, Section const& section, std::byte const* scales, std::byte const* zeros,
                   Parts const& part, bool inverse) const {
        auto const count = rows_of(section.shape) * section.shape.dim;
        std::uint64_t const width = axis_ == Axis::channel ? sizeof(Float16) : 0;
        auto* const zero_rows = part.zeros;
        auto* const factor_rows = part.factors;
        Kokkos::parallel_for(
            "nuq_rows", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(count)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const place = static_cast<std::uint64_t>(i) * width;
                auto const range = NuqRange::load(scales + place, zeros + place);
                zero_rows[i] = range.zero;
                factor_rows[i] = inverse ? range.inverse() : range.scale;
            });
    }

    /// Levels of every layer to where kernels read them.
    template <class Space>
    void load_levels(Space const& space, Section const& section, float const* codebooks, NuqLevels* levels) const {
        auto const bits = bits_;
        Kokkos::parallel_for(
            "nuq_levels", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(section.shape.layers)),
            KOKKOS_LAMBDA(std::int64_t const layer) {
                levels[layer].set(bits, codebooks + (static_cast<std::uint64_t>(layer) << bits));
            });
    }

    /// Codebooks of all layers from samples of their values.
    template <class Space, class T>
    void fit(Space const& space, Section const& section, KvSpan<T const> values, Parts const& part,
             float* codebooks) const {
        for (std::uint64_t layer = 0; layer < section.shape.layers; ++layer) {
            count_layer(space, values, layer, part, by_channel(section, part));
            space.fence();
            std::array<std::uint32_t, kmeans_bins> counts;
            copy_to_host(backend_of<Space>, reinterpret_cast<std::byte*>(counts.data()),
                         reinterpret_cast<std::byte const*>(part.counts), sizeof(counts));
            auto const levels = kmeans_levels(bits_, counts);
            copy_to_backend(backend_of<Space>, reinterpret_cast<std::byte*>(codebooks + (layer << bits_)),
                            reinterpret_cast<std::byte const*>(levels.data()), sizeof(float) << bits_);
        }
    }
    /// counts[bin] of a layer's sampled values. Each share has counts of its own on the host; elsewhere all add to one.
    template <class Space, class T>
    void count_layer(Space const& space, KvSpan<T const> values, std::uint64_t layer, Parts const& part,
                     NuqByChannel const rows) const {
        auto* const counts = part.counts;
        auto const& shape = values.shape;
        auto const samples =
            std::min(std::max<std::uint64_t>(1, sampled_values / shape.dim), shape.heads * shape.tokens);
        Kokkos::parallel_for(
            "nuq_clear", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shares * kmeans_bins)),
            KOKKOS_LAMBDA(std::int64_t const i) { counts[i] = 0; });
        SampledBins<T> const each_bin{values, layer, samples, axis_ == Axis::token, rows};
        if constexpr (runs_on_host<Space>) {
            host_for(space, "nuq_count", static_cast<std::int64_t>(shares), [=](std::int64_t const share) {
                auto* const own = counts + static_cast<std::uint64_t>(share) * kmeans_bins;
                for (auto i = static_cast<std::uint64_t>(share); i < samples; i += shares) {
                    each_bin(i, Count{own});
                }
            });
        } else {
            Kokkos::parallel_for(
                "nuq_count", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(samples)),
                KOKKOS_LAMBDA(std::int64_t const i) { each_bin(static_cast<std::uint64_t>(i), AtomicCount{counts}); });
        }
        Kokkos::parallel_for(
            "nuq_merge", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(kmeans_bins)),
            KOKKOS_LAMBDA(std::int64_t const bin) {
                for (std::uint64_t share = 1; share < shares; ++share) {
                    counts[bin] += counts[share * kmeans_bins + static_cast<std::uint64_t>(bin)];
                }
            });
    }

  private:
    static constexpr std::uint64_t sampled_values = 1 << 18;
    static constexpr std::uint64_t shares = 16;

    unsigned bits_;
    Axis axis_;
};

StageInfo Nuq::info() {
    StageInfo info;
    info.name = "nuq";
    info.summary = "levels that k-means finds in each layer's values, normalised by channel, token or tensor";
    info.source = "KVQuant (Hooper et al., NeurIPS 2024), section 3.3";
    info.non_finite = NonFinite::saturated;
    info.engines = {{.differs = "no engine fits codebooks to the cache"}};
    info.options = {
        integer_option("bits", std::nullopt, 2, most_kmeans_bits, "bits of a code"),
        choice_option("axis", "tensor", {"channel", "token", "tensor"}, "the values that are normalised together"),
    };
    info.examples = {"nuq:bits=4,axis=channel",
                     "nuq:bits=3,axis=channel",
                     "nuq:bits=3,axis=token",
                     "nuq:bits=2,axis=token",
                     "nuq:bits=5",
                     "outliers:fraction=0.01,axis=channel | nuq:bits=3,axis=channel"};
    info.side_bits = {0.5, "with axis=token: an fp16 scale and an fp16 zero point for each vector of 64 values"};
    return info;
}

void Nuq::error_bounds(Section const& section, float const* values, double* bounds) const {
    // What the levels are depends on the data: found here as encode() finds them. Ranges are looked for anew.
    auto const& shape = section.shape;
    Kokkos::DefaultHostExecutionSpace const space;
    std::vector<std::vector<std::byte>> memory;
    std::vector<Plane> stored;
    for (auto const& spec : planes(section)) {
        memory.emplace_back(spec.bytes);
        stored.push_back({memory.back().data(), spec.bytes});
    }
    std::vector<std::byte> workspace(workspace_bytes(section));
    auto const part = parts(section, workspace.data());
    KvSpan<float const> const span{values, shape, KvStrides::packed(shape)};
    store_ranges(space, span, stored, part.partials);
    if (axis_ != Axis::token) load_rows(space, section, stored[1].data, stored[2].data, part, true);
    fit(space, section, span, part, stored[3].as<float>());
    space.fence();
    auto const range_of = [&](std::uint64_t i) {
        // First value, distance and number of those that share i's range.
        auto const head = i / shape.dim / shape.tokens;
        auto const first = axis_ == Axis::channel ? head * shape.tokens * shape.dim + i % shape.dim
                           : axis_ == Axis::token ? i / shape.dim * shape.dim
                                                  : 0;
        auto const step = axis_ == Axis::channel ? shape.dim : 1;
        auto const count = axis_ == Axis::channel ? shape.tokens : axis_ == Axis::token ? shape.dim : shape.values();
        float low = INFINITY;
        float high = -INFINITY;
        for (std::uint64_t k = 0; k < count; ++k) {
            auto const value = values[first + k * step];
            if (!std::isfinite(value)) continue;
            low = std::min(low, value);
            high = std::max(high, value);
        }
        std::byte places[2 * sizeof(Float16)];
        return NuqRange::store(low > high ? 0 : low, low > high ? 0 : high, places, places + sizeof(Float16));
    };
    NuqRange whole = axis_ == Axis::tensor ? range_of(0) : NuqRange{};
    std::vector<NuqRange> of_channels;
    for (std::uint64_t i = 0; i < shape.values(); ++i) {
        if (axis_ == Axis::token && i % shape.dim == 0) whole = range_of(i);
        if (axis_ == Axis::channel) {
            if (i % (shape.tokens * shape.dim) == 0) of_channels.clear();
            if (of_channels.size() < shape.dim) of_channels.push_back(range_of(i));
        }
        auto const range = axis_ == Axis::channel ? of_channels[i % shape.dim] : whole;
        auto const layer = i / (shape.heads * shape.tokens * shape.dim);
        std::span const levels(stored[3].as<float>() + (layer << bits_), std::size_t{1} << bits_);
        double const x = values[i];
        double const s = range.scale;
        double const u = s > 0 ? (x - range.zero) / s : 0;
        auto const above = std::ranges::upper_bound(levels, u);
        double const low = above == levels.begin() ? levels.front() : *(above - 1);
        double const high = above == levels.end() ? levels.back() : *above;
        auto const beyond = std::max({0.0, x - (range.zero + s * levels.back()), range.zero + s * levels.front() - x});
        bounds[i] = (high - low) / 2 * s + beyond +
                    std::ldexp(std::fabs(x) + std::fabs(static_cast<double>(range.zero)) + s, -20) +
                    std::ldexp(1.0, -148);
    }
}

static Register<Nuq> const registered;

}  // namespace kvstone
