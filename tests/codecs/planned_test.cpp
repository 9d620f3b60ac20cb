// Bytes that are known before anything is encoded.

#include <gtest/gtest.h>

#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

class Planned : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, Planned, testing::ValuesIn(conformance_examples()),
                         [](auto const& one) { return test_name_of(one.param); });

constexpr KvShape small{3, 2, 100, 64};

TEST_P(Planned, AreThoseThatEncodingStoresWhereNothingIsVariable) {
    auto const codec = encoded(GetParam(), TestTensor(small, ElementType::f32, test_values(small)));
    auto const planned = codec.planned();
    if (planned.exact) {
        EXPECT_EQ(planned.ledger.stored_bytes(), codec.ledger().stored_bytes());
        EXPECT_EQ(planned.ledger.stored_bytes(), codec.seal().size());
    } else {
        EXPECT_GE(planned.ledger.stored_bytes(), codec.ledger().stored_bytes());
    }
}

TEST(PlannedTest, AreExactWhereNoStageIsVariable) {
    auto const exact = [](std::string const& codec) {
        return TensorCodec(Codec::parse(codec), Component::k, small, ElementType::f32, BackendKind::openmp)
            .planned()
            .exact;
    };
    EXPECT_GT(std::ranges::count_if(conformance_examples(), exact), 30);
    EXPECT_FALSE(exact("fp16 | zstd"));
}

TEST(PlannedTest, NeedNoMemoryForTheTensor) {
    // 32 layers of 1 M tokens: 128 GiB as fp16.
    KvShape const shape{32, 8, std::uint64_t{1} << 20, 128};
    TensorCodec const codec(Codec::parse("sink(4){fp16} window(128){fp16} rest{q8_0}"), Component::k, shape,
                            ElementType::f16, BackendKind::openmp);
    auto const kept = 132.0 * 16;
    auto const coded = (static_cast<double>(shape.tokens) - 132) * 8.5;
    auto const expected =
        static_cast<double>(shape.vectors()) / static_cast<double>(shape.tokens) * 128 * (kept + coded) / 8;
    EXPECT_NEAR(static_cast<double>(codec.planned().ledger.stored_bytes()), expected, 1000.0);
}

}  // namespace
}  // namespace kvstone
