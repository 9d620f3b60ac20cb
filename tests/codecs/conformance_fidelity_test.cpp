// Promises of every codec that no declaration can excuse: gain, error, every value written. And that the suite refuses
// stages that are wrong, and passes one that is only unusual.

#include <bit>
#include <cmath>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/kernels/poison.hpp"
#include "codecs/registry.hpp"
#include "codecs/stream/token_stream.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr ElementType all_types[] = {ElementType::f32, ElementType::f16, ElementType::bf16};

std::string mutant(std::string const& how) { return std::string(mutant_stage) + ":how=" + how; }

class ConformanceOfValues : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, ConformanceOfValues, testing::ValuesIn(conformance_examples()),
                         [](auto const& one) { return test_name_of(one.param); });

TEST_P(ConformanceOfValues, GainIsNearOneAndTheErrorBelowTheVariance) { EXPECT_EQ(fidelity_fault(GetParam()), ""); }

TEST_P(ConformanceOfValues, EveryValueIsWritten) {
    for (auto const type : all_types) EXPECT_EQ(unwritten_fault(GetParam(), type), "") << name_of(type);
}

TEST(ConformanceSuite, RefusesAWrongGainWhateverTheDeclaredBound) {
    EXPECT_THAT(fidelity_fault(mutant("gain")), HasSubstr("normal k: gain 3.000"));
    EXPECT_THAT(fidelity_fault(mutant("weak")), HasSubstr("gain 0.400"));
}

TEST(ConformanceSuite, RefusesWhatIsWrongOnOutlierChannelsAlone) {
    EXPECT_THAT(fidelity_fault(mutant("clip")), HasSubstr("outlier channels in k: gain"));
}

TEST(ConformanceSuite, RefusesDecodersThatDoNotReadWhatIsStored) {
    EXPECT_THAT(idle_bytes_fault(mutant("forget")), HasSubstr("1536 of 1536 payload bytes decide nothing"));
}

TEST(ConformanceSuite, RefusesValuesLeftUnwritten) {
    for (auto const type : all_types) {
        EXPECT_THAT(unwritten_fault(mutant("skip_value"), type), HasSubstr("k: decoding left 1 of 17760 values"));
        EXPECT_THAT(unwritten_fault(mutant("skip_vector"), type), HasSubstr("left 80 of 17760 values"));
        EXPECT_THAT(unwritten_fault(mutant("skip_head"), type), HasSubstr("left 2960 of 17760 values"));
        // A transform computes with unwritten values; rules cut boxes of a tensor.
        EXPECT_THAT(unwritten_fault("center | " + mutant("skip_value"), type), HasSubstr("left 1 of 17760 values"));
        EXPECT_THAT(unwritten_fault("layers(0){raw} rest{" + mutant("skip_value") + "}", type),
                    HasSubstr("left 1 of 8880 values"));
    }
}

TEST(ConformanceSuite, RefusesValuesThatAStreamLeavesUnwritten) {
    KvShape const shape{1, 2, 20, 16};
    for (auto const* how : {"skip_value", "skip_vector", "skip_head"}) {
        for (auto const type : all_types) {
            TestTensor const tensor(shape, type, test_values(shape));
            TokenStream stream(Codec::parse(mutant(how)), Component::v, shape, type, BackendKind::openmp, 4);
            stream.append(tensor.view());
            // A part of a block, whole blocks, and everything; onto the values themselves.
            for (auto const& [first, tokens] : {std::pair{1, 2}, {4, 8}, {0, 20}}) {
                auto part = shape;
                part.tokens = static_cast<std::uint64_t>(tokens);
                TestTensor const out(part, type, std::vector<float>(part.values(), 1.0F));
                EXPECT_THROW(stream.decode_pages(static_cast<std::uint64_t>(first), out.view()), UnwrittenValues);
                EXPECT_NO_THROW(stream.decode_pages(static_cast<std::uint64_t>(first), out.view(), DecodeFor::timing));
            }
            EXPECT_THROW(stream.decode(tensor.view()), UnwrittenValues);
        }
    }
}

/// Digits of base 3: inverting a byte may leave its digits unchanged, and so proves nothing.
TEST(ConformanceSuite, PassesCodesThatAreNoBits) {
    EXPECT_EQ(idle_bytes_fault("test-trits"), "");
    EXPECT_EQ(fidelity_fault("test-trits"), "");
    for (auto const type : all_types) EXPECT_EQ(unwritten_fault("test-trits", type), "");
}

/// Every pattern of 16 bits, poison of both kinds among them: copied values count as written, whatever their bits.
TEST(CheckedDecode, BitsOfTheOriginalAreNoPoison) {
    KvShape const shape{1, 4, 128, 128};
    for (auto const type : {ElementType::f16, ElementType::bf16}) {
        TestTensor const tensor(shape, type);
        auto* const bits = static_cast<std::uint16_t*>(tensor.view().data);
        for (std::uint64_t i = 0; i < shape.values(); ++i) bits[i] = static_cast<std::uint16_t>(i);
        for (auto const poison : {Poison::first, Poison::second})
            ASSERT_EQ(poisoned_values(tensor.view(), BackendKind::openmp, poison), 1U);
        EXPECT_EQ(decoded(encoded("raw", tensor), shape, type).packed_bytes(), tensor.packed_bytes());
        // But those that one leaves are found among them.
        EXPECT_THROW(decoded(encoded("layers(0){" + mutant("skip_value") + "} rest{raw}", tensor), shape, type),
                     UnwrittenValues);
    }
}

TEST(CheckedDecode, PoisonIsWhatNoConversionWrites) {
    for (auto const poison : {Poison::first, Poison::second}) {
        EXPECT_NE(from_float<Float16>(NAN).bits, poison_bits(ElementType::f16, poison));
        auto const f32 = std::bit_cast<float>(poison_bits(ElementType::f32, poison));
        EXPECT_TRUE(std::isnan(f32));
        EXPECT_TRUE(std::isnan(to_float(Float16{static_cast<std::uint16_t>(poison_bits(ElementType::f16, poison))})));
        for (std::uint32_t sign = 0; sign < 2; ++sign) {
            // Of any NaN, with any payload.
            for (std::uint32_t payload = 1; payload < 1U << 23; payload += 129) {
                auto const nan = std::bit_cast<float>(0x7f800000U | payload | sign << 31);
                EXPECT_NE(from_float<Float16>(nan).bits, poison_bits(ElementType::f16, poison));
                EXPECT_NE(from_float<BFloat16>(nan).bits, poison_bits(ElementType::bf16, poison));
            }
        }
    }
}

TEST(Registry, AStageWithoutExamplesIsRefusedByName) {
    auto entry = stage_registry().at("raw");
    auto const refusal = [&] {
        try {
            register_stage(entry);
        } catch (std::logic_error const& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    entry.info.name = "test-untold";
    auto const summary = std::exchange(entry.info.summary, "");
    EXPECT_THAT(refusal(), HasSubstr("stage test-untold cannot be registered: its StageInfo has no summary"));
    entry.info.summary = summary;
    entry.info.examples.clear();
    EXPECT_THAT(refusal(), HasSubstr("stage test-untold cannot be registered: its StageInfo has no examples"));
    entry.info.examples = {"raw"};
    EXPECT_THAT(refusal(), HasSubstr("its example does not use it: raw"));
    entry.info.examples = {"test-untold"};
    entry.info.idle_bytes = {0.1, ""};
    EXPECT_THAT(refusal(), HasSubstr("idle_bytes has a share and a reason"));
    entry.info.idle_bytes = {0.6, "it likes to"};
    EXPECT_THAT(refusal(), HasSubstr("not between 0 and 0.5"));
    entry.info.idle_bytes = {};
    entry.info.side_bits = {0.25, ""};
    EXPECT_THAT(refusal(), HasSubstr("side_bits has a number and a reason"));
    EXPECT_FALSE(stage_registry().contains("test-untold"));
}

}  // namespace
}  // namespace kvstone
