// Codecs store the bits that their stages' names promise, and those that these declare beyond.

#include <cmath>
#include <ranges>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codecs/registry.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

/// Bits a value that a codec's name promises, and those that it stores beyond: everything is billed, headers included.
struct Excess {
    double nominal = 0;
    double bits = 0;
};
Excess excess_of(std::string const& text, std::uint64_t dim) {
    KvShape shape{4, 8, 4096, dim};
    TensorCodec const codec(Codec::parse(text), Component::k, shape, ElementType::f32, BackendKind::openmp);
    auto const planned = codec.planned();
    auto stored = planned.ledger.stored_bytes();
    if (!planned.exact) {
        // The stored bytes depend on the values.
        shape = {1, 2, 1024, dim};
        stored = encoded(text, TestTensor(shape, ElementType::f32, test_values(shape))).ledger().stored_bytes();
    }
    auto const nominal = codec.nominal_bits_per_value();
    return {nominal, 8.0 * static_cast<double>(stored) / static_cast<double>(shape.values()) - nominal};
}

/// The declarations of a codec's stages.
double declared(std::string const& text) {
    double most = 0;
    auto const codec = Codec::parse(text);
    for (auto const& rule : codec.rules()) {
        if (rule.selector.component == Component::v) continue;
        double of_rule = 0;
        for (auto const& stage : rule.pipeline) of_rule += stage_registry().at(stage.name).info.side_bits.most;
        most = std::fmax(most, of_rule);
    }
    return most;
}

class NominalBits : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, NominalBits, testing::ValuesIn(conformance_examples()),
                         [](auto const& one) { return test_name_of(one.param); });

// The gate that users copy: bits_per_value <= 1.05 * nominal_bits_per_value.
TEST_P(NominalBits, AreWhatIsStoredButForDeclaredSideBits) {
    for (std::uint64_t const dim : {64, 128}) {
        auto const excess = excess_of(GetParam(), dim);
        EXPECT_LE(excess.bits, 0.05 * excess.nominal + declared(GetParam())) << fmt::format(
            "dim {}: {:.3f} bits a value are stored beyond the nominal {:.3f}: info.side_bits = {{{:.3f}, "
            "\"what they are\"}}",
            dim, excess.bits, excess.nominal, excess.bits);
    }
}

class SideBits : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, SideBits,
                         testing::ValuesIn(std::views::keys(stage_registry()).begin(),
                                           std::views::keys(stage_registry()).end()),
                         [](auto const& stage) { return as_test_name(stage.param); });

TEST_P(SideBits, AreNoMoreThanAnExampleNeeds) {
    auto const& info = stage_registry().at(GetParam()).info;
    if (info.side_bits.most == 0) return;
    double most = 0;
    for (auto const& example : info.examples) {
        for (std::uint64_t const dim : {64, 128}) {
            auto const excess = excess_of(example, dim);
            if (excess.bits > 0.05 * excess.nominal) most = std::fmax(most, excess.bits);
        }
    }
    EXPECT_NEAR(info.side_bits.most, most, 0.02 * most);
}

}  // namespace
}  // namespace kvstone
