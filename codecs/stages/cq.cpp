// cq: neighbouring channels share a code, the number of a point that k-means finds for them in the data.
//
// Purpose    channels of a head depend on each other: c of them together take fewer bits than each by itself. 1 to 4
//            bits a value where codebooks are paid for by many tokens.
// Source     Zhang et al., "KV Cache is 1 Bit Per Channel: Efficient Large Language Model Inference with Coupled
//            Quantization", NeurIPS 2024, section 3.2 (CQ-4c8b is channels=4,bits=8). The paper fits on calibration data,
//            by k-means that may weigh values by Fisher information; here points are fitted to the cache itself,
//            unweighted, and stored with it.
// Planes     payload:   codes of b bits (see bit_packing.hpp), one a group of c channels, each vector from a byte of its
//                       own, in [layer, head, token] order. The last group has fewer channels where c does not divide
//                       dim.
//            codebooks: p = min(2^b, tokens) binary16 for each channel, value k that of point k of the channel's group,
//                       in [layer, head, channel, point] order: 16 p / tokens bits a value
//            A code beyond the last point, which encoding never writes, is the last point.
// Fit        each layer, head and group by itself, to its vectors over the largest magnitude among them: 4096 of the
//            tokens, evenly spaced, or all; see vector_kmeans.hpp. Each vector is then coded by the nearest point as it
//            is stored.
// Options    channels=c   of a group
//            bits=b       of a code
// Example    channels=2,bits=1, three tokens (1, 2), (5, 6), (1, 4): starts from (1, 2) and (5, 6), ends at (1, 3) and
//            (5, 6): payload 00 01 00, codebooks 00 3c 00 45 (1, 5) 00 42 00 46 (3, 6)
// Error      the range of the channel in its layer and head, for any point, and 2^-10 of its largest magnitude
//            (2^-24 at the least) from rounding points; beyond 65504 the excess over it.
// Saturation points beyond 65504 are stored as that. Decoded values beyond the largest number of the tensor's type become
//            that number.
// NaN, Inf, denormals: NaN counts as 0, Inf as the largest finite magnitude of its layer, head and group with its sign.
//            Denormals are values as any other; groups below 2^-25 become 0.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/vector_kmeans.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// Channels of a head in groups.
struct CoupledChannels {
    std::uint64_t dim;
    std::uint64_t channels;  ///< of a group
    std::uint64_t points;
    unsigned bits;

    KOKKOS_INLINE_FUNCTION std::uint64_t groups() const { return (dim + channels - 1) / channels; }
    /// Channels of the group that begins at channel `first`.
    KOKKOS_INLINE_FUNCTION std::uint64_t width(std::uint64_t first) const {
        return dim - first < channels ? dim - first : channels;
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t row_bytes() const { return packed_bytes(groups(), bits); }
};

/// What the workspace of an encoder holds of every layer and head.
struct CoupledPoints {
    float* points;  ///< of each channel padded_points(), as they are stored
    float* most;    ///< of each group the largest finite magnitude
};

/// Fits and stores the points of one group of one layer and head.
template <class T>
struct FitCoupledChannels {
    static constexpr std::uint64_t most_samples = 4096;

    KvSpan<T const> values;
    CoupledChannels cut;
    std::byte* codebooks;
    CoupledPoints to;

    KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const {
        auto const& shape = values.shape;
        auto const head = static_cast<std::uint64_t>(index) / cut.groups();
        auto const first = static_cast<std::uint64_t>(index) % cut.groups() * cut.channels;
        auto const width = cut.width(first);
        auto const* const begin = values.vector(head / shape.heads, head % shape.heads, 0) + first;
        auto const stride = values.strides.token;
        float most = 0;
        for (std::uint64_t t = 0; t < shape.tokens; ++t) {
            float const of_token = largest_magnitude(begin + t * stride, width);
            most = of_token > most ? of_token : most;
        }
        to.most[index] = most;
        float const inverse = most > 0x1p-100F ? 1.0F / most : 0.0F;
        auto const samples = shape.tokens < most_samples ? shape.tokens : most_samples;
        auto const read = [&](std::uint64_t i, float* vector) {
            copy_finite(begin + i * shape.tokens / samples * stride, width, most, vector);
            for (std::uint64_t j = 0; j < width; ++j) vector[j] *= inverse;
        };
        float points[most_points * most_coupled_values];
        fit_points(read, samples, width, cut.points, points);
        auto const padded = padded_points(cut.points);
        for (std::uint64_t j = 0; j < width; ++j) {
            auto const channel = head * cut.dim + first + j;
            for (std::uint64_t k = 0; k < padded; ++k) {
                if (k >= cut.points) {
                    to.points[channel * padded + k] = INFINITY;
                    continue;
                }
                auto const stored = saturated_half(points[j * padded + k] * most);
                put_as(codebooks + (channel * cut.points + k) * sizeof(Float16), stored);
                to.points[channel * padded + k] = to_float(stored);
            }
        }
    }
};

/// Codes of vectors; a page is one token.
struct CoupledCodes {
    static constexpr std::uint64_t groups_at_a_time = 64;

    CoupledChannels cut;
    std::uint64_t heads;
    std::byte const* codebooks;
    CoupledPoints from;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const head = page.layer * heads + page.head;
        auto const padded = padded_points(cut.points);
        std::uint8_t codes[groups_at_a_time];
        for (std::uint64_t begin = 0; begin < cut.groups(); begin += groups_at_a_time) {
            auto const count = cut.groups() - begin < groups_at_a_time ? cut.groups() - begin : groups_at_a_time;
            for (std::uint64_t g = 0; g < count; ++g) {
                auto const first = (begin + g) * cut.channels;
                float const most = from.most[head * cut.groups() + begin + g];
                float vector[most_coupled_values];
                // Squares of such differences are finite.
                copy_finite(page.values + first, cut.width(first), most < 0x1p60F ? most : 0x1p60F, vector);
                codes[g] = static_cast<std::uint8_t>(
                    nearest_point(from.points + (head * cut.dim + first) * padded, padded, vector, cut.width(first)));
            }
            pack_codes(cut.bits, codes, count, to[0] + begin * cut.bits / 8);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& payload, Page<T> const& page) const {
        auto const head = page.layer * heads + page.head;
        std::uint8_t codes[groups_at_a_time];
        for (std::uint64_t begin = 0; begin < cut.groups(); begin += groups_at_a_time) {
            auto const count = cut.groups() - begin < groups_at_a_time ? cut.groups() - begin : groups_at_a_time;
            unpack_codes(cut.bits, payload[0] + begin * cut.bits / 8, count, codes);
            for (std::uint64_t g = 0; g < count; ++g) {
                auto const first = (begin + g) * cut.channels;
                std::uint64_t const point = codes[g] < cut.points ? codes[g] : cut.points - 1;
                for (auto channel = first; channel < first + cut.width(first); ++channel) {
                    auto const place = (head * cut.dim + channel) * cut.points + point;
                    auto const value = get_as<Float16>(codebooks + place * sizeof(Float16));
                    page.values[channel] = nearest_element<T>(to_float(value));
                }
            }
        }
    }
};

class CoupledQuantisation : public Quantiser {
  public:
    static StageInfo info();
    explicit CoupledQuantisation(Options const& options)
        : channels_(static_cast<std::uint64_t>(options.integer("channels"))),
          bits_(static_cast<unsigned>(options.integer("bits"))) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const cut = cut_of(section);
        auto const row = cut.row_bytes();
        auto const points = section.shape.layers * section.shape.heads * cut.dim * cut.points;
        return {{LedgerLine::payload, section.shape.vectors() * row, false, 1, row},
                {LedgerLine::codebooks, points * sizeof(Float16), false, sizeof(Float16), 0}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return point_bytes(section) + fits(section) * sizeof(float);
    }
    std::uint64_t page_tokens(Section const&) const { return 0; }
    double encode_reads(Section const&) const { return 3; }
    double nominal_bits(Section const&) const { return static_cast<double>(bits_) / static_cast<double>(channels_); }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        CoupledPoints const points{reinterpret_cast<float*>(workspace),
                                   reinterpret_cast<float*>(workspace + point_bytes(section))};
        auto const cut = cut_of(section);
        Kokkos::parallel_for("cq_fit", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(fits(section))),
                             FitCoupledChannels<T>{values, cut, planes[1].data, points});
        std::array<PagePlane<std::byte>, 1> const pages{{{planes[0].data, cut.row_bytes(), 0}}};
        encode_pages(space, values, 1, pages, CoupledCodes{cut, section.shape.heads, planes[1].data, points});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        auto const cut = cut_of(section);
        std::array<PagePlane<std::byte const>, 1> const pages{{{planes[0].data, cut.row_bytes(), 0}}};
        decode_pages(space, pages, 1, values, CoupledCodes{cut, section.shape.heads, planes[1].data, {}});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    CoupledChannels cut_of(Section const& section) const {
        return {section.shape.dim, channels_, std::min(std::uint64_t{1} << bits_, section.shape.tokens), bits_};
    }
    /// Groups of all layers and heads.
    std::uint64_t fits(Section const& section) const {
        return section.shape.layers * section.shape.heads * cut_of(section).groups();
    }
    std::size_t point_bytes(Section const& section) const {
        auto const cut = cut_of(section);
        return section.shape.layers * section.shape.heads * cut.dim * padded_points(cut.points) * sizeof(float);
    }

    std::uint64_t channels_;
    unsigned bits_;
};

StageInfo CoupledQuantisation::info() {
    StageInfo info;
    info.name = "cq";
    info.summary = "neighbouring channels share a code, the number of a point that k-means finds in the cache";
    info.source = "Coupled Quantization (Zhang et al., NeurIPS 2024), section 3.2, fitted to the cache";
    info.non_finite = NonFinite::mixed;
    info.engines = {{.differs = "no engine fits codebooks to the cache"}};
    info.options = {
        integer_option("channels", std::nullopt, 1, most_coupled_values, "that share a code"),
        integer_option("bits", std::nullopt, 1, 8, "of a code"),
    };
    info.examples = {"cq:channels=4,bits=8", "cq:channels=2,bits=4", "cq:channels=8,bits=8"};
    info.side_bits = {1, "with bits=8: 256 fp16 points of each channel, over 4096 tokens"};
    return info;
}

void CoupledQuantisation::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const& shape = section.shape;
    auto const cut = cut_of(section);
    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
        auto const* const begin = values + head * shape.tokens * shape.dim;
        for (std::uint64_t first = 0; first < shape.dim; first += channels_) {
            auto const width = cut.width(first);
            float most = 0;
            for (std::uint64_t t = 0; t < shape.tokens; ++t) {
                most = std::max(most, largest_magnitude(begin + t * shape.dim + first, width));
            }
            for (auto channel = first; channel < first + width; ++channel) {
                double low = INFINITY;
                double high = -INFINITY;
                for (std::uint64_t t = 0; t < shape.tokens; ++t) {
                    float value = 0;
                    copy_finite(begin + t * shape.dim + channel, 1, most, &value);
                    low = std::min<double>(low, value);
                    high = std::max<double>(high, value);
                }
                auto const largest = std::max(std::fabs(low), std::fabs(high));
                auto const rounding = std::max(std::ldexp(largest, -10), std::ldexp(1.0, -24));
                auto const bound = high - low + rounding + std::max(0.0, largest - 65504);
                for (std::uint64_t t = 0; t < shape.tokens; ++t) {
                    bounds[(head * shape.tokens + t) * shape.dim + channel] = bound;
                }
            }
        }
    }
}

static Register<CoupledQuantisation> const registered;

}  // namespace kvstone
