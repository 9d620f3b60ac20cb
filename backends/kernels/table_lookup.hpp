#pragma once
// Searching and reading small tables of floats, block by block.
//
// A plain loop over a table does not vectorise: each value looks at a place of its own. Where the processor permutes the
// lanes of a register by other lanes (AVX-512), a table of up to 64 floats lies in registers; elsewhere the same results
// come from plain loops.

#include <cmath>
#include <cstdint>
#include <limits>

#include <Kokkos_Macros.hpp>

#include "backends/kernels/nearest_element.hpp"
#include "backends/kernels/wide_lanes.hpp"

namespace kvstone {

/// Most bits of a code that count_below() finds.
inline constexpr unsigned most_searched_bits = 5;
/// How many floats count_below() may read: those behind the thresholds are infinity.
inline constexpr std::uint64_t searched_thresholds = 48;
/// How many floats look_up() may read even where there are fewer codes.
inline constexpr std::uint64_t least_table_entries = 16;

/// The axis in 32 bins of at most one threshold each, which count_scaled_below() needs one comparison for.
struct ThresholdBins {
    static constexpr std::uint32_t bins = 32;
    float per_unit = 0;
    float offset = 0;
    float threshold[bins];      ///< of each bin; infinity where it has none
    std::int32_t before[bins];  ///< thresholds in the bins before
    bool usable = true;         ///< false where two thresholds fell into one bin

    /// Of ascending thresholds. Bins have to follow the order of values, which rounding keeps, and to be found in
    /// registers as they are here.
    ThresholdBins(float const* thresholds, std::uint32_t count) {
        if (count > 1) per_unit = static_cast<float>(bins - 1) / (thresholds[count - 1] - thresholds[0]);
        offset = -thresholds[0] * per_unit;
        std::uint32_t next = 0;
        for (std::uint32_t bin = 0; bin < bins; ++bin) {
            before[bin] = static_cast<std::int32_t>(next);
            threshold[bin] = std::numeric_limits<float>::infinity();
            if (next == count || bin_of(thresholds[next]) != bin) continue;
            threshold[bin] = thresholds[next++];
            usable = usable && (next == count || bin_of(thresholds[next]) != bin);
        }
    }
    std::uint32_t bin_of(float value) const {
        auto const place = std::fma(value, per_unit, offset);
        return static_cast<std::uint32_t>(std::fmin(std::fmax(place, 0.0F), static_cast<float>(bins - 1)));
    }
};

/// How many of 2^bits - 1 thresholds are below a value, NaN taken for 0: compared with all.
template <unsigned bits>
KOKKOS_FORCEINLINE_FUNCTION std::uint32_t thresholds_below(float const* thresholds, float value) {
    value = value == value ? value : 0.0F;
    std::uint32_t code = 0;
    for (std::uint32_t k = 0; k < (1U << bits) - 1; ++k) code += value > thresholds[k] ? 1 : 0;
    return code;
}

/// codes[i] = how many of 2^bits - 1 thresholds are below values[i], NaN taken for 0.
template <unsigned bits>
KOKKOS_INLINE_FUNCTION void count_below_in_loop(float const* thresholds, float const* values, std::uint64_t count,
                                                std::uint8_t* codes) {
    for (std::uint64_t i = 0; i < count; ++i) {
        codes[i] = static_cast<std::uint8_t>(thresholds_below<bits>(thresholds, values[i]));
    }
}

/// values[i] = table[codes[i]] * factor.
template <class T>
KOKKOS_INLINE_FUNCTION void look_up_in_loop(float const* table, float factor, std::uint8_t const* codes,
                                            std::uint64_t count, T* values) {
    for (std::uint64_t i = 0; i < count; ++i) values[i] = nearest_element<T>(table[codes[i]] * factor);
}

#ifdef KVSTONE_WIDE_LANES

/// The same by halving, 16 values at a time: each step looks its threshold up by what the steps before found.
template <unsigned bits>
inline void count_below(float const* thresholds, float const* values, std::uint64_t count, std::uint8_t* codes) {
    // Step s adds 2^s where thresholds[found + 2^s - 1] is below.
    __m512 low[bits];
    __m512 high[bits];
    for (unsigned s = 0; s < bits; ++s) {
        low[s] = _mm512_loadu_ps(thresholds + (1U << s) - 1);
        high[s] = _mm512_loadu_ps(thresholds + (1U << s) - 1 + 16);
    }
    auto const done = store_codes_in_lanes<false>(count, 0xff, codes, [&](std::uint64_t at) -> __m512i {
        auto const value = without_nan(_mm512_loadu_ps(values + at));
        __m512i found = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (unsigned s = bits; s-- > 0;) {
            auto const threshold =
                bits == 5 ? _mm512_permutex2var_ps(low[s], found, high[s]) : _mm512_permutexvar_ps(found, low[s]);
            auto const below = _mm512_cmp_ps_mask(value, threshold, _CMP_GT_OQ);
            found = _mm512_mask_add_epi32(found, below, found, _mm512_set1_epi32(1 << s));
        }
        return found;
    });
    count_below_in_loop<bits>(thresholds, values + done, count - done, codes + done);
}

/// Bins and their thresholds in registers: how many thresholds are below each of sixteen values, NaN taken for 0.
class BinsInRegisters {
  public:
    explicit BinsInRegisters(ThresholdBins const& bins)
        : low_thresholds_(_mm512_loadu_ps(bins.threshold)),
          high_thresholds_(_mm512_loadu_ps(bins.threshold + 16)),
          low_before_(_mm512_loadu_si512(bins.before)),
          high_before_(_mm512_loadu_si512(bins.before + 16)),
          per_unit_(_mm512_set1_ps(bins.per_unit)),
          offset_(_mm512_set1_ps(bins.offset)) {}

    __m512i operator()(__m512 values) const {
        auto const last = _mm512_set1_ps(static_cast<float>(ThresholdBins::bins - 1));
        auto const value = without_nan(values);
        auto place = _mm512_fmadd_ps(value, per_unit_, offset_);
        place = _mm512_min_ps(_mm512_max_ps(place, _mm512_setzero_ps()), last);
        auto const bin = _mm512_cvttps_epi32(place);
        auto const threshold = _mm512_permutex2var_ps(low_thresholds_, bin, high_thresholds_);
        auto const before = _mm512_permutex2var_epi32(low_before_, bin, high_before_);
        auto const below = _mm512_cmp_ps_mask(value, threshold, _CMP_GT_OQ);
        return _mm512_mask_add_epi32(before, below, before, _mm512_set1_epi32(1));
    }

  private:
    __m512 low_thresholds_;
    __m512 high_thresholds_;
    __m512i low_before_;
    __m512i high_before_;
    __m512 per_unit_;
    __m512 offset_;
};

/// codes[i] = how many of the 2^bits - 1 thresholds are below values[i] * factor, NaN taken for 0. `bins` are of these
/// thresholds and usable.
template <unsigned bits>
inline void count_scaled_below(float const* thresholds, ThresholdBins const& bins, float factor, float const* values,
                               std::uint64_t count, std::uint8_t* codes) {
    BinsInRegisters const in_registers(bins);
    auto const done = store_codes_in_lanes<false>(count, 0xff, codes, [&](std::uint64_t at) -> __m512i {
        return in_registers(_mm512_mul_ps(load_lanes(values + at), _mm512_set1_ps(factor)));
    });
    for (auto i = done; i < count; ++i) {
        float const value = values[i] * factor;
        count_below_in_loop<bits>(thresholds, &value, 1, codes + i);
    }
}

/// values[i] = table[codes[i]] * factor; codes are below 2^bits. Past the cache where `streaming`, and `values` starts a
/// cache line.
inline void look_up(unsigned bits, float const* table, float factor, std::uint8_t const* codes, std::uint64_t count,
                    float* values, bool streaming = false) {
    auto const scaled = [&](unsigned part) -> __m512 {
        return _mm512_mul_ps(_mm512_loadu_ps(table + part * 16), _mm512_set1_ps(factor));
    };
    auto const indices = [&](std::uint64_t i) -> __m512i {
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(codes + i)));
    };
    std::uint64_t i = 0;
    if (bits <= 4) {
        auto const all = scaled(0);
        for (; i + 16 <= count; i += 16) store_lanes(values + i, _mm512_permutexvar_ps(indices(i), all), streaming);
    } else if (bits == 5) {
        auto const low = scaled(0);
        auto const high = scaled(1);
        for (; i + 16 <= count; i += 16) {
            store_lanes(values + i, _mm512_permutex2var_ps(low, indices(i), high), streaming);
        }
    } else if (bits == 6) {
        __m512 const part[4] = {scaled(0), scaled(1), scaled(2), scaled(3)};
        for (; i + 16 <= count; i += 16) {
            auto const index = indices(i);
            auto const upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
            auto const from_low = _mm512_permutex2var_ps(part[0], index, part[1]);
            auto const from_high = _mm512_permutex2var_ps(part[2], index, part[3]);
            store_lanes(values + i, _mm512_mask_mov_ps(from_low, upper, from_high), streaming);
        }
    }
    look_up_in_loop(table, factor, codes + i, count - i, values + i);
}

#else

template <unsigned bits>
KOKKOS_INLINE_FUNCTION void count_below(float const* thresholds, float const* values, std::uint64_t count,
                                        std::uint8_t* codes) {
    count_below_in_loop<bits>(thresholds, values, count, codes);
}

#endif

/// For every element type, and for floats where tables do not lie in registers.
template <unsigned bits, class T>
KOKKOS_INLINE_FUNCTION void count_scaled_below(float const* thresholds, ThresholdBins const&, float factor,
                                               T const* values, std::uint64_t count, std::uint8_t* codes) {
    for (std::uint64_t i = 0; i < count; ++i) {
        codes[i] = static_cast<std::uint8_t>(thresholds_below<bits>(thresholds, to_float(values[i]) * factor));
    }
}
template <class T>
KOKKOS_INLINE_FUNCTION void look_up(unsigned, float const* table, float factor, std::uint8_t const* codes,
                                    std::uint64_t count, T* values, bool = false) {
    look_up_in_loop(table, factor, codes, count, values);
}

/// codes[i] = how many of the 2^bits - 1 ascending thresholds are below values[i], NaN taken for 0. bits <= 5.
KOKKOS_INLINE_FUNCTION void count_below(unsigned bits, float const* thresholds, float const* values,
                                        std::uint64_t count, std::uint8_t* codes) {
    switch (bits) {
        case 1:
            return count_below<1>(thresholds, values, count, codes);
        case 2:
            return count_below<2>(thresholds, values, count, codes);
        case 3:
            return count_below<3>(thresholds, values, count, codes);
        case 4:
            return count_below<4>(thresholds, values, count, codes);
        default:
            return count_below<5>(thresholds, values, count, codes);
    }
}

}  // namespace kvstone
