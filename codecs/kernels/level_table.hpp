#pragma once
// Quantisation to the nearest of up to 256 ascending levels.
//
// Up to 5 bits a code is found by halving over the thresholds between neighbouring levels. Above that the axis is cut
// into equal bins of at most one threshold each: what bin a value falls into tells its code but for one comparison.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "backends/kernels/table_lookup.hpp"
#include "backends/spaces.hpp"
#include "codecs/kernels/level_bins.hpp"

namespace kvstone {

/// Values that are worked on at a time: a multiple of 8, so that their codes are whole bytes.
inline constexpr std::uint64_t levels_at_a_time = 256;

/// Bits of the codes that LevelTable has cells for.
inline constexpr unsigned cell_bits = 4;

/// Room for levels and for thresholds, of which there may be fewer.
inline constexpr std::uint64_t least_table_entries = 16;
inline constexpr std::uint64_t searched_thresholds = 48;

/// Levels as kernels see them, in memory of their backend.
struct LevelTable {
    unsigned bits;
    float const* levels;          ///< 2^bits, at least least_table_entries
    float const* thresholds;      ///< 2^bits - 1 and then infinity, at least searched_thresholds
    LevelBins const* cells;       ///< cell_bits only
    std::uint8_t const* of_bins;  ///< how many thresholds lie in the bins before; more than most_searched_bits only
    float bins_begin;
    float bins_per_unit;
    float last_bin;

    /// codes[i] = the level nearest to values[i] * factor, the lower one of two; of NaN that of 0. At most
    /// levels_at_a_time values.
    template <class T>
    KOKKOS_INLINE_FUNCTION void nearest(T const* values, std::uint64_t count, float factor, std::uint8_t* codes) const {
        float scaled[levels_at_a_time];
        for (std::uint64_t i = 0; i < count; ++i) scaled[i] = to_float(values[i]) * factor;
        if (bits <= most_searched_bits) {
            count_below(bits, thresholds, scaled, count, codes);
            return;
        }
        for (std::uint64_t i = 0; i < count; ++i) {
            float const value = scaled[i] == scaled[i] ? scaled[i] : 0.0F;
            auto const before = of_bins[bin_of(value)];
            codes[i] = static_cast<std::uint8_t>(before + (value > thresholds[before] ? 1 : 0));
        }
    }
    KOKKOS_INLINE_FUNCTION std::uint32_t bin_of(float value) const {
        float bin = (value - bins_begin) * bins_per_unit;
        bin = bin > 0.0F ? bin : 0.0F;
        bin = bin < last_bin ? bin : last_bin;
        return static_cast<std::uint32_t>(static_cast<std::int32_t>(bin));
    }
};

/// A table of given levels, to be copied to where kernels run. 2^bits levels, ascending and different.
class LevelBook {
  public:
    LevelBook(unsigned bits, std::vector<float> const& levels) : bits_(bits) {
        auto const count = std::size_t{1} << bits;
        std::vector<float> table(levels);
        table.resize(level_places(), 0.0F);
        for (std::size_t i = 0; i + 1 < count; ++i) table.push_back((levels[i] + levels[i + 1]) / 2);
        table.resize(level_places() + threshold_places(), std::numeric_limits<float>::infinity());
        bytes_.resize(table.size() * sizeof(float));
        std::memcpy(bytes_.data(), table.data(), bytes_.size());
        if (bits == cell_bits) {
            LevelBins const bins(view(bytes_.data()).thresholds, static_cast<std::uint32_t>(count - 1));
            if (!bins.usable) throw std::logic_error("levels lie too close to each other");
            auto const* const first = reinterpret_cast<std::byte const*>(&bins);
            bytes_.insert(bytes_.end(), first, first + sizeof(bins));
        } else if (bits > most_searched_bits) {
            add_bins();
        }
    }

    std::size_t bytes() const { return bytes_.size(); }
    unsigned bits() const { return bits_; }
    float level(std::size_t code) const { return view(bytes_.data()).levels[code]; }

    /// The table in `place`, which has room for bytes().
    template <class Space>
    LevelTable put(Space const&, std::byte* place) const {
        copy_to_backend(backend_of<Space>, place, bytes_.data(), bytes_.size());
        return view(place);
    }
    LevelTable view(std::byte const* place) const {
        auto const* const levels = reinterpret_cast<float const*>(place);
        auto const* const thresholds = levels + level_places();
        auto const* const behind = thresholds + threshold_places();
        return {bits_,
                levels,
                thresholds,
                reinterpret_cast<LevelBins const*>(behind),
                reinterpret_cast<std::uint8_t const*>(behind),
                begin_,
                per_unit_,
                static_cast<float>(bins_ - 1)};
    }

  private:
    std::size_t level_places() const { return std::max<std::size_t>(std::size_t{1} << bits_, least_table_entries); }
    std::size_t threshold_places() const { return std::max<std::size_t>(std::size_t{1} << bits_, searched_thresholds); }

    /// Twice as many bins until none has two thresholds. Bins only have to follow the order of values, which rounding
    /// keeps, and to be found by kernels as they are here.
    void add_bins() {
        auto const thresholds = (std::size_t{1} << bits_) - 1;
        auto const table = [&] { return view(bytes_.data()); };
        begin_ = table().thresholds[0];
        for (bins_ = 512;; bins_ *= 2) {
            if (bins_ > 65536) throw std::logic_error("levels lie too close to each other");
            per_unit_ = static_cast<float>(bins_) / (table().thresholds[thresholds - 1] - begin_);
            std::vector<unsigned> inside(bins_);
            bool single = true;
            for (std::size_t k = 0; k < thresholds; ++k) {
                single = single && inside[table().bin_of(table().thresholds[k])]++ == 0;
            }
            if (!single) continue;
            unsigned before = 0;
            for (auto const thresholds_inside : inside) {
                bytes_.push_back(static_cast<std::byte>(before));
                before += thresholds_inside;
            }
            return;
        }
    }

    unsigned bits_;
    std::vector<std::byte> bytes_;
    std::size_t bins_ = 1;
    float begin_ = 0;
    float per_unit_ = 0;
};

}  // namespace kvstone
