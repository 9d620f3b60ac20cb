// What is stored and what comes back are the same on every kind of vector unit.

#include <optional>

#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

class Targets : public testing::TestWithParam<char const*> {};

TEST_P(Targets, StoreAndGiveBackTheSame) {
    for (std::uint64_t const dim : {128, 80, 24, 7}) {
        KvShape const shape{2, 2, 37, dim};
        for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
            auto values = test_values(shape);
            values[3] = INFINITY;
            values[shape.dim + 1] = NAN;
            values[2 * shape.dim + 2] = -INFINITY;
            values[5 * shape.dim] = -0.0F;
            values[6 * shape.dim] = 1e-40F;
            TestTensor const tensor(shape, type, values, true);
            std::optional<std::vector<std::byte>> stored;
            std::optional<std::vector<std::byte>> back;
            on_each_target([&] {
                auto const codec = encoded(GetParam(), tensor);
                auto const now_stored = codec.seal();
                auto const now_back = decoded(codec, shape, type).packed_bytes();
                if (!stored) {
                    stored = now_stored;
                    back = now_back;
                }
                EXPECT_EQ(now_stored, *stored) << dim;
                EXPECT_EQ(now_back, *back) << dim;
            });
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Codecs, Targets,
                         testing::Values("fp16", "bf16", "fp8:format=e4m3", "fp8:format=e5m2",
                                         "fp8:format=e4m3,scale=head", "fp8:format=e5m2,scale=tensor",
                                         "hadamard | fp16", "hadamard:seed=7,block=32 | bf16",
                                         "outliers:fraction=0.02 | fp16", "outliers:fraction=0.3,values=fp32 | bf16",
                                         "center | fp16", "unrope:base=10000 | fp16", "blocknorm:bits=10",
                                         "blocknorm:bits=4,block=32", "blocknorm:bits=3,block=256,topk=0.25",
                                         "blocknorm:bits=12,block=64,topk=0"),
                         [](auto const& codec) {
                             std::string name;
                             for (auto const* at = codec.param; *at != 0; ++at) {
                                 name += std::isalnum(static_cast<unsigned char>(*at)) != 0 ? *at : '_';
                             }
                             return name;
                         });

}  // namespace
}  // namespace kvstone
