#pragma once
// Sixteen groups of values that lie side by side in vectors, worked on together.
//
// What one short group needs (its ends, its step) is a chain of operations that wait for each other. For sixteen groups
// they fill whole registers: the reduction also transposes them, so that lane g holds the end of group g. Elsewhere the same
// results come group by group.

#include <cfloat>
#include <cstdint>
#include <type_traits>

#include "backends/kernels/group_ends.hpp"
#include "backends/kernels/uniform_codes.hpp"
#include "backends/kernels/wide_lanes.hpp"

namespace kvstone {

inline constexpr std::uint64_t groups_together = 16;

/// Where groups begin: `per_vector` of them in each vector, `size` values apart; vectors are `stride` values apart.
template <class T>
class GroupPlaces {
  public:
    KOKKOS_INLINE_FUNCTION GroupPlaces(T* values, std::uint64_t stride, std::uint64_t per_vector, std::uint64_t size)
        : vector_(values), stride_(stride), per_vector_(per_vector), size_(size) {}

    /// The first values of the next groups.
    KOKKOS_FORCEINLINE_FUNCTION void next(T* (&places)[groups_together]) {
        if (stride_ == per_vector_ * size_) {
            for (std::uint64_t g = 0; g < groups_together; ++g) places[g] = vector_ + g * size_;
            vector_ += groups_together * size_;
            return;
        }
        for (auto& place : places) {
            place = vector_ + in_vector_ * size_;
            if (++in_vector_ == per_vector_) {
                in_vector_ = 0;
                vector_ += stride_;
            }
        }
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
        quarters[q] = operation(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    auto const fold = [&](__m512 a, __m512 b) {
        return operation(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    };
    auto const front = fold(quarters[0], quarters[1]);
    auto const back = fold(quarters[2], quarters[3]);
    return operation(_mm512_shuffle_f32x4(front, back, 0x88), _mm512_shuffle_f32x4(front, back, 0xdd));
}

#endif

#ifdef KVSTONE_WIDE_LANES
/// Coders that take sixteen values of a group at a time.
template <class Coder>
concept CodesRegisters = requires(Coder const& coder, __m512 values) { coder(std::uint64_t{}, values); };
#endif

/// Groups of `size` values, a multiple of 16, of which the first `count` exist: the results of others mean nothing.
template <unsigned size, class T>
struct SixteenGroups {
    static_assert(size % 16 == 0);
    T* at[groups_together];
    std::uint64_t count;

    KOKKOS_FORCEINLINE_FUNCTION void take(GroupPlaces<T>& places) { places.next(at); }
    KOKKOS_FORCEINLINE_FUNCTION void limit(std::uint64_t existing) {
        count = existing < groups_together ? existing : groups_together;
        for (auto g = count; g < groups_together; ++g) at[g] = at[0];
    }

    /// finite_ends() of each group. Here and in the next two, the values of `ahead` are asked for meanwhile, one half when
    /// ends are found and the other when codes are: memory then works all the time.
    KOKKOS_INLINE_FUNCTION void ends([[maybe_unused]] SixteenGroups const& ahead, float* low, float* high) const {
        std::uint32_t odd = (1U << groups_together) - 1;
#ifdef KVSTONE_WIDE_LANES
        if constexpr (in_lanes) odd = ends_in_lanes(ahead, low, high);
#endif
        for (std::uint64_t g = 0; g < count; ++g) {
            if ((odd >> g & 1U) != 0) finite_ends(at[g], size, low[g], high[g]);
        }
    }
    /// largest_magnitude() of each group.
    KOKKOS_INLINE_FUNCTION void magnitudes([[maybe_unused]] SixteenGroups const& ahead, float* most) const {
        std::uint32_t odd = (1U << groups_together) - 1;
#ifdef KVSTONE_WIDE_LANES
        if constexpr (in_lanes) odd = magnitudes_in_lanes(ahead, most);
#endif
        for (std::uint64_t g = 0; g < count; ++g) {
            if ((odd >> g & 1U) != 0) most[g] = largest_magnitude(at[g], size);
        }
    }

    /// Codes of the values, one group behind the other: coder(g, value) is that of a value of group g.
    template <class Coder, class Code>
    KOKKOS_INLINE_FUNCTION void codes(Coder const& coder, SixteenGroups const& ahead, Code* to) const {
#ifdef KVSTONE_WIDE_LANES
        if constexpr (in_lanes && CodesRegisters<Coder>) {
            store_codes_in_lanes<Coder::with_sign>(groups_together * size, coder.mask(), to,
                                                   [&](std::uint64_t value) -> __m512i {
                                                       auto const g = value / size;
                                                       prefetch_line(ahead.at[g] + value % size);
                                                       return coder(g, _mm512_loadu_ps(at[g] + value % size));
                                                   });
            return;
        }
#endif
        auto const mask = static_cast<Code>(coder.mask());
        for (std::uint64_t g = 0; g < count; ++g) {
            T const* __restrict__ const values = at[g];
            std::uint32_t words[size];
            for (unsigned i = 0; i < size; ++i) words[i] = coder(g, to_float(values[i]));
            for (unsigned i = 0; i < size; ++i) to[g * size + i] = static_cast<Code>(words[i]) & mask;
            ahead.ask(g, size / 2, size);
        }
    }

  private:
    /// Asks for values `from` to `end` of group g.
    KOKKOS_FORCEINLINE_FUNCTION void ask([[maybe_unused]] std::uint64_t g, [[maybe_unused]] unsigned from,
                                         [[maybe_unused]] unsigned end) const {
#ifdef KVSTONE_WIDE_LANES
        for (auto i = from; i < end; i += 16) prefetch_line(at[g] + i);
#endif
    }

#ifdef KVSTONE_WIDE_LANES
    static constexpr bool in_lanes = std::is_same_v<std::remove_const_t<T>, float>;

    /// Which groups need another look: those with Inf or without any number.
    std::uint32_t ends_in_lanes(SixteenGroups const& ahead, float* low, float* high) const {
        __m512 lows[groups_together];
        __m512 highs[groups_together];
        for (std::uint64_t g = 0; g < groups_together; ++g) {
            ahead.ask(g, 0, size / 2);
            // Of a NaN in the first operand these instructions return the second.
            auto const value = _mm512_loadu_ps(at[g]);
            lows[g] = _mm512_min_ps(value, _mm512_set1_ps(FLT_MAX));
            highs[g] = _mm512_max_ps(value, _mm512_set1_ps(-FLT_MAX));
            for (unsigned i = 16; i < size; i += 16) {
                auto const next = _mm512_loadu_ps(at[g] + i);
                lows[g] = _mm512_min_ps(next, lows[g]);
                highs[g] = _mm512_max_ps(next, highs[g]);
            }
        }
        auto const reduced_low = reduce_sixteen(lows, [](__m512 a, __m512 b) { return _mm512_min_ps(a, b); });
        auto const reduced_high = reduce_sixteen(highs, [](__m512 a, __m512 b) { return _mm512_max_ps(a, b); });
        // Either zero becomes +0.
        auto const least = _mm512_add_ps(reduced_low, _mm512_setzero_ps());
        auto const most = _mm512_add_ps(reduced_high, _mm512_setzero_ps());
        _mm512_storeu_ps(low, least);
        _mm512_storeu_ps(high, most);
        return static_cast<std::uint32_t>(_mm512_cmp_ps_mask(least, _mm512_set1_ps(-FLT_MAX), _CMP_LT_OQ) |
                                          _mm512_cmp_ps_mask(most, _mm512_set1_ps(FLT_MAX), _CMP_GT_OQ) |
                                          _mm512_cmp_ps_mask(least, most, _CMP_GT_OQ));
    }
    /// Likewise those with Inf or NaN.
    std::uint32_t magnitudes_in_lanes(SixteenGroups const& ahead, float* most) const {
        auto const key = [](float const* values) -> __m512i {
            return _mm512_and_si512(_mm512_castps_si512(_mm512_loadu_ps(values)), _mm512_set1_epi32(0x7fffffff));
        };
        __m512 keys[groups_together];
        for (std::uint64_t g = 0; g < groups_together; ++g) {
            ahead.ask(g, 0, size / 2);
            auto largest = key(at[g]);
            for (unsigned i = 16; i < size; i += 16) largest = _mm512_max_epi32(largest, key(at[g] + i));
            keys[g] = _mm512_castsi512_ps(largest);
        }
        auto const reduced = reduce_sixteen(keys, [](__m512 a, __m512 b) {
            return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
        });
        _mm512_storeu_ps(most, reduced);
        return static_cast<std::uint32_t>(
            _mm512_cmpge_epi32_mask(_mm512_castps_si512(reduced), _mm512_set1_epi32(infinity_bits)));
    }
#endif
};

/// For `groups` groups of `places`, sixteen at a time: range(first, slot, now, ahead) and then code(first, slot, now,
/// ahead), where `first` is the first of them, `slot` 0 or 1 tells where the former may leave something for the latter, and `ahead` are
/// groups to come, which may lie past the end. The range of the next groups is found before these are coded: its last
/// steps wait for each other, and coding fills the time.
template <unsigned size, class T, class Range, class Code>
KOKKOS_FORCEINLINE_FUNCTION void sixteen_at_a_time(GroupPlaces<T> places, std::uint64_t groups, Range const& range,
                                                   Code const& code) {
    // Taken in turns and never copied: pointers written one by one are slow to read as a whole register.
    SixteenGroups<size, T> turns[3];
    turns[0].take(places);
    turns[1].take(places);
    turns[0].limit(groups);
    range(std::uint64_t{0}, 0U, turns[0], turns[1]);
    unsigned now = 0;
    unsigned slot = 0;
    for (std::uint64_t first = 0; first < groups; first += groups_together) {
        auto const next = now == 2 ? 0 : now + 1;
        auto const last = next == 2 ? 0 : next + 1;
        turns[last].take(places);
        if (first + groups_together < groups) {
            turns[next].limit(groups - first - groups_together);
            range(first + groups_together, slot ^ 1U, turns[next], turns[last]);
        }
        code(first, slot, turns[now], turns[last]);
        now = next;
        slot ^= 1U;
    }
}

}  // namespace kvstone
