// Bytes that are known before anything is encoded.

#include <gtest/gtest.h>

#include "codecs/registry.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

TEST(PlannedTest, AreThoseThatEncodingStoresWhereNothingIsVariable) {
    KvShape const shape{3, 2, 100, 64};
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    int exact = 0;
    for (auto const& [name, entry] : stage_registry()) {
        for (auto const& example : entry.info.examples) {
            if (entry.info.name == "unrope" && example.find("base=") == std::string::npos)
                continue;  // the tensor's own
            auto const codec = encoded(example, tensor);
            auto const planned = codec.planned();
            if (planned.exact) {
                ++exact;
                EXPECT_EQ(planned.ledger.stored_bytes(), codec.ledger().stored_bytes()) << example;
                EXPECT_EQ(planned.ledger.stored_bytes(), codec.seal().size()) << example;
            } else {
                EXPECT_GE(planned.ledger.stored_bytes(), codec.ledger().stored_bytes()) << example;
            }
        }
    }
    EXPECT_GT(exact, 30);
    EXPECT_FALSE(encoded("fp16 | zstd", tensor).planned().exact);
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
