// Interleaved states: vectors of every processor against one state at a time, and blocks that are broken.

#include "codecs/kernels/state_lanes.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "codecs/kernels/huffman_code.hpp"
#include "codecs/kernels/rans_table.hpp"
#include "codecs/kernels/symbol_counts.hpp"

namespace kvstone {
namespace {

using Symbols = std::vector<std::uint8_t>;
using Coded = std::vector<std::byte>;

/// Bytes of which `share` are the one before plus 0 or 1, the others anything below `end`.
Symbols some_symbols(std::size_t count, unsigned end, double share) {
    std::mt19937 random(static_cast<unsigned>(count) + end);
    Symbols symbols(count);
    for (auto& symbol : symbols) {
        bool const common = static_cast<double>(random()) < share * 4294967296.0;
        symbol = static_cast<std::uint8_t>(common ? random() % 2 : random() % end);
    }
    return symbols;
}

SymbolCounts counts_of(Symbols const& symbols) {
    SymbolCounts counts{};
    count_symbols(symbols.data(), symbols.size(), counts.data());
    return counts;
}

/// The tables of one code of some symbols.
struct HuffmanTables {
    std::vector<std::uint32_t> code_words = std::vector<std::uint32_t>(256);
    std::vector<std::uint32_t> entries = std::vector<std::uint32_t>(1U << most_huffman_bits);
    HuffmanOrder order;
    HuffmanCodes codes;
    HuffmanLookup lookup;

    explicit HuffmanTables(Symbols const& symbols) {
        auto const lengths = huffman_lengths(counts_of(symbols));
        make_huffman_codes(lengths, code_words.data());
        codes = {code_words.data()};
        order = order_of(lengths);
        lookup = {entries.data(), make_huffman_lookup(lengths, symbols[0], entries.data()), &order};
    }
    HuffmanTables(HuffmanTables const&) = delete;
};

/// Likewise; with places, those of odd number have a table of their own, made for other symbols.
struct RansTables {
    std::vector<std::uint32_t> code_words = std::vector<std::uint32_t>(512);
    std::vector<float> reciprocals = std::vector<float>(512);
    std::vector<std::uint32_t> entries = std::vector<std::uint32_t>(2 * rans_slots);
    std::vector<std::uint32_t> places;
    RansCodes codes;
    RansLookup lookup;

    RansTables(Symbols const& symbols, std::uint32_t period, std::uint32_t first) {
        auto counts = counts_of(symbols);
        for (int table = 0; table < 2; ++table) {
            auto const frequencies = rans_frequencies(counts);
            make_rans_codes(frequencies, code_words.data() + 256 * table, reciprocals.data() + 256 * table);
            make_rans_lookup(frequencies, entries.data() + rans_slots * table);
            for (auto& count : counts) count = count > 0 ? 1 : 0;
        }
        TableWalk walk;
        if (period > 0) {
            for (std::uint32_t i = 0; i < period + 64; ++i) places.push_back(i % period % 2);
            walk = {places.data(), period, first};
        }
        codes = {code_words.data(), reciprocals.data(), walk};
        lookup = {entries.data(), walk};
    }
};

template <class Codes>
Coded coded_singly(Codes const& codes, Symbols const& symbols) {
    Coded scratch(state_scratch_bytes(symbols.size()));
    Coded coded(2 * symbols.size() + 256);
    coded.resize(
        encode_states_singly(codes, symbols.data(), symbols.size(), coded.data(), coded.size(), scratch.data()));
    return coded;
}

template <class Codes>
Coded coded_in_vectors(Codes const& codes, Symbols const& symbols) {
    Coded scratch(state_scratch_bytes(symbols.size()));
    Coded coded(2 * symbols.size() + 256);
    coded.resize(encode_states(codes, symbols.data(), symbols.size(), coded.data(), coded.size(), scratch.data()));
    return coded;
}

template <class Lookup>
bool decodes(Lookup const& lookup, Coded const& coded, Symbols const& expected) {
    Symbols symbols(expected.size());
    return decode_states(lookup, coded.data(), coded.size(), symbols.data(), symbols.size()) && symbols == expected;
}

template <class Codes, class Lookup>
void expect_same(Codes const& codes, Lookup const& lookup, Symbols const& symbols) {
    auto const expected = coded_singly(codes, symbols);
    ASSERT_FALSE(expected.empty());
    Symbols singly(symbols.size());
    EXPECT_TRUE(decode_states_singly(lookup, expected.data(), expected.size(), singly.data(), singly.size()));
    EXPECT_EQ(singly, symbols);
    for (auto const target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        EXPECT_EQ(coded_in_vectors(codes, symbols), expected) << hwy::TargetName(target);
        EXPECT_TRUE(decodes(lookup, expected, symbols)) << hwy::TargetName(target);
    }
    hwy::SetSupportedTargetsForTest(0);
}

std::vector<Symbols> all_symbols() {
    std::vector<Symbols> all;
    for (std::size_t const count : {1, 2, 63, 1000, 4095, 4096, 4097, 4159, 20000}) {
        all.push_back(some_symbols(count, 256, 0));
        all.push_back(some_symbols(count, 60, 0.5));
        all.push_back(some_symbols(count, 256, 0.98));
        all.push_back(some_symbols(count, 1, 0));
        all.push_back(some_symbols(count, 2, 0));
    }
    return all;
}

TEST(StateLanes, HuffmanIsTheSameOnEveryProcessor) {
    for (auto const& symbols : all_symbols()) {
        HuffmanTables const tables(symbols);
        expect_same(tables.codes, tables.lookup, symbols);
    }
}

TEST(StateLanes, TwoBlocksAtOnceAreDecodedAsEachByItself) {
    for (std::size_t const other : {20000, 19999, 4096, 100}) {
        auto const first = some_symbols(20000, 90, 0.3);
        auto second = first;
        std::ranges::reverse(second);
        second.resize(other);
        HuffmanTables const tables(first);
        auto const one = coded_singly(tables.codes, first);
        auto const two = coded_singly(tables.codes, second);
        for (auto const target : hwy::SupportedAndGeneratedTargets()) {
            hwy::SetSupportedTargetsForTest(target);
            Symbols to(first.size());
            Symbols other_to(second.size());
            auto const decoded = [&](Coded const& left, Coded const& right) {
                return decode_states(tables.lookup, {left.data(), left.size(), to.data(), to.size()},
                                     {right.data(), right.size(), other_to.data(), other_to.size()});
            };
            EXPECT_TRUE(decoded(one, two)) << hwy::TargetName(target);
            EXPECT_EQ(to, first);
            EXPECT_EQ(other_to, second);
            auto const cut = [](Coded coded) {
                coded.resize(coded.size() - 2);
                return coded;
            };
            EXPECT_FALSE(decoded(cut(one), two));
            EXPECT_FALSE(decoded(one, cut(two)));
        }
        hwy::SetSupportedTargetsForTest(0);
    }
}

TEST(StateLanes, RansIsTheSameOnEveryProcessor) {
    for (auto const& symbols : all_symbols()) {
        for (auto const& [period, first] : {std::pair{0U, 0U}, {1U, 0U}, {3U, 1U}, {64U, 5U}, {100U, 99U}}) {
            RansTables const tables(symbols, period, first);
            expect_same(tables.codes, tables.lookup, symbols);
        }
    }
}

TEST(StateLanes, DivisionIsExactAtItsEdges) {
    // Frequencies 1, 2, 3 and the rest: states near multiples of them, where rounding could take the wrong quotient.
    SymbolCounts counts{};
    for (std::size_t symbol = 0; symbol < 60; ++symbol) counts[symbol] = symbol + 1;
    counts[60] = 4096 - 61 * 60 / 2;
    Symbols symbols(1 << 18);
    std::mt19937 random(3);
    for (auto& symbol : symbols) symbol = static_cast<std::uint8_t>(random() % 61);
    RansTables tables(symbols, 0, 0);
    auto const frequencies = rans_frequencies(counts);
    for (std::size_t symbol = 0; symbol < 61; ++symbol) EXPECT_EQ(frequencies[symbol], counts[symbol]);
    make_rans_codes(frequencies, tables.code_words.data(), tables.reciprocals.data());
    make_rans_lookup(frequencies, tables.entries.data());
    expect_same(tables.codes, tables.lookup, symbols);
}

/// Truncated at every length, and each byte altered: refused, or something else is decoded; nothing is read beyond.
template <class Codes, class Lookup>
void expect_refusals(Codes const& codes, Lookup const& lookup, Symbols const& symbols) {
    auto const coded = coded_singly(codes, symbols);
    for (std::size_t bytes = 0; bytes < coded.size(); ++bytes) {
        EXPECT_FALSE(decodes(lookup, Coded(coded.begin(), coded.begin() + static_cast<std::ptrdiff_t>(bytes)), symbols))
            << bytes << " of " << coded.size();
    }
    for (std::size_t i = 0; i < coded.size(); ++i) {
        auto altered = coded;
        altered[i] ^= std::byte{0x10};
        EXPECT_FALSE(decodes(lookup, altered, symbols)) << "byte " << i;
    }
    std::mt19937 random(5);
    for (int round = 0; round < 50; ++round) {
        auto noise = coded;
        for (auto& byte : noise) byte = static_cast<std::byte>(random());
        EXPECT_FALSE(decodes(lookup, noise, symbols));
    }
}

TEST(StateLanes, BrokenBlocksAreRefused) {
    for (std::size_t const count : {40, 4200}) {
        auto const symbols = some_symbols(count, 60, 0.8);
        HuffmanTables const huffman(symbols);
        expect_refusals(huffman.codes, huffman.lookup, symbols);
        RansTables const rans(symbols, 0, 0);
        expect_refusals(rans.codes, rans.lookup, symbols);
    }
}

TEST(StateLanes, BlocksThatDoNotFitAreToldSo) {
    auto const symbols = some_symbols(5000, 200, 0.2);
    HuffmanTables const tables(symbols);
    auto const bytes = coded_singly(tables.codes, symbols).size();
    Coded scratch(state_scratch_bytes(symbols.size()));
    Coded coded(bytes);
    EXPECT_EQ(encode_states(tables.codes, symbols.data(), symbols.size(), coded.data(), bytes, scratch.data()), bytes);
    EXPECT_EQ(encode_states(tables.codes, symbols.data(), symbols.size(), coded.data(), bytes - 1, scratch.data()), 0);
}

}  // namespace
}  // namespace kvstone
