#pragma once
// Least and greatest values of many short groups.
//
// The ends of one group of 32 values are a reduction of a few steps, each of which waits for the one before. Sixteen
// groups at once fill whole registers instead: they are turned while they are reduced, so that lane g ends with group g.

#include <cfloat>
#include <cstdint>

#include "backends/floats.hpp"
#include "backends/wide_lanes.hpp"

namespace kvstone {

/// Largest magnitude of the finite values; 0 where there is none.
template <class T>
KOKKOS_INLINE_FUNCTION float largest_magnitude(T const* values, std::uint64_t count) {
    std::int32_t most = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits) {
        most = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
            if (key < infinity_bits && key > most) most = key;
        }
    }
    return Kokkos::bit_cast<float>(most);
}

/// Least and greatest finite value of a group, neither of them -0; both 0 where there is none. Over integers in the order
/// of floats: a minimum over floats, which must mind NaN, does not vectorise.
template <class T>
KOKKOS_INLINE_FUNCTION void finite_ends(T const* __restrict__ values, std::uint64_t count, float& low, float& high) {
    std::int32_t least = INT32_MAX;
    std::int32_t most = INT32_MIN;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = ordered(to_float(values[i]));
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits || least <= ~infinity_bits) {
        least = INT32_MAX;
        most = INT32_MIN;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = ordered(to_float(values[i]));
            if (key >= infinity_bits || key <= ~infinity_bits) continue;
            least = key < least ? key : least;
            most = key > most ? key : most;
        }
    }
    low = least > most ? 0.0F : from_ordered(least) + 0.0F;
    high = least > most ? 0.0F : from_ordered(most) + 0.0F;
}

/// Where groups of a page begin: `per_vector` of them in each vector, `size` values apart.
template <class T>
class GroupPlaces {
  public:
    KOKKOS_INLINE_FUNCTION GroupPlaces(T* values, std::uint64_t stride, std::uint64_t per_vector, std::uint64_t size)
        : vector_(values), stride_(stride), per_vector_(per_vector), size_(size) {}

    /// The next group's first value.
    KOKKOS_INLINE_FUNCTION T* next() {
        auto* const place = vector_ + in_vector_ * size_;
        if (++in_vector_ == per_vector_) {
            in_vector_ = 0;
            vector_ += stride_;
        }
        return place;
    }

  private:
    T* vector_;
    std::uint64_t stride_;
    std::uint64_t per_vector_;
    std::uint64_t size_;
    std::uint64_t in_vector_ = 0;
};

#ifdef KVSTONE_WIDE_LANES

/// Lane g of what it returns is operation() over all lanes of values[g].
template <class Operation>
inline __m512 reduce_sixteen(__m512 (&values)[16], Operation const& operation) {
    __m512 quarters[4];
    for (int q = 0; q < 4; ++q) {
        __m512 pairs[2];
        for (int p = 0; p < 2; ++p) {
            auto const a = values[q * 4 + p * 2];
            auto const b = values[q * 4 + p * 2 + 1];
            pairs[p] = operation(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        }
        auto const a = _mm512_castps_pd(pairs[0]);
        auto const b = _mm512_castps_pd(pairs[1]);
        quarters[q] =
            operation(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    auto const fold = [&](__m512 a, __m512 b) {
        return operation(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    };
    auto const front = fold(quarters[0], quarters[1]);
    auto const back = fold(quarters[2], quarters[3]);
    return operation(_mm512_shuffle_f32x4(front, back, 0x88), _mm512_shuffle_f32x4(front, back, 0xdd));
}

/// Of two, NaN counting as more than every number and either operand as good where they are equal.
struct LeastLanes {
    // Of a NaN in the first operand the instruction returns the second.
    __m512 operator()(__m512 value, __m512 least) const { return _mm512_min_ps(value, least); }
};
struct MostLanes {
    __m512 operator()(__m512 value, __m512 most) const { return _mm512_max_ps(value, most); }
};

/// Ends of sixteen groups of `size` values: ignoring NaN, but not Inf.
template <unsigned size>
inline void sixteen_ends(float const* const (&groups)[16], __m512& low, __m512& high) {
    __m512 lows[16];
    __m512 highs[16];
    for (int g = 0; g < 16; ++g) {
        // Every operation has the value first and the end so far, a number, second.
        auto const value = load_lanes(groups[g]);
        lows[g] = _mm512_min_ps(value, _mm512_set1_ps(FLT_MAX));
        highs[g] = _mm512_max_ps(value, _mm512_set1_ps(-FLT_MAX));
        for (unsigned i = 16; i < size; i += 16) {
            auto const next = load_lanes(groups[g] + i);
            lows[g] = _mm512_min_ps(next, lows[g]);
            highs[g] = _mm512_max_ps(next, highs[g]);
        }
    }
    low = _mm512_add_ps(reduce_sixteen(lows, LeastLanes{}), _mm512_setzero_ps());
    high = _mm512_add_ps(reduce_sixteen(highs, MostLanes{}), _mm512_setzero_ps());
}

/// Largest magnitudes of sixteen groups as bits: above those of every number where there is a NaN.
template <unsigned size>
inline __m512i sixteen_magnitudes(float const* const (&groups)[16]) {
    auto const magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512 most[16];
    for (int g = 0; g < 16; ++g) {
        auto key = _mm512_and_si512(_mm512_castps_si512(load_lanes(groups[g])), magnitude);
        for (unsigned i = 16; i < size; i += 16) {
            auto const next = _mm512_castps_si512(load_lanes(groups[g] + i));
            key = _mm512_max_epi32(key, _mm512_and_si512(next, magnitude));
        }
        most[g] = _mm512_castsi512_ps(key);
    }
    return _mm512_castps_si512(reduce_sixteen(most, [](__m512 a, __m512 b) {
        return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
    }));
}

/// Ends of as many of `groups` groups as fill registers; returns how many.
template <unsigned size>
inline std::uint64_t ends_in_lanes(GroupPlaces<float const>& places, std::uint64_t groups, float* low, float* high) {
    static_assert(size % 16 == 0);
    auto const largest = _mm512_set1_ps(FLT_MAX);
    auto const lowest = _mm512_set1_ps(-FLT_MAX);
    std::uint64_t done = 0;
    for (; done + 16 <= groups; done += 16) {
        float const* at[16];
        for (auto& place : at) place = places.next();
        __m512 least;
        __m512 most;
        sixteen_ends<size>(at, least, most);
        _mm512_storeu_ps(low + done, least);
        _mm512_storeu_ps(high + done, most);
        auto odd = static_cast<unsigned>(_mm512_cmp_ps_mask(least, lowest, _CMP_LT_OQ) |
                                         _mm512_cmp_ps_mask(most, largest, _CMP_GT_OQ) |
                                         _mm512_cmp_ps_mask(least, most, _CMP_GT_OQ));
        for (; odd != 0; odd &= odd - 1) {
            auto const g = static_cast<unsigned>(__builtin_ctz(odd));
            finite_ends(at[g], size, low[done + g], high[done + g]);
        }
    }
    return done;
}

template <unsigned size>
inline std::uint64_t magnitudes_in_lanes(GroupPlaces<float const>& places, std::uint64_t groups, float* most) {
    static_assert(size % 16 == 0);
    std::uint64_t done = 0;
    for (; done + 16 <= groups; done += 16) {
        float const* at[16];
        for (auto& place : at) place = places.next();
        auto const keys = sixteen_magnitudes<size>(at);
        _mm512_storeu_ps(most + done, _mm512_castsi512_ps(keys));
        auto odd = static_cast<unsigned>(_mm512_cmpge_epi32_mask(keys, _mm512_set1_epi32(infinity_bits)));
        for (; odd != 0; odd &= odd - 1) {
            auto const g = static_cast<unsigned>(__builtin_ctz(odd));
            most[done + g] = largest_magnitude(at[g], size);
        }
    }
    return done;
}
#endif

/// Everywhere else, and for other types.
template <unsigned size, class T>
KOKKOS_INLINE_FUNCTION std::uint64_t ends_in_lanes(GroupPlaces<T>&, std::uint64_t, float*, float*) {
    return 0;
}
template <unsigned size, class T>
KOKKOS_INLINE_FUNCTION std::uint64_t magnitudes_in_lanes(GroupPlaces<T>&, std::uint64_t, float*) {
    return 0;
}

/// finite_ends() of `groups` groups of `size` values each.
template <unsigned size, class T>
KOKKOS_INLINE_FUNCTION void group_ends(GroupPlaces<T> places, std::uint64_t groups, float* low, float* high) {
    for (auto g = ends_in_lanes<size>(places, groups, low, high); g < groups; ++g) {
        finite_ends(places.next(), size, low[g], high[g]);
    }
}

/// largest_magnitude() of `groups` groups of `size` values each.
template <unsigned size, class T>
KOKKOS_INLINE_FUNCTION void group_magnitudes(GroupPlaces<T> places, std::uint64_t groups, float* most) {
    for (auto g = magnitudes_in_lanes<size>(places, groups, most); g < groups; ++g) {
        most[g] = largest_magnitude(places.next(), size);
    }
}

}  // namespace kvstone
