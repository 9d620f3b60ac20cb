#include "codecs/kernels/rans_table.hpp"

#include <algorithm>
#include <bit>

namespace kvstone {
namespace {

class BitWriter {
  public:
    explicit BitWriter(std::byte* to) : next_(to) {}
    void put(std::uint32_t value, unsigned bits) {
        held_ |= value << count_;
        for (count_ += bits; count_ >= 8; count_ -= 8, held_ >>= 8) *next_++ = static_cast<std::byte>(held_);
    }
    std::byte* end() {
        if (count_ > 0) *next_++ = static_cast<std::byte>(held_);
        return next_;
    }

  private:
    std::byte* next_;
    std::uint32_t held_ = 0;
    unsigned count_ = 0;
};

class BitReader {
  public:
    BitReader(std::byte const* from, std::byte const* end) : next_(from), end_(end) {}
    std::uint32_t get(unsigned bits) {
        while (count_ < bits) {
            missing_ = missing_ || next_ == end_;
            held_ |= (next_ == end_ ? 0 : std::to_integer<std::uint32_t>(*next_++)) << count_;
            count_ += 8;
        }
        auto const value = held_ & ((1U << bits) - 1);
        held_ >>= bits;
        count_ -= bits;
        return value;
    }
    bool missing() const { return missing_; }
    bool rest_is_zero() const { return held_ == 0; }
    std::byte const* next() const { return next_; }

  private:
    std::byte const* next_;
    std::byte const* end_;
    std::uint32_t held_ = 0;
    unsigned count_ = 0;
    bool missing_ = false;
};

}  // namespace

Frequencies rans_frequencies(SymbolCounts const& counts) {
    std::uint64_t total = 0;
    for (auto const count : counts) total += count;
    Frequencies frequencies{};
    std::uint32_t sum = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        if (counts[symbol] == 0) continue;
        auto const nearest = (counts[symbol] * rans_slots + total / 2) / total;
        frequencies[symbol] = static_cast<std::uint16_t>(std::max<std::uint64_t>(1, nearest));
        sum += frequencies[symbol];
    }
    // One slot more or less is worth count x log((f + 1) / f) bits, near to count / (f + 1/2): the best first.
    for (; sum != rans_slots; sum < rans_slots ? ++sum : --sum) {
        bool const grows = sum < rans_slots;
        std::size_t best = 256;
        std::uint64_t best_between = 0;
        for (std::size_t symbol = 0; symbol < 256; ++symbol) {
            std::uint64_t const frequency = frequencies[symbol];
            if (frequency == 0 || (!grows && frequency == 1)) continue;
            auto const between = grows ? 2 * frequency + 1 : 2 * frequency - 1;
            bool const better = best == 256 || (grows ? counts[symbol] * best_between > counts[best] * between
                                                      : counts[symbol] * best_between < counts[best] * between);
            if (better) {
                best = symbol;
                best_between = between;
            }
        }
        frequencies[best] = static_cast<std::uint16_t>(frequencies[best] + (grows ? 1 : -1));
    }
    return frequencies;
}

std::size_t write_rans_table(Frequencies const& frequencies, std::byte* table) {
    std::size_t first = 0;
    std::size_t last = 255;
    while (frequencies[first] == 0) ++first;
    while (frequencies[last] == 0) --last;
    table[0] = static_cast<std::byte>(first);
    table[1] = static_cast<std::byte>(last);
    if (first == last) return 2;
    BitWriter bits(table + 2);
    for (auto symbol = first; symbol <= last; ++symbol) {
        unsigned const frequency = frequencies[symbol];
        auto const width = static_cast<unsigned>(std::bit_width(frequency));
        bits.put(width, 4);
        if (width > 1) bits.put(frequency - (1U << (width - 1)), width - 1);
    }
    return static_cast<std::size_t>(bits.end() - table);
}

std::size_t read_rans_table(std::byte const* table, std::size_t available, Frequencies& frequencies) {
    frequencies.fill(0);
    if (available < 2) return 0;
    auto const first = std::to_integer<std::size_t>(table[0]);
    auto const last = std::to_integer<std::size_t>(table[1]);
    if (first > last) return 0;
    if (first == last) {
        frequencies[first] = rans_slots;
        return 2;
    }
    BitReader bits(table + 2, table + available);
    std::uint32_t sum = 0;
    for (auto symbol = first; symbol <= last; ++symbol) {
        auto const width = bits.get(4);
        if (width == 0) continue;
        if (width > rans_bits) return 0;
        auto const frequency = (1U << (width - 1)) + (width > 1 ? bits.get(width - 1) : 0);
        frequencies[symbol] = static_cast<std::uint16_t>(frequency);
        sum += frequency;
    }
    bool const whole =
        !bits.missing() && bits.rest_is_zero() && sum == rans_slots && frequencies[first] > 0 && frequencies[last] > 0;
    return whole ? static_cast<std::size_t>(bits.next() - table) : 0;
}

void make_rans_codes(Frequencies const& frequencies, std::uint32_t* codes, float* reciprocals) {
    std::uint32_t start = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        std::uint32_t const frequency = frequencies[symbol];
        codes[symbol] = start << 16 | frequency;
        reciprocals[symbol] = frequency == 0 ? 0.0F : 1.0F / static_cast<float>(frequency);
        start += frequency;
    }
}

void make_rans_lookup(Frequencies const& frequencies, std::uint32_t* entries) {
    std::uint32_t start = 0;
    for (std::uint32_t symbol = 0; symbol < 256; ++symbol) {
        std::uint32_t const frequency = frequencies[symbol];
        for (std::uint32_t slot = 0; slot < frequency; ++slot) {
            entries[start + slot] = (frequency - 1) << 20 | slot << 8 | symbol;
        }
        start += frequency;
    }
}

}  // namespace kvstone
