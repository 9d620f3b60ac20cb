// outliers: the largest and smallest values of every vector or channel, stored by themselves.
//
// Purpose    a few values set the range of a quantiser. Stored apart, they are exact or nearly so, and the others have finer
//            steps.
// Source     the sparse part S of Kang et al., "GEAR", 2024, section 3: the s/2 largest and s/2 smallest of each vector;
//            KVQuant (Hooper et al. 2024), section 3.4, has the same for each vector.
// Count      of n values the F n / 2 largest and as many smallest, rounded up (a product within 1e-9 of a whole number is
//            that number), at most n/2. Of equal values those with the lowest index go first, the largest before the
//            smallest. NaN is taken only where there are too few numbers: after all numbers, lowest index first.
// Planes     outliers: values, binary16 or f32, of each vector or channel in order of their index in it
//            outliers: indices, 1 byte each where n <= 256, 2 where n <= 65536, else 4
//            Both in [layer, head, token, outlier] or [layer, head, channel, outlier] order, little-endian. As binary16,
//            finite values lie within +-65504.
// In place   of an outlier the quantiser gets the nearest value that stays, the largest or the smallest: the range is
//            then that of the values that stay, even without 0 in it. 0 where none stays.
// Options    fraction=F   share of the values taken
//            axis=token   of each vector, along its channels
//            axis=channel of each channel of a head, along the section's tokens
//            values=fp16|fp32  their type
// Example    fraction=0.5 of 1, -8, 2, 4: one of each end; outliers 00 c8 00 44 (-8, 4), outliers 01 03; the rest is
//            1, 1, 2, 2
// Error      of an outlier 0, as binary16 2^-11 of its magnitude (2^-25 at the least; beyond 65504 the excess over it);
//            of the others the quantiser's bound.
// NaN, Inf, denormals: Inf is the largest number and stays Inf where it is taken; NaN stays NaN where it is
//            taken, and otherwise goes to the quantiser; denormals are values as any other.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "backends/kernels/sequences.hpp"
#include "codecs/kernels/extremes.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// The two planes.
template <class Byte>
struct OutlierPlanes {
    Byte* values;
    Byte* indices;
    std::uint32_t value_bytes;  ///< 2 or 4
    std::uint32_t index_bytes;  ///< 1, 2 or 4

    KOKKOS_INLINE_FUNCTION void put(std::uint64_t place, float value, std::uint64_t index) const {
        if (value_bytes == 4) {
            reinterpret_cast<float*>(values)[place] = value;
        } else {
            bool const finite = Kokkos::fabs(value) <= FLT_MAX;
            float const within = value > 65504.0F ? 65504.0F : value < -65504.0F ? -65504.0F : value;
            reinterpret_cast<Float16*>(values)[place] = from_float<Float16>(finite ? within : value);
        }
        if (index_bytes == 1) {
            reinterpret_cast<std::uint8_t*>(indices)[place] = static_cast<std::uint8_t>(index);
        } else if (index_bytes == 2) {
            reinterpret_cast<std::uint16_t*>(indices)[place] = static_cast<std::uint16_t>(index);
        } else {
            reinterpret_cast<std::uint32_t*>(indices)[place] = static_cast<std::uint32_t>(index);
        }
    }
    KOKKOS_INLINE_FUNCTION float value(std::uint64_t place) const {
        if (value_bytes == 4) return reinterpret_cast<float const*>(values)[place];
        return to_float(reinterpret_cast<Float16 const*>(values)[place]);
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t index(std::uint64_t place) const {
        if (index_bytes == 1) return reinterpret_cast<std::uint8_t const*>(indices)[place];
        if (index_bytes == 2) return reinterpret_cast<std::uint16_t const*>(indices)[place];
        return reinterpret_cast<std::uint32_t const*>(indices)[place];
    }
};

/// Stores one sequence's outliers and puts what stands for them into their places.
struct TakeOutliers {
    OutlierPlanes<std::byte> planes;
    std::uint64_t each_end;

    template <class Values>
    KOKKOS_INLINE_FUNCTION void operator()(Values const& values, Strided<float> const& out, std::uint64_t length,
                                           std::uint64_t sequence) const {
        if (each_end == 0) return;
        auto place = sequence * 2 * each_end;
        std::uint64_t const numbers = count_from(values, length, -INFINITY);
        if (numbers < 2 * each_end) {
            auto others = 2 * each_end - numbers;
            for (std::uint64_t i = 0; i < length; ++i) {
                float const value = values[i];
                if (value != value) {
                    if (others == 0) continue;
                    --others;
                }
                planes.put(place++, value, i);
                out[i] = 0;
            }
            return;
        }
        auto top = largest_values(values, length, numbers, each_end);
        auto bottom = largest_values(SignedValues<Values>{values, -1}, length, numbers, each_end);
        bottom.threshold = -bottom.threshold;
        bool const none_stays = numbers == 2 * each_end;
        float const for_top = none_stays ? 0 : top.next;
        float const for_bottom = none_stays ? 0 : -bottom.next;
        for (std::uint64_t first = 0; first < length; first += 32) {
            auto bits = length - first < 32 ? beyond(values, first, length - first, top.threshold, bottom.threshold)
                                            : beyond(values, first, 32, top.threshold, bottom.threshold);
            for (; bits != 0; bits &= bits - 1) {
                auto const i = first + static_cast<std::uint64_t>(Kokkos::countr_zero(bits));
                float const value = values[i];
                bool const is_top = value > top.threshold || (value == top.threshold && top.ties > 0);
                bool const is_bottom =
                    !is_top && (value < bottom.threshold || (value == bottom.threshold && bottom.ties > 0));
                if (!is_top && !is_bottom) continue;
                if (value == top.threshold && is_top) --top.ties;
                if (value == bottom.threshold && is_bottom) --bottom.ties;
                planes.put(place++, value, i);
                out[i] = is_top ? for_top : for_bottom;
            }
        }
    }
};

class Outliers : public Transform {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "outliers";
        info.summary = "stores the largest and smallest values by themselves";
        info.source = "GEAR (Kang et al. 2024), section 3, sparse part";
        info.engines = {{.differs = "of papers (GEAR, KVQuant): no engine takes outliers out"}};
        info.options = {
            number_option("fraction", std::nullopt, 0, 0.5, true, "share of the values taken, half of it at each end"),
            choice_option("axis", "token", {"token", "channel"}, "of each vector, or of each channel along tokens"),
            choice_option("values", "fp16", {"fp16", "fp32"}, "the type that they are stored in"),
        };
        info.examples = {"outliers:fraction=0.02 | int8", "outliers:fraction=0.05,axis=channel,values=fp32 | int8"};
        info.side_bits = {2.4, "with fraction=0.05: an fp32 value and a 16-bit index for each outlier"};
        info.idle_bytes = {0.5, "the code that stands in place of an outlier is replaced by the outlier"};
        return info;
    }
    explicit Outliers(Options const& options)
        : fraction_(options.number("fraction")),
          along_tokens_(options.choice("axis") == "channel"),
          value_bytes_(options.choice("values") == "fp16" ? 2 : 4) {}

    std::uint64_t page_tokens(Section const&) const { return along_tokens_ ? 0 : 1; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        Sequences const sequences(section.shape, along_tokens_);
        if (sequences.length() > most_values) {
            throw NotApplicable("outliers takes sequences that are not as long", std::to_string(sequences.length()),
                                {fmt::format("up to {}", most_values)});
        }
        auto const count = sequences.count() * 2 * each_end(sequences.length());
        auto const index_bytes = index_bytes_of(sequences.length());
        return {{LedgerLine::outliers, count * value_bytes_, false, value_bytes_, 0},
                {LedgerLine::outliers, count * index_bytes, false, index_bytes, 0}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return Sequences(section.shape, along_tokens_).memory_bytes();
    }

    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace workspace) const {
        Sequences const sequences(in.shape, along_tokens_);
        auto const length = sequences.length();
        OutlierPlanes<std::byte> const to{planes[0].data, planes[1].data, value_bytes_, index_bytes_of(length)};
        edit_sequences(space, sequences, in, out, workspace, TakeOutliers{to, each_end(length)});
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        Sequences const sequences(values.shape, along_tokens_);
        auto const length = sequences.length();
        auto const each = 2 * each_end(length);
        OutlierPlanes<std::byte const> const from{planes[0].data, planes[1].data, value_bytes_, index_bytes_of(length)};
        Kokkos::parallel_for(
            "put_outliers", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(sequences.count())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const sequence = static_cast<std::uint64_t>(i);
                auto const to = sequences.of(values, sequence);
                for (auto place = sequence * each; place < (sequence + 1) * each; ++place) {
                    auto const index = from.index(place);
                    if (index < length) to[index] = from.value(place);
                }
            });
    }

    void carry_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    static constexpr std::uint64_t most_values = std::uint64_t{1} << 32;
    static std::uint32_t index_bytes_of(std::uint64_t length) { return length <= 256 ? 1 : length <= 65536 ? 2 : 4; }
    /// Outliers at each end of a sequence.
    std::uint64_t each_end(std::uint64_t length) const {
        auto const count = std::ceil(fraction_ * static_cast<double>(length) / 2 - 1e-9);
        return std::min(static_cast<std::uint64_t>(std::max(count, 0.0)), length / 2);
    }

    double fraction_;
    bool along_tokens_;
    std::uint32_t value_bytes_;
};

void Outliers::carry_bounds(Section const& section, float const* values, double* bounds) const {
    Sequences const sequences(section.shape, along_tokens_);
    auto const length = sequences.length();
    auto const strides = KvStrides::packed(section.shape);
    std::vector<std::uint64_t> order;
    for (std::uint64_t sequence = 0; sequence < sequences.count(); ++sequence) {
        auto const x = sequences.of(KvSpan<float const>{values, section.shape, strides}, sequence);
        auto const bound = sequences.of(KvSpan<double>{bounds, section.shape, strides}, sequence);
        order.resize(length);
        std::iota(order.begin(), order.end(), 0);
        auto const first_nan = std::stable_partition(order.begin(), order.end(), [&](auto i) { return x[i] == x[i]; });
        std::stable_sort(order.begin(), first_nan, [&](auto i, auto j) { return x[i] > x[j]; });
        auto const each = static_cast<std::ptrdiff_t>(each_end(length));
        if (first_nan - order.begin() > 2 * each) {
            std::stable_sort(order.begin() + each, first_nan,
                             [&](auto i, auto j) { return x[i] < x[j] || (x[i] == x[j] && i < j); });
        }
        for (auto taken = order.begin(); taken != order.begin() + 2 * each; ++taken) {
            auto const magnitude = std::fabs(double{x[*taken]});
            auto const rounding = std::max({std::ldexp(magnitude, -11), std::ldexp(1.0, -25), magnitude - 65504});
            bound[*taken] = value_bytes_ == 2 ? rounding : 0;
        }
    }
}

static Register<Outliers> const registered;

}  // namespace kvstone
