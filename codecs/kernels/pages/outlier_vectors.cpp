#include "codecs/kernels/pages/outlier_vectors.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/outlier_vectors.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>

// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/cast_lanes.hpp"
#include "codecs/kernels/rank_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Values that a bit each stands for.
constexpr std::uint64_t word_values = 64;
constexpr std::uint64_t words = OutlierVectors::most_dim / word_values;

/// What is taken of a vector.
struct Taken {
    float top;  ///< values from this one on
    float bottom;
    float for_top;  ///< what stands for them
    float for_bottom;
    std::uint64_t bits[words];
};

/// A register of a vector; values beyond it are `pad`.
HWY_INLINE FloatVector read_part(float const* vector, std::uint64_t dim, std::size_t r, float pad) {
    Floats const d;
    auto const first = r * rank_lanes;
    if (first + rank_lanes <= dim) return hn::LoadU(d, vector + first);
    return hn::LoadNOr(hn::Set(d, pad), d, vector + first, dim - first);
}

template <std::size_t size>
HWY_INLINE bool find_outliers(float const* vector, std::uint64_t dim, std::uint64_t each, Taken& taken) {
    Floats const d;
    auto const registers = (dim + rank_lanes - 1) / rank_lanes;
    float largest[size];
    rank_largest<size>(
        registers, [&](std::size_t r) HWY_ATTR { return read_part(vector, dim, r, -INFINITY); }, largest);
    taken.top = largest[each - 1];
    taken.for_top = largest[each] + 0.0F;  // of either zero the positive one
    rank_largest<size>(
        registers, [&](std::size_t r) HWY_ATTR { return hn::Neg(read_part(vector, dim, r, INFINITY)); }, largest);
    taken.bottom = -largest[each - 1];
    taken.for_bottom = -(largest[each] + 0.0F);
    std::uint64_t tops[words] = {};
    std::uint64_t bottoms[words] = {};
    auto ordered_ones = hn::Eq(hn::Zero(d), hn::Zero(d));
    for (std::size_t r = 0; r < registers; ++r) {
        auto const value = read_part(vector, dim, r, 0);
        ordered_ones = hn::And(ordered_ones, hn::Eq(value, value));
        auto const first = r * rank_lanes;
        auto const within = dim - first < rank_lanes ? (std::uint64_t{1} << (dim - first)) - 1 : ~std::uint64_t{0};
        auto const is_top = hn::BitsFromMask(d, hn::Ge(value, hn::Set(d, taken.top))) & within;
        auto const is_bottom = hn::BitsFromMask(d, hn::Le(value, hn::Set(d, taken.bottom))) & within;
        tops[first / word_values] |= is_top << first % word_values;
        bottoms[first / word_values] |= is_bottom << first % word_values;
    }
    int top_count = 0;
    int bottom_count = 0;
    for (std::uint64_t word = 0; word < words; ++word) {
        top_count += std::popcount(tops[word]);
        bottom_count += std::popcount(bottoms[word]);
        taken.bits[word] = tops[word] | bottoms[word];
    }
    auto const wanted = static_cast<int>(each);
    return hn::AllTrue(d, ordered_ones) && dim > 2 * each && top_count == wanted && bottom_count == wanted;
}

template <bool streaming>
HWY_INLINE void put_rest(float const* vector, std::uint64_t dim, Taken const& taken, float* out) {
    Floats const d;
    for (std::uint64_t first = 0; first < dim; first += rank_lanes) {
        auto const value = read_part(vector, dim, first / rank_lanes, 0);
        auto const below = hn::IfThenElse(hn::Le(value, hn::Set(d, taken.bottom)), hn::Set(d, taken.for_bottom), value);
        auto const rest = hn::IfThenElse(hn::Ge(value, hn::Set(d, taken.top)), hn::Set(d, taken.for_top), below);
        if (first + rank_lanes <= dim) {
            put<streaming>(rest, d, out + first);
        } else {
            hn::StoreN(rest, d, out + first, dim - first);
        }
    }
}

/// In the order of their indices.
HWY_INLINE void put_outliers(float const* vector, Taken const& taken, std::uint64_t count, std::uint32_t value_bytes,
                             std::byte* values, std::byte* indices) {
    Floats const d;
    alignas(64) float found[16] = {};
    std::uint64_t done = 0;
    for (std::uint64_t word = 0; word < words; ++word) {
        for (auto bits = taken.bits[word]; bits != 0; bits &= bits - 1) {
            auto const index = word * word_values + static_cast<std::uint64_t>(std::countr_zero(bits));
            found[done] = vector[index];
            indices[done++] = static_cast<std::byte>(index);
        }
    }
    if (value_bytes == sizeof(float)) {
        std::memcpy(values, found, count * sizeof(float));
        return;
    }
    alignas(64) std::uint16_t halves[16];
    for (std::size_t i = 0; i < 16; i += rank_lanes) {
        hn::StoreU(halves_of(finite_saturated(hn::LoadU(d, found + i), largest_half)), Halves(), halves + i);
    }
    for (std::uint64_t i = 0; i < count; ++i) std::memcpy(values + 2 * i, halves + i, sizeof(halves[i]));
}

template <std::size_t size>
HWY_INLINE std::uint64_t take_from(OutlierVectors const& of) {
    for (std::uint64_t t = 0; t < of.count; ++t) {
        auto const* const vector = of.in + t * of.in_stride;
        auto* const out = of.out + t * of.out_stride;
        prefetch(reinterpret_cast<std::byte const*>(vector) + prefetch_distance_bytes, of.dim * sizeof(float));
        Taken taken;
        if (!find_outliers<size>(vector, of.dim, of.each_end, taken)) return t;
        auto const count = 2 * of.each_end;
        put_outliers(vector, taken, count, of.value_bytes, of.values + t * count * of.value_bytes,
                     of.indices + t * count);
        if (of.streaming && reinterpret_cast<std::uintptr_t>(out) % cache_line_bytes == 0) {
            put_rest<true>(vector, of.dim, taken, out);
        } else {
            put_rest<false>(vector, of.dim, taken, out);
        }
    }
    return of.count;
}

std::uint64_t take_on(OutlierVectors const& vectors) {
    return vectors.each_end < 4 ? take_from<4>(vectors) : take_from<8>(vectors);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(take_on);

std::uint64_t take_outliers(OutlierVectors const& vectors) { return HWY_DYNAMIC_DISPATCH(take_on)(vectors); }

}  // namespace kvstone
#endif
