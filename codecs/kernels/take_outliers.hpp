#pragma once
// The outliers of one sequence, taken out in plain loops: what every other form is compared with.

#include <cfloat>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/group_ends.hpp"
#include "codecs/kernels/extremes.hpp"

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

}  // namespace kvstone
