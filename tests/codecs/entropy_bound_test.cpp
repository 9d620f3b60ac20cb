// No lossless coder beats the source: the stored size of independent fp16 values of N(0,1) by each entropy stage of the
// program.
//
// A code that can be read back takes L bits for values of probability p with L >= -log2 p - t but for a chance of 2^-t
// (Barron 1985): that holds for coders of any order, with or without matches, so a ratio beyond is a wrong bill.

#include <cmath>
#include <map>
#include <numbers>
#include <random>

#include <gmock/gmock.h>

#include "backends/kernels/floats.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

constexpr KvShape shape{1, 4, 1024, 64};
constexpr double unlikely_bits = 64;
constexpr double entropy_bits_per_value = 13.463723;  // of fp16 on N(0,1), by integration

/// N(0,1) by Box and Muller in double.
std::vector<float> normal_values() {
    std::mt19937_64 random(11);
    auto const uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
    std::vector<float> values(shape.values());
    for (std::size_t i = 0; i < values.size(); i += 2) {
        double const radius = std::sqrt(-2 * std::log(uniform()));
        double const angle = 2 * std::numbers::pi * uniform();
        values[i] = to_float(from_float<Float16>(static_cast<float>(radius * std::cos(angle))));
        values[i + 1] = to_float(from_float<Float16>(static_cast<float>(radius * std::sin(angle))));
    }
    return values;
}

/// -log2 of the chance that N(0,1) is rounded to this number of fp16.
double information_bits(double value) {
    double const size = std::abs(value);
    // Numbers of fp16 lie 2^(exponent - 10) apart, from 2^-14 down 2^-24; below a power of two half as much.
    auto const spacing = [](double x) { return std::max(std::ldexp(1.0, std::ilogb(x) - 10), 0x1p-24); };
    double const above = size == 0 ? 0x1p-24 : spacing(size);
    double const below = size == 0 ? 0 : spacing(std::nextafter(size, 0));
    auto const half_beyond = [](double x) { return std::erfc(x / std::numbers::sqrt2) / 2; };
    return -std::log2(half_beyond(size - below / 2) - half_beyond(size + above / 2));
}

/// The entropy stages of an example behind fp16; empty where it has none.
std::string behind_fp16(std::string const& example) {
    std::string text;
    for (std::size_t begin = 0; begin < example.size();) {
        auto const end = std::min(example.find(" | ", begin), example.size());
        auto const stage = example.substr(begin, end - begin);
        auto const found = stage_registry().find(stage.substr(0, stage.find(':')));
        if (found != stage_registry().end() && found->second.kind == StageKind::entropy) text += " | " + stage;
        begin = end + 3;
    }
    return text.empty() ? text : "fp16" + text;
}

TEST(EntropyBound, NoEntropyStageStoresLessThanItsInputHolds) {
    auto const values = normal_values();
    double information = 0;
    double squares = 0;
    for (auto const value : values) {
        auto const bits = information_bits(static_cast<double>(value));
        information += bits;
        squares += bits * bits;
    }
    // The values have the expected entropy: within six standard errors of N(0,1)'s entropy.
    auto const count = static_cast<double>(values.size());
    auto const deviation = std::sqrt(squares / count - std::pow(information / count, 2));
    EXPECT_NEAR(information / count, entropy_bits_per_value, 6 * deviation / std::sqrt(count));

    TestTensor const tensor(shape, ElementType::f16, values);
    int coded = 0;
    for (auto const& [name, entry] : stage_registry())
        for (auto const& example : entry.info.examples) {
            auto const text = behind_fp16(example);
            if (text.empty()) continue;
            auto const bytes = encoded(text, tensor).ledger().stored_bytes();
            EXPECT_GE(8 * static_cast<double>(bytes), information - unlikely_bits) << text;
            ++coded;
        }
    EXPECT_GT(coded, 0);
    // The test would detect a bill that leaves out one byte in a hundred of the best one.
    EXPECT_LT(0.99 * information, information - unlikely_bits);
}

/// The order-0 entropy of the fp16 words of a tensor, from their counts: the bound of every coder with one table for
/// all of them.
double order_0_bits(TestTensor const& tensor) {
    std::map<std::pair<std::byte, std::byte>, double> counts;
    auto const bytes = tensor.packed_bytes();
    for (std::size_t i = 0; i < bytes.size(); i += 2) ++counts[{bytes[i], bytes[i + 1]}];
    double bits = 0;
    for (auto const& [word, count] : counts) bits += count * std::log2(static_cast<double>(bytes.size()) / 2 / count);
    return bits;
}

double payload_bits(std::string const& text, TestTensor const& tensor) {
    return 8 * static_cast<double>(encoded(text, tensor).ledger()[LedgerLine::payload]);
}

TEST(EntropyBound, CodersWithOneTableAPlaneKeepToItAndMatchingOnesNeedNot) {
    // Channels of unequal scale, and all rows twice: tables by channel would gain, and so do matches.
    KvShape const half{1, 4, 512, 64};
    auto const once = test_values(half);
    std::vector<float> twice;
    auto const head = half.tokens * half.dim;
    for (std::size_t first = 0; first < once.size(); first += head)
        for (int repeat = 0; repeat < 2; ++repeat)
            twice.insert(twice.end(), once.begin() + static_cast<std::ptrdiff_t>(first),
                         once.begin() + static_cast<std::ptrdiff_t>(first + head));
    TestTensor const tensor({1, 4, 1024, 64}, ElementType::f16, twice);
    auto const bound = order_0_bits(tensor);
    for (auto const& [name, entry] : stage_registry()) {
        bool const one_table = std::ranges::any_of(entry.info.options, [](OptionSpec const& option) {
            return option.name == "tables" && option.default_value == "plane";
        });
        if (entry.kind != StageKind::entropy || !one_table) continue;
        for (auto const& example : entry.info.examples) {
            // Of its default tables: whatever else it is told, one table a plane.
            auto const has = [&](char const* part) { return example.find(part) != std::string::npos; };
            if (has("tables=") || has("context=") || has("| zstd")) continue;
            auto const text = behind_fp16(example);
            EXPECT_GE(payload_bits(text, tensor), bound) << text;
        }
    }
    EXPECT_LT(payload_bits("fp16 | zstd", tensor), 0.9 * bound);
}

}  // namespace
}  // namespace kvstone
