// Huffman codes and rANS frequencies: lengths against theory, tables byte for byte, and tables that are none.

#include <algorithm>
#include <cmath>
#include <queue>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/kernels/channel_tables.hpp"
#include "codecs/kernels/huffman_code.hpp"
#include "codecs/kernels/rans_table.hpp"
#include "codecs/kernels/symbol_counts.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

double total_of(SymbolCounts const& counts) {
    double total = 0;
    for (auto const count : counts) total += static_cast<double>(count);
    return total;
}

double entropy_of(SymbolCounts const& counts) {
    auto const total = total_of(counts);
    double bits = 0;
    for (auto const count : counts) {
        if (count > 0) bits -= static_cast<double>(count) / total * std::log2(static_cast<double>(count) / total);
    }
    return bits;
}

double mean_length(SymbolCounts const& counts, CodeLengths const& lengths) {
    double bits = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) bits += static_cast<double>(counts[symbol]) * lengths[symbol];
    return bits / total_of(counts);
}

/// Huffman's own construction, which has no limit: the sum of the weights of all joins.
double unlimited_mean_length(SymbolCounts const& counts) {
    std::priority_queue<double, std::vector<double>, std::greater<>> weights;
    for (auto const count : counts) {
        if (count > 0) weights.push(static_cast<double>(count));
    }
    double bits = 0;
    while (weights.size() > 1) {
        auto const first = weights.top();
        weights.pop();
        auto const both = first + weights.top();
        weights.pop();
        bits += both;
        weights.push(both);
    }
    return bits / total_of(counts);
}

SymbolCounts counts_of(std::initializer_list<std::pair<char, std::uint64_t>> pairs) {
    SymbolCounts counts{};
    for (auto const& [symbol, count] : pairs) counts[static_cast<unsigned char>(symbol)] = count;
    return counts;
}

std::vector<std::byte> huffman_table(SymbolCounts const& counts) {
    std::vector<std::byte> table(most_huffman_table_bytes);
    table.resize(write_huffman_table(counts, huffman_lengths(counts), table.data()));
    return table;
}

std::vector<std::byte> rans_table(SymbolCounts const& counts) {
    std::vector<std::byte> table(most_rans_table_bytes);
    table.resize(write_rans_table(rans_frequencies(counts), table.data()));
    return table;
}

TEST(HuffmanCode, WorkedExample) {
    auto const counts = counts_of({{'a', 1}, {'b', 2}, {'d', 4}});
    EXPECT_EQ(huffman_table(counts), bytes_of({0x61, 0x64, 0x22, 0x10}));
    std::array<std::uint32_t, 256> codes;
    make_huffman_codes(huffman_lengths(counts), codes.data());
    EXPECT_EQ(codes['d'], 0x10000U);
    EXPECT_EQ(codes['a'], 0x20001U) << "10, its first bit lowest";
    EXPECT_EQ(codes['b'], 0x20003U);
    EXPECT_EQ(huffman_table(counts_of({{'x', 9}})), bytes_of({0x78, 0x78}));
}

TEST(HuffmanCode, IsHuffmansWhereTheLimitDoesNotBind) {
    std::mt19937 random(2);
    for (int round = 0; round < 50; ++round) {
        SymbolCounts counts{};
        auto const symbols = 2 + random() % 255;
        for (std::size_t i = 0; i < symbols; ++i) counts[random() % 256] = 100 + random() % 4000;
        counts[7] += 1;
        counts[9] += 1;
        auto const lengths = huffman_lengths(counts);
        if (*std::ranges::max_element(lengths) < most_huffman_bits) {
            EXPECT_NEAR(mean_length(counts, lengths), unlimited_mean_length(counts), 1e-9);
        }
    }
}

/// The least sum of count x length of any code of at most 12 bits, by trying how many symbols each length has: symbol `from`
/// and those behind it, counts descending, where so many words of `length` bits are free.
std::uint64_t least_bits(std::vector<std::uint64_t> const& counts, std::size_t from, std::size_t words,
                         unsigned length) {
    auto const left = counts.size() - from;
    if (words >= left) return 0;
    if (length == most_huffman_bits) return std::uint64_t{1} << 60;
    auto least = std::uint64_t{1} << 60;
    for (std::size_t taken = 0; taken < words; ++taken) {
        std::uint64_t longer = 0;
        for (auto i = from + taken; i < counts.size(); ++i) longer += counts[i];
        least = std::min(least, longer + least_bits(counts, from + taken, 2 * (words - taken), length + 1));
    }
    return least;
}

TEST(HuffmanCode, KeepsTheLimitAtTheLeastCost) {
    // Fibonacci's numbers: without a limit, the code of the rarest of 16 symbols would have 15 bits.
    std::vector<std::uint64_t> fibonacci{1, 1};
    while (fibonacci.size() < 16) fibonacci.push_back(fibonacci.back() + fibonacci[fibonacci.size() - 2]);
    SymbolCounts counts{};
    std::ranges::copy(fibonacci, counts.begin());
    auto const lengths = huffman_lengths(counts);
    EXPECT_EQ(*std::ranges::max_element(lengths), most_huffman_bits);
    double kraft = 0;
    for (auto const length : lengths) kraft += length > 0 ? std::exp2(-length) : 0;
    EXPECT_EQ(kraft, 1);
    std::ranges::reverse(fibonacci);
    EXPECT_NEAR(mean_length(counts, lengths) * total_of(counts), static_cast<double>(least_bits(fibonacci, 0, 1, 0)),
                1e-6);
    EXPECT_GT(mean_length(counts, lengths), unlimited_mean_length(counts));
}

TEST(HuffmanCode, TablesThatAreNoneAreRefused) {
    CodeLengths lengths;
    auto const refused = [&](std::initializer_list<int> table) {
        auto const bytes = bytes_of(table);
        auto const size = huffman_table_bytes(bytes.data(), bytes.size());
        return size == 0 || !read_huffman_table(bytes.data(), lengths);
    };
    EXPECT_FALSE(refused({0x61, 0x64, 0x22, 0x10}));
    EXPECT_TRUE(refused({0x61, 0x64, 0x22}));
    EXPECT_TRUE(refused({0x61}));
    EXPECT_TRUE(refused({0x64, 0x61, 0x22, 0x10})) << "ends before it begins";
    EXPECT_TRUE(refused({0x61, 0x64, 0x23, 0x10})) << "codes left over";
    EXPECT_TRUE(refused({0x61, 0x64, 0x12, 0x10})) << "too many codes";
    EXPECT_TRUE(refused({0x61, 0x64, 0x10, 0x01})) << "the last symbol does not occur";
    EXPECT_TRUE(refused({0x61, 0x62, 0x1d})) << "13 bits";
    EXPECT_TRUE(refused({0x61, 0x63, 0x21, 0x12})) << "a length beyond the last symbol";
}

TEST(RansTable, WorkedExample) {
    auto const counts = counts_of({{'a', 5}, {'b', 5}});
    EXPECT_EQ(rans_table(counts), bytes_of({0x61, 0x62, 0x0c, 0x00, 0x06, 0x00}));
    // 1 and 4095: widths 1 and 12 -> 1, then c and eleven bits of 2047.
    EXPECT_EQ(rans_table(counts_of({{'a', 1}, {'b', 1000000}})), bytes_of({0x61, 0x62, 0xc1, 0xff, 0x07}));
    EXPECT_EQ(rans_table(counts_of({{'x', 3}})), bytes_of({0x78, 0x78}));
}

TEST(RansTable, FrequenciesAreWorthTheirBits) {
    std::mt19937 random(4);
    for (int round = 0; round < 30; ++round) {
        SymbolCounts counts{};
        for (auto& count : counts) count = std::uint64_t{1} << (random() % 14) >> (random() % 6);
        counts[random() % 256] += 1;
        auto const frequencies = rans_frequencies(counts);
        std::uint32_t sum = 0;
        double bits = 0;
        for (std::size_t symbol = 0; symbol < 256; ++symbol) {
            sum += frequencies[symbol];
            EXPECT_EQ(frequencies[symbol] > 0, counts[symbol] > 0);
            if (counts[symbol] > 0) bits += static_cast<double>(counts[symbol]) * (12 - std::log2(frequencies[symbol]));
        }
        EXPECT_EQ(sum, rans_slots);
        // Rounding to n / 4096 costs at most log2(e) (1/2)^2 / (p 4096^2) for each symbol where p > 1 / 4096, and rarer ones
        // have up to 256 slots together, a sixteenth, which the others lack: log2(16 / 15) bit.
        EXPECT_GE(bits / total_of(counts), entropy_of(counts) - 1e-9);
        EXPECT_LE(bits / total_of(counts), entropy_of(counts) + std::log2(16.0 / 15) + 0.01);
    }
}

TEST(RansTable, TablesThatAreNoneAreRefused) {
    Frequencies frequencies;
    auto const bytes_read = [&](std::initializer_list<int> table) {
        auto const bytes = bytes_of(table);
        return read_rans_table(bytes.data(), bytes.size(), frequencies);
    };
    EXPECT_EQ(bytes_read({0x61, 0x62, 0xc1, 0xff, 0x07}), 5U);
    EXPECT_EQ(bytes_read({0x61, 0x62, 0xc1, 0xff, 0x07, 0x55}), 5U) << "what follows is another's";
    EXPECT_EQ(bytes_read({0x61, 0x62, 0xc1, 0xff}), 0U);
    EXPECT_EQ(bytes_read({0x61, 0x62, 0xc1, 0xff, 0x0f}), 0U) << "bits behind the end";
    EXPECT_EQ(bytes_read({0x61, 0x62, 0xc1, 0xfe, 0x07}), 0U) << "a sum below 4096";
    EXPECT_EQ(bytes_read({0x62, 0x61, 0xc1, 0xff, 0x07}), 0U);
    EXPECT_EQ(bytes_read({0x61, 0x62, 0xd1, 0xff, 0x07}), 0U) << "13 bits";
    EXPECT_EQ(bytes_read({0x61}), 0U);
}

/// How often N(0,1) has each symbol, `symbol_of(bits)` of the values' 16 bits.
template <class Element, class SymbolOf>
SymbolCounts normal_counts(SymbolOf const& symbol_of) {
    static std::vector<float> const values = normal_values(std::size_t{1} << 22);
    SymbolCounts counts{};
    for (auto const value : values) {
        auto const element = from_float<Element>(value);
        std::uint16_t bits = 0;
        std::memcpy(&bits, &element, sizeof(bits));
        ++counts[symbol_of(bits)];
    }
    return counts;
}

TEST(HuffmanCode, ClosedFormsOfNormalValues) {
    auto const high_byte = normal_counts<Float16>([](unsigned bits) { return bits >> 8; });
    auto const high_six = normal_counts<Float16>([](unsigned bits) { return bits >> 10; });
    auto const exponent = normal_counts<BFloat16>([](unsigned bits) { return bits >> 7 & 0xffU; });
    // Lengths vary by less than 2 from symbol to symbol: their mean over 2^22 by less than 2 / 2^11 = .001; five times that.
    constexpr double tolerance = 0.005;
    EXPECT_NEAR(unlimited_mean_length(high_byte), 5.508810, tolerance);
    EXPECT_NEAR(unlimited_mean_length(high_six), 3.580995, tolerance);
    EXPECT_NEAR(unlimited_mean_length(exponent), 2.583825, tolerance);
    // Package-merge over the exact probabilities of the 140, 36 and 25 symbols that so many values have: rare ones, of which
    // there are some eighty in the high byte, cost the others .013 bit by needing 2^-12 each.
    EXPECT_NEAR(mean_length(high_byte, huffman_lengths(high_byte)), 5.5214, tolerance);
    EXPECT_NEAR(mean_length(high_six, huffman_lengths(high_six)), 3.5831, tolerance);
    EXPECT_NEAR(mean_length(exponent, huffman_lengths(exponent)), 2.5867, tolerance);
    EXPECT_NEAR(entropy_of(high_byte), 5.469823, tolerance);
    EXPECT_NEAR(entropy_of(high_six), 3.544816, tolerance);
    EXPECT_NEAR(entropy_of(exponent), 2.544943, tolerance);
    // A code that is not made for them is told: two lengths exchanged.
    auto lengths = huffman_lengths(high_byte);
    std::swap(*std::ranges::max_element(lengths), lengths[0xb8]);
    EXPECT_GT(mean_length(high_byte, lengths), 5.5214 + tolerance);
}

TEST(ChannelTables, LogarithmIsThatOfTheProcessor) {
    for (std::uint64_t const x : {1ULL, 2ULL, 3ULL, 1000ULL, 1ULL << 31, (1ULL << 32) - 1, 1ULL << 32}) {
        // Rounded down in each of eight steps: at most 8 of 2^-8.
        EXPECT_NEAR(code_bits_256(x) / 256.0, 32 - std::log2(static_cast<double>(x)), 8 / 256.0) << x;
    }
}

TEST(ChannelTables, UnlikePlacesPart) {
    constexpr std::size_t places = 6;
    std::vector<std::uint64_t> counts(places * 256);
    for (std::size_t place = 0; place < places; ++place) {
        for (std::size_t symbol = 0; symbol < 16; ++symbol) counts[place * 256 + symbol + place % 3 * 40] = 1000;
    }
    std::vector<std::uint8_t> table_of(places);
    EXPECT_EQ(share_tables(counts.data(), places, 1024, table_of.data()), 3U);
    EXPECT_EQ(table_of, (std::vector<std::uint8_t>{0, 1, 2, 0, 1, 2}));
    // Where a table costs more than all it could bring, one serves all: log2 3 bits for each of 96000 symbols.
    EXPECT_EQ(share_tables(counts.data(), places, 100000, table_of.data()), 1U);
    EXPECT_EQ(table_of, std::vector<std::uint8_t>(places, 0));
}

}  // namespace
}  // namespace kvstone
