#pragma once
// Where the thresholds between neighbouring levels lie, for kernels that find the nearest of up to 16 levels.
//
// The axis is cut into 32 bins of 256 cells, and no bin has two thresholds: the cell of a value tells its code, but for
// values in the very cell of a threshold, which are few and are compared with it as they are. Bins and the places of
// thresholds in them are bytes: processors look bytes up in registers, sixteen or more at a time. Those that look up words
// of 16 bits have eight cells in place of one, and fewer values to compare.

#include <cmath>
#include <cstdint>
#include <limits>

namespace kvstone {

struct LevelBins {
    static constexpr int bins = 32;
    static constexpr int cells_of_bin = 256;
    static constexpr int fine_cells = 8;  ///< of a cell
    static constexpr unsigned fine_bits = 11;
    static constexpr std::int32_t fine_cells_of_bin = 1 << fine_bits;
    static constexpr std::uint32_t most_thresholds = 15;
    /// Thresholds keep this distance from the ends of their fine cells, so that a place may be computed in any order of
    /// operations: rounding moves it by less.
    static constexpr float margin = 0x1p-4F;

    /// The cell of a value is trunc(value * per_unit + offset), its bin floor(cell / 256) where that is one of -16 to 15,
    /// else the nearest of these, which have no threshold.
    float per_unit = 0;
    float offset = 0;
    bool usable = false;  ///< false where no such bins were found
    /// Of bins 0 to 15 and then -16 to -1: the cell of the threshold within the bin less 128 (127 where there is none),
    /// and the number of thresholds below the bin, with the highest bit of the byte where the bin has none.
    std::int8_t cells[bins] = {};
    std::uint8_t before[bins] = {};
    /// The same of fine cells, which are trunc(fine_cells * (value * per_unit + offset)): this and the fine cell are, in 16
    /// bits, the code times 2^fine_bits and then anything, 0 in the threshold's own cell.
    std::uint16_t steps[bins] = {};
    float thresholds[most_thresholds + 1];  ///< in ascending order, then infinity

    /// Of `count` ascending thresholds, 1 to 15 of them.
    LevelBins(float const* ascending, std::uint32_t count) {
        for (std::uint32_t k = 0; k <= most_thresholds; ++k) {
            thresholds[k] = k < count ? ascending[k] : std::numeric_limits<float>::infinity();
        }
        auto const width =
            count > 1 ? thresholds[count - 1] - thresholds[0] : std::fmax(1.0F, std::fabs(thresholds[0]));
        auto const middle = thresholds[0] + (count > 1 ? width / 2 : 0.0F);
        // Places stay below 2^17 fine cells before the offset, and the four roundings on their way below 2^-7 each.
        if (!(width > 0x1p-60F && width < 0x1p60F && std::fabs(middle) <= width)) return;
        constexpr int widths = 64;
        constexpr int offsets = 5;
        for (int i = 0; i < widths * offsets && !usable; ++i) {
            // Bins as wide as they can be, so that few values lie outside of all.
            constexpr auto most = static_cast<float>((bins - 3) * cells_of_bin);
            auto const all = most * (0.8F + 0.2F * static_cast<float>(i / offsets) / (widths - 1));
            per_unit = all / width;
            offset = -middle * per_unit + 0.0625F + 37.28125F * static_cast<float>(i % offsets);
            usable = place_all(count);
        }
    }

  private:
    float place_of(float value) const { return (value * per_unit + offset) * fine_cells; }
    static std::int32_t bin_of(std::int32_t fine) {
        return fine >= 0 ? fine / fine_cells_of_bin : -((fine_cells_of_bin - 1 - fine) / fine_cells_of_bin);
    }
    static std::int32_t index_of(std::int32_t bin) { return bin >= 0 ? bin : bin + bins; }

    /// Fills the tables; false where two thresholds share a bin, or one is in a bin at an end or too close to the end of its
    /// cell.
    bool place_all(std::uint32_t count) {
        std::uint32_t next = 0;
        for (std::int32_t bin = -bins / 2; bin < bins / 2; ++bin) {
            auto const at = index_of(bin);
            before[at] = static_cast<std::uint8_t>(next | 0x80U);
            cells[at] = 127;
            auto const first = bin * fine_cells_of_bin;
            steps[at] = static_cast<std::uint16_t>((static_cast<std::int32_t>(next) << fine_bits) - first);
            auto const place = place_of(thresholds[next]);
            if (next == count || bin_of(static_cast<std::int32_t>(place)) != bin) continue;
            if (bin == -bins / 2 || bin == bins / 2 - 1) return false;
            if (std::fabs(place - std::nearbyint(place)) < margin) return false;
            before[at] = static_cast<std::uint8_t>(next);
            auto const fine = static_cast<std::int32_t>(place);
            auto const in_bin = fine - first;
            // Towards zero: below it the last fine cells of a bin are part of the next bin's first cell.
            auto const cell = fine / fine_cells - bin * cells_of_bin;
            if (cell >= cells_of_bin) return false;
            cells[at] = static_cast<std::int8_t>(cell - 128);
            ++next;
            steps[at] = static_cast<std::uint16_t>((static_cast<std::int32_t>(next) << fine_bits) - first - in_bin);
        }
        return next == count;
    }
};

}  // namespace kvstone
