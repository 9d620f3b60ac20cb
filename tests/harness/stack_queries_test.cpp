#include "harness/sources/stack_queries.hpp"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "harness/sources/rope.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

HostTensor tensor_of(KvShape const& shape, float first) {
    auto const bytes = allocate_bytes(shape.values() * sizeof(float));
    for (std::uint64_t i = 0; i < shape.values(); ++i)
        reinterpret_cast<float*>(bytes.get())[i] = first + static_cast<float>(i % 97) / 8;
    return {ElementType::f32, shape, bytes};
}
std::vector<float> values_of(HostTensor const& tensor) {
    std::vector<float> values(tensor.shape.values());
    std::memcpy(values.data(), tensor.bytes.get(), values.size() * sizeof(float));
    return values;
}

KvTensors tensors() {
    KvTensors all;
    all.k = tensor_of({2, 2, 3, 4}, 0);
    all.k_prerope = tensor_of({2, 2, 3, 4}, 20);
    all.rope = Rope{};
    all.rope->dims = 4;
    all.q = rotate(tensor_of({2, 4, 3, 4}, 40), *all.rope, false);
    return all;
}

TEST(StackQueries, QueriesOfAHeadStandBehindItsKeys) {
    auto all = tensors();
    auto const k = values_of(*all.k);
    auto const before = values_of(*all.k_prerope);
    auto const q = values_of(*all.q);
    auto const q_before = values_of(tensor_of({2, 4, 3, 4}, 40));
    add_queries(all);
    EXPECT_EQ(all.k->shape, (KvShape{2, 2, 9, 4}));
    auto const stacked = values_of(*all.k);
    auto const stacked_before = values_of(*all.k_prerope);
    for (std::size_t head = 0; head < 4; ++head) {
        for (std::size_t i = 0; i < 12; ++i) {
            EXPECT_EQ(stacked[head * 36 + i], k[head * 12 + i]);
            EXPECT_EQ(stacked_before[head * 36 + i], before[head * 12 + i]);
        }
        for (std::size_t i = 0; i < 24; ++i) {
            EXPECT_EQ(stacked[head * 36 + 12 + i], q[head * 24 + i]);
            // Rotated there and back: two roundings of values up to 60 that go into two others.
            EXPECT_NEAR(stacked_before[head * 36 + 12 + i], q_before[head * 24 + i], 60 * 0x1p-22);
        }
    }
    EXPECT_GT(std::abs(q[4] - q_before[4]), .1) << "the second token's were rotated";
}

TEST(StackQueries, WhatDoesNotFitIsRefused) {
    auto none = tensors();
    none.q.reset();
    EXPECT_THROW(add_queries(none), ConfigError);
    auto few = tensors();
    few.q = tensor_of({2, 4, 2, 4}, 0);
    EXPECT_THROW(add_queries(few), ConfigError);
    auto odd = tensors();
    odd.q = tensor_of({2, 3, 3, 4}, 0);
    EXPECT_THROW(add_queries(odd), ConfigError);
    auto unknown = tensors();
    unknown.rope.reset();
    add_queries(unknown);
    EXPECT_FALSE(unknown.k_prerope);
    EXPECT_EQ(unknown.k->shape.tokens, 9U);
}

}  // namespace
}  // namespace kvstone
