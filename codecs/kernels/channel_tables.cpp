#include "codecs/kernels/channel_tables.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "codecs/kernels/channel_rans_coder.hpp"

namespace kvstone {
namespace {

using Bits = std::array<std::uint32_t, 256>;
using Sums = std::array<std::uint64_t, 256>;

/// What each symbol costs in a code made for these counts; one that does not occur costs as a tenth of one.
Bits costs_of(Sums const& counts) {
    std::uint64_t total = 0;
    for (auto const count : counts) total += count;
    Bits bits;
    bits.fill(32U << 8);
    if (total == 0) return bits;  // a table that no place takes attracts none
    // Shares out of 2^32, of totals below 2^31; larger ones are scaled.
    auto const shift = std::max(0, static_cast<int>(std::bit_width(10 * total)) - 31);
    auto const scaled_total = 10 * total >> shift;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        auto const tenths = std::max<std::uint64_t>(1, 10 * counts[symbol]) >> shift;
        bits[symbol] =
            code_bits_256(std::clamp<std::uint64_t>((tenths << 32) / scaled_total, 1, std::uint64_t{1} << 32));
    }
    return bits;
}

std::uint64_t cost_of(std::uint64_t const* counts, Bits const& bits) {
    std::uint64_t cost = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) cost += counts[symbol] * bits[symbol];
    return cost;
}

class Sharing {
  public:
    Sharing(std::uint64_t const* counts, std::size_t places, std::uint8_t* table_of)
        : counts_(counts), places_(places), table_of_(table_of) {}

    std::size_t run(std::uint64_t table_bits) {
        std::fill_n(table_of_, places_, std::uint8_t{0});
        fit();
        std::uint64_t together = 0;
        for (std::size_t place = 0; place < places_; ++place) {
            own_[place] = cost_of(of(place), costs_of(sums_of(place)));
            now_[place] = cost_of(of(place), bits_[0]);
            together += now_[place];
        }
        while (tables_ < most_channel_tables && add_table(table_bits)) {
        }
        std::uint64_t apart = 0;
        for (int round = 0; round < 3; ++round) {
            apart = choose();
            fit();
        }
        if (apart + tables_ * table_bits * 256 >= together) std::fill_n(table_of_, places_, std::uint8_t{0});
        return rename();
    }

  private:
    std::uint64_t const* of(std::size_t place) const { return counts_ + place * 256; }
    Sums sums_of(std::size_t place) const {
        Sums sums;
        std::copy_n(of(place), 256, sums.begin());
        return sums;
    }
    /// Adds the table of the place that would gain most; what it alone gains is a lower bound of what the table brings.
    bool add_table(std::uint64_t table_bits) {
        std::size_t seed = places_;
        std::uint64_t most = table_bits * 256 / 4;
        for (std::size_t place = 0; place < places_; ++place) {
            if (now_[place] <= own_[place] + most) continue;
            most = now_[place] - own_[place];
            seed = place;
        }
        if (seed == places_) return false;
        auto const& bits = bits_[tables_++] = costs_of(sums_of(seed));
        for (std::size_t place = 0; place < places_; ++place)
            now_[place] = std::min(now_[place], cost_of(of(place), bits));
        return true;
    }
    /// Every place takes the table that codes it best; returns what all cost.
    std::uint64_t choose() {
        std::uint64_t all = 0;
        for (std::size_t place = 0; place < places_; ++place) {
            std::uint64_t least = ~std::uint64_t{0};
            for (std::size_t table = 0; table < tables_; ++table) {
                auto const cost = cost_of(of(place), bits_[table]);
                if (cost >= least) continue;
                least = cost;
                table_of_[place] = static_cast<std::uint8_t>(table);
            }
            all += least;
        }
        return all;
    }
    void fit() {
        std::array<Sums, most_channel_tables> sums{};
        for (std::size_t place = 0; place < places_; ++place) {
            auto& of_table = sums[table_of_[place]];
            for (std::size_t symbol = 0; symbol < 256; ++symbol) of_table[symbol] += of(place)[symbol];
        }
        for (std::size_t table = 0; table < tables_; ++table) bits_[table] = costs_of(sums[table]);
    }
    /// Leaves out tables that no place takes.
    std::size_t rename() const {
        std::array<std::uint8_t, most_channel_tables> name;
        name.fill(most_channel_tables);
        std::uint8_t names = 0;
        for (std::size_t place = 0; place < places_; ++place) {
            auto& of_table = name[table_of_[place]];
            if (of_table == most_channel_tables) of_table = names++;
            table_of_[place] = of_table;
        }
        return names;
    }

    std::uint64_t const* counts_;
    std::size_t places_;
    std::uint8_t* table_of_;
    std::size_t tables_ = 1;
    std::array<Bits, most_channel_tables> bits_;
    std::array<std::uint64_t, most_row_places> own_;
    std::array<std::uint64_t, most_row_places> now_;
};

}  // namespace

std::uint32_t code_bits_256(std::uint64_t x) {
    // One bit of the logarithm from each squaring of x / 2^floor(log2 x), which lies in [1, 2).
    auto const whole = static_cast<unsigned>(std::bit_width(x) - 1);
    std::uint64_t scaled = whole <= 31 ? x << (31 - whole) : x >> (whole - 31);
    std::uint32_t fraction = 0;
    for (int bit = 0; bit < 8; ++bit) {
        scaled = scaled * scaled >> 31;
        fraction = fraction << 1 | static_cast<std::uint32_t>(scaled >> 32);
        if (scaled >> 32 != 0) scaled >>= 1;
    }
    return (32U << 8) - (whole << 8 | fraction);
}

std::size_t share_tables(std::uint64_t const* counts, std::size_t places, std::uint64_t table_bits,
                         std::uint8_t* table_of) {
    return Sharing(counts, places, table_of).run(table_bits);
}

}  // namespace kvstone
