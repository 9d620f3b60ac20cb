#pragma once
// Rows of binary16 numbers to floats and back, as to_float() and from_float() have it.

#include <cstdint>
#include <cstring>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/wide_lanes.hpp"

namespace kvstone {

#ifdef KVSTONE_WIDE_LANES
/// Sixteen floats as from_float<Float16>() has them: any NaN becomes the one of its sign.
inline __m256i halves_in_lanes(__m512 values) {
    auto const nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
    auto const bits = _mm512_castps_si512(values);
    // (bits & sign) | quiet NaN
    auto const known =
        _mm512_mask_ternarylogic_epi32(bits, nan, _mm512_set1_epi32(INT32_MIN), _mm512_set1_epi32(0x7fc00000), 0xea);
    return _mm512_cvtps_ph(_mm512_castsi512_ps(known), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
#endif

/// values[i] = the number at place + 2 i.
KOKKOS_FORCEINLINE_FUNCTION void floats_of_halves(std::byte const* place, std::uint64_t count, float* values) {
    std::uint64_t done = 0;
#ifdef KVSTONE_WIDE_LANES
    for (; done + 16 <= count; done += 16) {
        auto const halves = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(place + done * sizeof(Float16)));
        _mm512_storeu_ps(values + done, _mm512_cvtph_ps(halves));
    }
#endif
    for (; done < count; ++done) {
        Float16 half;
        std::memcpy(&half, place + done * sizeof(half), sizeof(half));
        values[done] = to_float(half);
    }
}

/// The number at place + 2 i = values[i], within +-65504.
KOKKOS_FORCEINLINE_FUNCTION void saturated_halves_of(float const* values, std::uint64_t count, std::byte* place) {
    constexpr float most = 65504.0F;
    std::uint64_t done = 0;
#ifdef KVSTONE_WIDE_LANES
    for (; done + 16 <= count; done += 16) {
        auto value = _mm512_loadu_ps(values + done);
        value = _mm512_max_ps(_mm512_set1_ps(-most), _mm512_min_ps(_mm512_set1_ps(most), value));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(place + done * sizeof(Float16)),
                            _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
    }
#endif
    for (; done < count; ++done) {
        float value = values[done];
        value = value > most ? most : value;
        value = value < -most ? -most : value;
        auto const half = from_float<Float16>(value);
        std::memcpy(place + done * sizeof(half), &half, sizeof(half));
    }
}

}  // namespace kvstone
