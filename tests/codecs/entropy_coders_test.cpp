// The output of entropy coders for values of N(0,1), against the entropy of the symbols and closed forms; and that
// nothing grows.

#include <cmath>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/kernels/huffman_code.hpp"
#include "codecs/kernels/rans_table.hpp"
#include "codecs/kernels/symbol_counts.hpp"
#include "codecs/not_applicable.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

constexpr KvShape shape{1, 4, 1024, 128};
auto const symbols = static_cast<double>(shape.values());

TestTensor const& normal_tensor() {
    static TestTensor const tensor(shape, ElementType::f32, normal_values(shape.values()));
    return tensor;
}

/// How often the payload that `text` stores has each byte.
SymbolCounts payload_counts(std::string const& text) {
    auto const container = encoded(text, normal_tensor()).seal();
    auto const plane = read_container(container).planes.at(0);
    SymbolCounts counts{};
    count_symbols(reinterpret_cast<std::uint8_t const*>(plane.data), plane.bytes, counts.data());
    return counts;
}

double entropy_of(SymbolCounts const& counts) {
    double bits = 0;
    for (auto const count : counts) {
        auto const share = static_cast<double>(count) / symbols;
        if (count > 0) bits -= share * std::log2(share);
    }
    return bits;
}

/// Of the best code of at most 12 bits (code_tables_test.cpp).
double huffman_bits(SymbolCounts const& counts) {
    auto const lengths = huffman_lengths(counts);
    double bits = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) bits += static_cast<double>(counts[symbol]) * lengths[symbol];
    return bits / symbols;
}

double bits_of(ByteLedger const& ledger, std::initializer_list<LedgerLine> lines) {
    double bytes = 0;
    for (auto const line : lines) bytes += static_cast<double>(ledger[line]);
    return 8 * bytes / symbols;
}

/// Of rANS with frequencies of 12 bits.
double rans_cost_bits(SymbolCounts const& counts) {
    auto const frequencies = rans_frequencies(counts);
    double bits = 0;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) {
        if (counts[symbol] > 0) bits += static_cast<double>(counts[symbol]) * (12 - std::log2(frequencies[symbol]));
    }
    return bits / symbols;
}

struct Bound {
    std::string coder;
    double above;  ///< bits a symbol beyond the theory of its code; tables and headers included
};
void PrintTo(Bound const& bound, std::ostream* out) { *out << bound.coder; }

class EntropyBounds : public testing::TestWithParam<Bound> {};
// 64 states take 256 bytes of 262144 symbols (.008 bit), of a head's 131072 (.016) or of 8192 (.25); a table up to 200 of 524288,
// or of 131072 (.003, .012), the container's header as much. Adaptive coders learn: studies allow them .13.
INSTANTIATE_TEST_SUITE_P(Coders, EntropyBounds,
                         testing::Values(Bound{"huffman", .02}, Bound{"huffman:tables=head", .04},
                                         Bound{"huffman:block=8192", .27}, Bound{"rans", .02},
                                         Bound{"rans:tables=head", .04}, Bound{"rans:context=channel", .02},
                                         Bound{"arithmetic", .13}, Bound{"cabac", .13}));

TEST_P(EntropyBounds, HoldForEightBitCodes) {
    auto const& [coder, above] = GetParam();
    for (std::string const quantiser : {"int8", "fp8:format=e4m3", "fp8:format=e5m2"}) {
        auto const counts = payload_counts(quantiser);
        auto const entropy = entropy_of(counts);
        auto const theory = coder.starts_with("huffman") ? huffman_bits(counts)
                            : coder.starts_with("rans")  ? rans_cost_bits(counts)
                                                         : entropy;
        auto const text = quantiser + " | " + coder;
        auto const codec = encoded(text, normal_tensor());
        auto const ledger = codec.ledger();
        // Tables of a head may fit its values by chance: 255 of 131072 x 2 ln 2.
        EXPECT_GE(bits_of(ledger, {LedgerLine::payload}), entropy - 255 / (131072 * 2 * std::log(2))) << text;
        EXPECT_LE(bits_of(ledger, {LedgerLine::payload, LedgerLine::codebooks, LedgerLine::headers}), theory + above)
            << text;
        EXPECT_EQ(decoded(codec, shape, ElementType::f32).values(),
                  decoded(encoded(quantiser, normal_tensor()), shape, ElementType::f32).values());
    }
}

TEST(EntropyCoders, AreNearTheEntropyOfFp8) {
    // The best Huffman code of 12 bits of the 148 numbers of E4M3 that so many values become lies .042 above the entropy, and the
    // states take .008. Those of E5M2 have the probabilities of fp16's high bytes: .050 and .008.
    auto const bits = [](std::string const& text) {
        return bits_of(encoded(text, normal_tensor()).ledger(), {LedgerLine::payload, LedgerLine::codebooks});
    };
    EXPECT_LE(bits("fp8:format=e4m3 | huffman"), entropy_of(payload_counts("fp8:format=e4m3")) + .06);
    EXPECT_LE(bits("fp8:format=e4m3 | rans"), entropy_of(payload_counts("fp8:format=e4m3")) + .03);
    EXPECT_LE(bits("fp8:format=e5m2 | rans"), entropy_of(payload_counts("fp8:format=e5m2")) + .03);
}

/// P(|x| >= end).
double beyond(double end) { return std::erfc(end / std::sqrt(2.0)); }

TEST(Exponent, ClosedFormsOfNormalValues) {
    // Seven exponents, of 1/32 to 4, have codes; fifteen reach from 2^-13 to 4.
    auto const without_seven = 1 - (beyond(1.0 / 32) - beyond(4));
    auto const without_fifteen = 1 - (beyond(std::exp2(-13)) - beyond(4));
    // The escapes' share p varies by sqrt(p (1 - p) / 2^19) < .0003; eight bits each, and five times that.
    constexpr double tolerance = 0.011;
    struct Form {
        std::string codec;
        double bits;
    };
    for (
        auto const& [codec, bits] :
        {Form{"bf16 | exponent:code=fixed3", 11 + 8 * without_seven},
         Form{"fp16 | exponent:code=fixed3", 14 + 5 * without_seven},
         Form{"bf16 | exponent:code=fixed4", 12 + 8 * without_fifteen},
         // The best code of 12 bits with the exact probabilities of the 22 exponents that so many values have; the states'
         // 256 bytes of 262144 symbols. Lengths vary by less than 1.6: 1.6 / 724 x 5 = .011.
         Form{"bf16 | exponent:code=huffman", 8 + 2.5855 + 256.0 * 8 / 262144},
         Form{"bf16 | exponent:code=rans", 8 + 2.544943 + 256.0 * 8 / 262144},
         Form{"fp16 | exponent:code=rans", 11 + 2.544816 + 256.0 * 8 / 262144}}) {
        auto const ledger = encoded(codec, normal_tensor()).ledger();
        EXPECT_NEAR(bits_of(ledger, {LedgerLine::payload}), bits, tolerance) << codec;
    }
}

TEST(Exponent, CodesNumbersAlone) {
    EXPECT_THROW(encoded("int8 | exponent:code=huffman", normal_tensor()), NotApplicable);
    EXPECT_THROW(encoded("raw | exponent:code=fixed3", normal_tensor()), NotApplicable) << "fp32";
    EXPECT_THROW(Codec::parse("bf16 | exponent"), ConfigError);
}

TEST(EntropyCoders, NothingGrowsBeyondItsHeaders) {
    std::mt19937 random(11);
    std::vector<float> values(shape.values());
    for (auto& value : values) {
        auto const bits = static_cast<std::uint16_t>(random() & 0xbfffU);  // finite, any sign, half of the exponents
        Float16 half{};
        std::memcpy(&half, &bits, sizeof(half));
        value = to_float(half);
    }
    TestTensor const noise(shape, ElementType::f32, values);
    for (auto const* quantiser : {"fp16", "bf16", "fp8:format=e4m3", "fp8:format=e5m2"}) {
        auto const plain = encoded(quantiser, noise).ledger()[LedgerLine::payload];
        for (auto const* coder : {"huffman", "huffman:tables=block,block=1024", "rans", "rans:context=channel",
                                  "arithmetic", "cabac", "exponent:code=huffman", "exponent:code=rans,tables=head",
                                  "exponent:code=fixed4", "exponent:code=fixed3,tables=block,block=1024"}) {
            auto const ledger = encoded(fmt::format("{} | {}", quantiser, coder), noise).ledger();
            EXPECT_LE(ledger[LedgerLine::payload] + ledger[LedgerLine::codebooks], plain) << quantiser << ' ' << coder;
            auto const blocks = 2 * shape.values() / 1024 + 4;
            EXPECT_LE(ledger[LedgerLine::headers], 8 + 4 * blocks + 1024);
        }
    }
}

TEST(EntropyCoders, TablesByChannelAreWorthTheirBytes) {
    // Every other channel eight times as large: one table mixes both, at up to a bit a value of mutual information.
    auto values = normal_values(shape.values());
    for (std::size_t i = 0; i < values.size(); i += 2) values[i] *= 8;
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const one = encoded("fp8:format=e5m2 | rans", tensor).ledger().stored_bytes();
    auto const many = encoded("fp8:format=e5m2 | rans:context=channel", tensor).ledger().stored_bytes();
    EXPECT_LT(many, one);
    // Each half is N(0,1) but for a power of two, which changes exponents alone: its own size, and 256 bytes.
    auto const alone = encoded("fp8:format=e5m2 | rans", normal_tensor()).ledger().stored_bytes();
    EXPECT_NEAR(static_cast<double>(many), static_cast<double>(alone), 0.005 * static_cast<double>(alone));
}

TEST(EntropyCoders, RowsThatAreAlikeHelp) {
    // x[t] = .95 x[t-1] + ...: a channel stays where it is for some twenty tokens.
    auto values = normal_values(shape.values());
    for (std::size_t i = shape.dim; i < values.size(); ++i) {
        if (i % (shape.tokens * shape.dim) < shape.dim) continue;
        values[i] = 0.95F * values[i - shape.dim] + std::sqrt(1 - 0.95F * 0.95F) * values[i];
    }
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const none = bits_of(encoded("fp8:format=e4m3 | cabac", tensor).ledger(), {LedgerLine::payload});
    auto const row = bits_of(encoded("fp8:format=e4m3 | cabac:context=row", tensor).ledger(), {LedgerLine::payload});
    // The sign alone tells half a bit: it stays with probability 1/2 + asin(.95) / pi = .899, H(.899) = .47.
    EXPECT_LT(row, none - 0.4);
    // Independent tokens tell nothing, and eight trees more have to learn: their slower estimates settle within some 128 bits,
    // at less than .13 bit each, 17 bits a context.
    auto const independent =
        bits_of(encoded("fp8:format=e4m3 | cabac", normal_tensor()).ledger(), {LedgerLine::payload});
    auto const useless =
        bits_of(encoded("fp8:format=e4m3 | cabac:context=row", normal_tensor()).ledger(), {LedgerLine::payload});
    EXPECT_LT(useless, independent + 8 * 255 * 17.0 / 262144);
}

}  // namespace
}  // namespace kvstone
