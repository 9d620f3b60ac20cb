// Entropies from counts: by hand, against closed forms on N(0,1), and as the workload stores them.

#include "harness/quality/entropy.hpp"

#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include <gmock/gmock.h>

#include "codecs/container/tensor_codec.hpp"
#include "harness/captures/load_tensors.hpp"
#include "harness/sources/elements.hpp"
#include "harness/workloads/entropy/entropy.hpp"
#include "harness/workloads/entropy/plane_entropy.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using Counts = std::vector<std::uint64_t>;
using ::testing::ElementsAre;

double corrected(double bits, int occurring) { return bits + (occurring - 1) / (2 * std::numbers::ln2); }

TEST(Entropy, OfCountsByHand) {
    EXPECT_DOUBLE_EQ(entropy_bits(Counts{1, 0, 1, 2}), 6);  // words of 2, 2 and 1 bits
    EXPECT_DOUBLE_EQ(corrected_entropy_bits(Counts{1, 0, 1, 2}), corrected(6, 3));
    EXPECT_EQ(huffman_bits(Counts{1, 0, 1, 2}), 6U);
    EXPECT_DOUBLE_EQ(entropy_bits(Counts{1, 1, 1}), 3 * std::log2(3));
    EXPECT_EQ(huffman_bits(Counts{1, 1, 1}), 5U);
    EXPECT_EQ(huffman_bits(Counts{1, 1, 2, 3, 5, 8}), 1U * 5 + 1 * 5 + 2 * 4 + 3 * 3 + 5 * 2 + 8 * 1);  // unequal words
    for (auto const& counts : {Counts{}, Counts{0, 0}, Counts{0, 9}}) {
        EXPECT_EQ(entropy_bits(counts), 0);
        EXPECT_EQ(corrected_entropy_bits(counts), 0);
        EXPECT_EQ(huffman_bits(counts), 0U);
    }
}

/// Probability of each 16-bit word where N(0,1) is rounded to the nearest number of a format.
std::vector<double> word_probabilities(ElementType type) {
    auto const value = [&](std::uint32_t bits) {
        std::uint16_t const word = static_cast<std::uint16_t>(bits);
        return static_cast<double>(element_value(type, reinterpret_cast<std::byte const*>(&word), 0));
    };
    // Half of the share above x: erfc keeps the tail's digits, erf those around 0.
    auto const between = [](double low, double high) {
        auto const a = low / std::numbers::sqrt2;
        auto const b = high / std::numbers::sqrt2;
        return (a < 0.5 ? std::erf(b) - std::erf(a) : std::erfc(a) - std::erfc(b)) / 2;
    };
    std::vector<double> probabilities(65536);
    double low = 0;
    for (std::uint32_t bits = 0; bits < exponent_mask(type); ++bits) {
        auto const next = bits + 1 < exponent_mask(type) ? value(bits + 1) : value(bits);
        auto const high = (value(bits) + next) / 2;
        probabilities[bits] = probabilities[bits | 0x8000U] = between(low, high);
        low = high;
    }
    return probabilities;
}

/// Probabilities of the values of `part` of a word.
template <class Part>
std::vector<double> of_part(std::vector<double> const& words, Part const& part) {
    std::vector<double> probabilities(words.size());
    for (std::size_t word = 0; word < words.size(); ++word) probabilities[part(word)] += words[word];
    return probabilities;
}

/// Counts of so many symbols that nothing is lost of six decimals.
Counts many(std::vector<double> const& probabilities) {
    Counts counts;
    for (auto const p : probabilities) counts.push_back(static_cast<std::uint64_t>(std::ldexp(p, 60)));
    return counts;
}
double symbols(Counts const& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
}
double entropy_of(std::vector<double> const& probabilities) {
    auto const counts = many(probabilities);
    return entropy_bits(counts) / symbols(counts);
}
double huffman_of(std::vector<double> const& probabilities) {
    auto const counts = many(probabilities);
    return static_cast<double>(huffman_bits(counts)) / symbols(counts);
}

std::size_t high_byte(std::size_t word) { return word >> 8; }
std::size_t low_byte(std::size_t word) { return word & 255; }
std::size_t high_6_bits(std::size_t word) { return word >> 10; }
std::size_t exponent_of_fp16(std::size_t word) { return word >> 10 & 31; }
std::size_t exponent_of_bf16(std::size_t word) { return word >> 7 & 255; }

TEST(Entropy, OfNormalValuesIsWhatIntegrationGives) {
    constexpr double accepted = 6e-7;  // six decimals
    auto const fp16 = word_probabilities(ElementType::f16);
    EXPECT_NEAR(entropy_of(fp16), 13.463723, accepted);
    EXPECT_NEAR(entropy_of(of_part(fp16, high_byte)), 5.469823, accepted);
    EXPECT_NEAR(entropy_of(of_part(fp16, low_byte)), 7.998073, accepted);
    EXPECT_NEAR(entropy_of(of_part(fp16, high_6_bits)), 3.544816, accepted);
    EXPECT_NEAR(entropy_of(of_part(fp16, exponent_of_fp16)), 2.544816, accepted);
    EXPECT_NEAR(huffman_of(of_part(fp16, high_byte)), 5.508810, accepted);
    EXPECT_NEAR(huffman_of(of_part(fp16, high_6_bits)), 3.580995, accepted);
    auto const bf16 = word_probabilities(ElementType::bf16);
    EXPECT_NEAR(entropy_of(bf16), 10.464425, accepted);
    EXPECT_NEAR(entropy_of(of_part(bf16, exponent_of_bf16)), 2.544943, accepted);
    EXPECT_NEAR(huffman_of(of_part(bf16, exponent_of_bf16)), 2.583825, accepted);
}

std::optional<double> at(EntropyBits const& bits, EntropyOf what) { return bits[static_cast<std::size_t>(what)]; }

template <class T>
PlaneEntropy measured(std::vector<T> const& elements, std::uint64_t row, std::uint64_t tokens, std::uint64_t heads,
                      NumberFormat numbers = NumberFormat::none) {
    PlaneSpec spec;
    spec.bytes = elements.size() * sizeof(T);
    spec.element_bytes = sizeof(T);
    spec.row_elements = row;
    spec.head_rows = tokens;
    spec.layer_heads = heads;
    spec.numbers = numbers;
    return measure_plane(spec, {reinterpret_cast<std::byte const*>(elements.data()), spec.bytes});
}

TEST(PlaneEntropies, TellWhatChannelsAndThePastKnow) {
    // One head of four tokens; channel 0 is always 7, channel 1 goes 1, 2, 1, 2.
    auto const plane = measured(std::vector<std::uint8_t>{7, 1, 7, 2, 7, 1, 7, 2}, 2, 4, 1);
    EXPECT_EQ(at(plane.bits, EntropyOf::word), 12);  // 4 x 1 bit, 4 x 2 bits
    EXPECT_EQ(at(plane.bits, EntropyOf::high_byte), 12);
    EXPECT_EQ(at(plane.bits, EntropyOf::high_byte_huffman), 12);
    EXPECT_EQ(plane.bound_bits, 12);
    EXPECT_DOUBLE_EQ(*at(plane.bits, EntropyOf::high_byte_by_channel), corrected(4, 2));
    // 7 7, 1 2 and 2 1: three pairs of three bytes that tell all.
    EXPECT_NEAR(*at(plane.bits, EntropyOf::high_byte_by_past), 0, 1e-12);
    for (auto const what : {EntropyOf::low_byte, EntropyOf::high_6_bits, EntropyOf::exponent})
        EXPECT_FALSE(at(plane.bits, what));
    ASSERT_EQ(plane.layers.size(), 1U);
    EXPECT_EQ(plane.layers[0], plane.bits);
}

TEST(PlaneEntropies, ThePastIsThatOfTheSameHead) {
    // Two heads of three tokens: 1 1 2 and 3 4 4. Pairs 1 1, 1 2, 3 4, 4 4: of 1 one bit each.
    auto const plane = measured(std::vector<std::uint8_t>{1, 1, 2, 3, 4, 4}, 1, 3, 2);
    auto const joint = corrected(4 * 2, 4);
    auto const past = corrected(2 * 1 + 2 * 2, 3);
    EXPECT_DOUBLE_EQ(*at(plane.bits, EntropyOf::high_byte_by_past), (joint - past) * 6 / 4);
}

TEST(PlaneEntropies, LayersHaveTablesOfTheirOwn) {
    // Two layers of one head and two tokens: 5 5 and 6 6.
    auto const plane = measured(std::vector<std::uint8_t>{5, 5, 6, 6}, 1, 2, 1);
    EXPECT_EQ(at(plane.bits, EntropyOf::word), 4);
    ASSERT_EQ(plane.layers.size(), 2U);
    for (auto const& layer : plane.layers) EXPECT_EQ(at(layer, EntropyOf::word), 0);
    // Rows that are not known to lie one after the other.
    auto const unknown = measured(std::vector<std::uint8_t>{5, 5, 6, 6}, 0, 0, 0);
    EXPECT_EQ(at(unknown.bits, EntropyOf::word), 4);
    EXPECT_FALSE(at(unknown.bits, EntropyOf::high_byte_by_channel));
    EXPECT_FALSE(at(unknown.bits, EntropyOf::high_byte_by_past));
    EXPECT_TRUE(unknown.layers.empty());
}

TEST(PlaneEntropies, TakeNumbersApart) {
    // -1 and 1.5 of fp16: signs and mantissas differ, exponents do not.
    auto const fp16 = measured(std::vector<std::uint16_t>{0xbc00, 0x3e00, 0xbc01, 0x3e00}, 1, 4, 1, NumberFormat::fp16);
    EXPECT_EQ(at(fp16.bits, EntropyOf::word), 6);
    EXPECT_EQ(at(fp16.bits, EntropyOf::high_byte), 4);
    EXPECT_DOUBLE_EQ(*at(fp16.bits, EntropyOf::low_byte), entropy_bits(Counts{3, 1}));
    EXPECT_EQ(at(fp16.bits, EntropyOf::high_6_bits), 4);
    EXPECT_EQ(at(fp16.bits, EntropyOf::exponent), 0);
    // bf16 1 and 2: exponents 127 and 128.
    auto const bf16 = measured(std::vector<std::uint16_t>{0x3f80, 0x4000}, 1, 2, 1, NumberFormat::bf16);
    EXPECT_EQ(at(bf16.bits, EntropyOf::exponent), 2);
    EXPECT_FALSE(at(bf16.bits, EntropyOf::high_6_bits));
    // Words of 4 bytes: of the four byte planes two vary together, each by one bit.
    auto const fp32 = measured(std::vector<std::uint32_t>{0x3f800000, 0x3f8000aa, 0x40000000, 0x400000aa}, 1, 4, 1,
                               NumberFormat::fp32);
    EXPECT_FALSE(at(fp32.bits, EntropyOf::word));
    EXPECT_EQ(at(fp32.bits, EntropyOf::high_byte), 4);
    EXPECT_EQ(at(fp32.bits, EntropyOf::exponent), 4);
    EXPECT_EQ(fp32.bound_bits, 4 + 4 + 0 + 4);
    auto const e4m3 = measured(std::vector<std::uint8_t>{0x38, 0xb9, 0x40, 0x3f}, 1, 4, 1, NumberFormat::fp8_e4m3);
    EXPECT_DOUBLE_EQ(*at(e4m3.bits, EntropyOf::exponent), entropy_bits(Counts{3, 1}));
    auto const e5m2 = measured(std::vector<std::uint8_t>{0x3c, 0xbd, 0x40, 0x3f}, 1, 4, 1, NumberFormat::fp8_e5m2);
    EXPECT_DOUBLE_EQ(*at(e5m2.bits, EntropyOf::exponent), entropy_bits(Counts{3, 1}));
}

class EntropyWorkload : public AttemptTest {
  protected:
    Measurement measure(std::string const& codec, Json source, std::uint64_t context, int threads = 1) {
        AttemptRequest request;
        request.cell.workload = "entropy";
        request.cell.source = std::move(source);
        request.cell.source["kind"] = "synthetic";
        request.cell.locator = Json::object();
        request.cell.context = context;
        request.cell.codec = codec;
        request.cell.backend = "openmp";
        request.cell.threads = threads;
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        auto const m = run(request);
        EXPECT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        return m;
    }
    static bool has(Measurement const& m, std::string const& metric) {
        return std::ranges::any_of(m.figures, [&](Figure const& one) { return one.metric == metric; });
    }
    static double of(Measurement const& m, std::string const& component, std::string const& metric) {
        for (auto const& figure : m.figures)
            if (figure.component == component && figure.metric == metric) return *figure.value;
        ADD_FAILURE() << component << " " << metric << m.reason;
        return std::nan("");
    }
};

Json normal_source() {
    return {{"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"seed", 5}, {"distribution", "normal"}};
}

/// How far an entropy from n counts of N(0,1)'s symbols may be from their own: above by chance alone, below by the bias,
/// too, which is at most log2(1 + (m - 1) / n) for m symbols (Paninski 2003). Symbols rarer than 2^-40 do not occur.
struct Allowed {
    double below;
    double above;
};
Allowed allowed(std::vector<double> const& probabilities, double n) {
    double const entropy = entropy_of(probabilities);
    double variance = 0;
    double occurring = 0;
    for (auto const p : probabilities) {
        if (p < 0x1p-40) continue;
        variance += p * std::pow(-std::log2(p) - entropy, 2);
        occurring += 1;
    }
    double const chance = 6 * std::sqrt(variance / n);
    return {std::log2(1 + (occurring - 1) / n) + chance, chance};
}

TEST_F(EntropyWorkload, FindsTheClosedFormsOfNormalValues) {
    constexpr std::uint64_t tokens = 4096;
    constexpr double values = 2.0 * 2 * 2 * tokens * 64;  // K and V
    auto const check = [&](Measurement const& m, char const* metric, std::vector<double> const& probabilities) {
        // One table for K and one for V.
        auto const tolerance = allowed(probabilities, values / 2);
        EXPECT_LT(value(m, metric), entropy_of(probabilities) + tolerance.above) << metric;
        EXPECT_GT(value(m, metric), entropy_of(probabilities) - tolerance.below) << metric;
    };
    auto const words = word_probabilities(ElementType::f16);
    auto const m = measure("fp16 | zstd", normal_source(), tokens);
    check(m, "entropy_word_bits", words);
    check(m, "entropy_high_byte_bits", of_part(words, high_byte));
    check(m, "entropy_low_byte_bits", of_part(words, low_byte));
    check(m, "entropy_high6_bits", of_part(words, high_6_bits));
    check(m, "entropy_exponent_bits", of_part(words, exponent_of_fp16));
    EXPECT_NEAR(value(m, "huffman_best_high_byte_bits"), 5.508810,
                allowed(of_part(words, high_byte), values / 2).below);
    EXPECT_DOUBLE_EQ(value(m, "entropy_ratio_bound_vs_fp16"), 16 / value(m, "entropy_word_bits"));
    EXPECT_EQ(value(m, "duplicate_rows"), 0);
    // A table has `tokens` symbols, corrected by at most (m - 1) / (2 n ln 2), m the 144 bytes of 2^-14 to 8 and below.
    auto const by_channel = allowed(of_part(words, high_byte), tokens);
    EXPECT_EQ(figure(m, "entropy_per_channel_bits").n, tokens);
    EXPECT_NEAR(value(m, "entropy_per_channel_bits"), 5.469823, by_channel.below);
    EXPECT_LT(value(m, "entropy_per_channel_bits"), 5.469823 + 144 / (2 * std::numbers::ln2 * tokens));
    // 144^2 pairs. Independent values: the past tells nothing.
    EXPECT_NEAR(value(m, "entropy_given_previous_token_bits"), 5.469823,
                std::log2(1 + 144.0 * 144 / (values / 2)) + by_channel.above / 8);

    auto const bf16_words = word_probabilities(ElementType::bf16);
    auto const bf16 = measure("bf16", normal_source(), tokens);
    check(bf16, "entropy_word_bits", bf16_words);
    check(bf16, "entropy_exponent_bits", of_part(bf16_words, exponent_of_bf16));
    EXPECT_FALSE(has(bf16, "entropy_high6_bits"));
}

TEST_F(EntropyWorkload, SeesChannelsTimeAndBothTensors) {
    // The imitation of a trained cache: channels with means of their own, K correlated over tokens.
    Json const source{{"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"seed", 5}, {"format", 2}, {"rope_base", 0}};
    auto const m = measure("fp16", source, 2048);
    EXPECT_LT(of(m, "k", "entropy_per_channel_bits"), of(m, "k", "entropy_high_byte_bits") - 0.1);
    EXPECT_LT(of(m, "k", "entropy_given_previous_token_bits"), of(m, "k", "entropy_per_channel_bits") - 0.1);
    for (auto const* metric : {"entropy_word_bits", "entropy_per_channel_bits", "huffman_best_high_byte_bits"})
        EXPECT_DOUBLE_EQ(value(m, metric), (of(m, "k", metric) + of(m, "v", metric)) / 2);
    EXPECT_EQ(std::ranges::count(m.profiles, "entropy_word_bits", &ProfileFigure::metric), 2 * 2);
    // Entropy stages change nothing, nor does the number of threads.
    for (auto const& other : {measure("fp16 | zstd", source, 2048), measure("fp16", source, 2048, 2)}) {
        ASSERT_EQ(m.figures.size(), other.figures.size());
        for (std::size_t i = 0; i < m.figures.size(); ++i) {
            if (m.figures[i].metric == "peak_rss_bytes") continue;
            EXPECT_EQ(m.figures[i].value, other.figures[i].value) << m.figures[i].metric;
        }
    }
}

TEST(CodedValues, AreTheCodecWithoutItsEntropyStages) {
    for (auto const* codec :
         {"fp16", "fp16 | zstd", "fp16 | gear:planes=hi6lo10 | huffman", "fp16 | gear | delta | zstd"})
        EXPECT_EQ(coded_values(codec), "fp16") << codec;
    EXPECT_EQ(coded_values("hadamard | int:bits=4,axis=token | zstd"), "hadamard | int:bits=4,axis=token");
    EXPECT_EQ(coded_values("layers(0-1){fp16 | gear | zstd} rest{int:bits=10 | zstd}"),
              coded_values("layers(0-1){fp16} rest{int:bits=10}"));
    // Payload counts as it is where its own rule has no coder and another has one.
    EXPECT_EQ(coded_values("layers(0-1){fp16 | gear | zstd} rest{int:bits=10}"),
              "layers(0-1){fp16} rest{int:bits=10} coded: 0");
    EXPECT_EQ(coded_values("layers(0-1){fp16} rest{int:bits=10 | zstd}"),
              "layers(0-1){fp16} rest{int:bits=10} coded: 1");
    EXPECT_EQ(coded_values("of another build"), "of another build");
}

/// Figures of K and V but for memory.
std::vector<std::optional<double>> figures_of(Measurement const& m) {
    std::vector<std::optional<double>> values;
    for (auto const& figure : m.figures)
        if (figure.metric != "peak_rss_bytes") values.push_back(figure.value);
    return values;
}

TEST_F(EntropyWorkload, FindsTheSameWhereCodedValuesAre) {
    std::string const blocks = "int:bits=4,axis=channel,group=32";
    std::vector<std::string> const codecs{
        "fp16", "fp16 | gear:planes=hi6lo10 | huffman", "layers(0){fp16} rest{int:bits=10}",
        "layers(0){fp16 | zstd} rest{int:bits=10 | zstd}", "layers(0){fp16 | gear | zstd} rest{int:bits=10}",
        "layers(0){fp16 | zstd} rest{int:bits=10}",
        // Groups of 32 tokens begin the window at another token.
        "window(16){fp16} rest{" + blocks + "}", "window(16){fp16 | zstd} rest{" + blocks + " | zstd}",
        "window(16){fp16 | zstd} rest{" + blocks + " | lz4}"};
    std::vector<std::vector<std::optional<double>>> figures;
    for (auto const& codec : codecs) figures.push_back(figures_of(measure(codec, normal_source(), 500)));
    for (std::size_t i = 0; i < codecs.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            EXPECT_EQ(figures[i] == figures[j], coded_values(codecs[i]) == coded_values(codecs[j]))
                << codecs[i] << " and " << codecs[j];
}

TEST_F(EntropyWorkload, BoundsCountSideDataAndPayloadThatNobodyCodes) {
    std::string const int4 = "int:bits=4,axis=token,group=32";
    auto const m = measure(int4 + " | zstd", normal_source(), 512);
    auto const tensors = load_tensors({{"kind", "synthetic"},
                                       {"layers", 2},
                                       {"kv_heads", 2},
                                       {"head_dim", 64},
                                       {"seed", 5},
                                       {"distribution", "normal"}},
                                      {}, 512, {});
    TensorCodec codec(Codec::parse(int4), Component::k, tensors.k->shape, tensors.k->type, BackendKind::openmp);
    auto const ledger = codec.planned().ledger;
    auto const values = static_cast<double>(tensors.k->shape.values());
    auto const side = static_cast<double>(ledger.stored_bytes() - ledger[LedgerLine::payload] -
                                          ledger[LedgerLine::headers] - ledger[LedgerLine::padding]);
    ASSERT_GT(side, 0);
    EXPECT_DOUBLE_EQ(of(m, "k", "entropy_ratio_bound_vs_fp16"),
                     16 / (of(m, "k", "entropy_word_bits") + 8 * side / values));
    EXPECT_FALSE(has(m, "entropy_low_byte_bits"));
    EXPECT_FALSE(has(m, "entropy_exponent_bits"));

    // Half of the values raw, as they are: 32 bits.
    auto const half = measure("layers(0){raw} rest{fp16 | zstd}", normal_source(), 512);
    auto const all = measure("layers(0){fp16} rest{fp16}", normal_source(), 512);
    double word_of_layer_1 = 0;
    for (auto const& profile : all.profiles)
        if (profile.component == "k" && profile.metric == "entropy_word_bits" && profile.layer == 1)
            word_of_layer_1 = profile.value;
    EXPECT_DOUBLE_EQ(of(half, "k", "entropy_ratio_bound_vs_fp16"), 16 / ((32 + word_of_layer_1) / 2));
    EXPECT_FALSE(has(half, "entropy_word_bits"));  // raw has elements of 4 bytes
    EXPECT_TRUE(has(half, "entropy_high_byte_bits"));
}

}  // namespace
}  // namespace kvstone
