// Where bytes are billed, and the memory of encoding.

#include <gtest/gtest.h>

#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/count_allocations.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

TEST(Ledger, SumsAllButTheWorkspace) {
    ByteLedger ledger;
    ledger.bill(LedgerLine::payload, 100);
    ledger.bill(LedgerLine::headers, 20);
    ledger.bill(LedgerLine::workspace, 1000);
    ledger += ledger;
    EXPECT_EQ(ledger.stored_bytes(), 240U);
    EXPECT_EQ(ledger[LedgerLine::workspace], 2000U);
    EXPECT_EQ(name_of(LedgerLine::workspace), "workspace");
    EXPECT_EQ(name_of(LedgerLine::payload), "payload");
}

TEST(Ledger, Int8IsOneByteAValueAndItsScale) {
    KvShape const shape{2, 2, 10, 64};
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto const symmetric = encoded("int8", tensor).ledger();
    EXPECT_EQ(symmetric[LedgerLine::payload], 2560U);
    EXPECT_EQ(symmetric[LedgerLine::scales], 4U);
    EXPECT_EQ(symmetric[LedgerLine::zeros], 0U);
    // Fixed header 80, "int8" and "int8=1", one entry of 8 for each of two planes; padded: 10 to 16, 4 to 8.
    EXPECT_EQ(symmetric[LedgerLine::headers], 80U + 10 + 16);
    EXPECT_EQ(symmetric[LedgerLine::padding], 6U + 4);
    EXPECT_EQ(encoded("int8:scheme=asymmetric", tensor).ledger()[LedgerLine::zeros], 4U);
    EXPECT_EQ(encoded("int8", tensor).nominal_bits_per_value(), 8.0);
}

TEST(Ledger, WhatSinksAndWindowsKeepAsItIsIsBilledAsWindow) {
    KvShape const shape{1, 2, 100, 64};
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto const codec = encoded("sink(4){raw} window(16){fp16} rest{int8}", tensor);
    auto const ledger = codec.ledger();
    EXPECT_EQ(ledger[LedgerLine::window], 2U * 64 * (4 * 4 + 16 * 2));
    EXPECT_EQ(ledger[LedgerLine::payload], 2U * 64 * 80);
    EXPECT_DOUBLE_EQ(codec.nominal_bits_per_value(), (4 * 32 + 16 * 16 + 80 * 8) / 100.0);
    // A quantised window is a payload as any other, and so are plain values of another rule.
    EXPECT_EQ(encoded("window(16){int8} rest{fp16}", tensor).ledger()[LedgerLine::window], 0U);
}

TEST(Ledger, TrafficIsTheOriginalAndTheStoredPlanes) {
    KvShape const shape{1, 2, 100, 64};
    TestTensor const tensor(shape, ElementType::f16, test_values(shape));
    // A range over everything reads everything twice.
    EXPECT_EQ(encoded("int8", tensor).encode_traffic_bytes(), shape.values() * 5 + 4);
    EXPECT_EQ(encoded("int8", tensor).decode_traffic_bytes(), shape.values() * 3 + 4);
    EXPECT_EQ(encoded("int:bits=8,axis=token", tensor).encode_traffic_bytes(), shape.values() * 3 + 2 * 200);
    EXPECT_EQ(encoded("raw", tensor).decode_traffic_bytes(), shape.values() * 4);
}

class Warmed : public testing::TestWithParam<std::string> {};

TEST_P(Warmed, EncodesAndDecodesWithoutAllocating) {
    KvShape const shape{2, 2, 300, 128};
    for (auto const type : {ElementType::f32, ElementType::f16}) {
        TestTensor const values(shape, type, test_values(shape));
        PlacedTensor const tensor(values);
        PlacedTensor const out(TestTensor(shape, type));
        auto codec = encoded(GetParam(), values);
        codec.decode(out.view());
        auto const before = allocation_count();
        auto const memory = memory_in_use(tested_backend());
        codec.encode(tensor.view());
        codec.decode(out.view());
        EXPECT_EQ(allocation_count(), before);
        EXPECT_EQ(memory_in_use(tested_backend()), memory);
    }
}

INSTANTIATE_TEST_SUITE_P(Codecs, Warmed,
                         testing::Values("raw", "fp16", "bf16", "int8", "int8:scheme=asymmetric,clip=0.99,samples=128",
                                         "int8:clip=0.999", "fp16 | zstd", "lloydmax:bits=4,norm=eden",
                                         "lloydmax:bits=8,scale=tensor", "nf4", "nuq:bits=3,axis=channel",
                                         "nuq:bits=4,axis=token", "hadamard | center | int8",
                                         "outliers:fraction=0.02,axis=channel | outliers:fraction=0.1 | int8",
                                         "unrope:base=10000 | int8", "test-offset | int8 | zstd | test-split",
                                         "sink(4){raw} window(16){fp16} rest{int8 | zstd}"),
                         [](auto const& warmed) { return test_name_of(warmed.param); });
INSTANTIATE_TEST_SUITE_P(Registry, Warmed, testing::ValuesIn(conformance_examples()),
                         [](auto const& warmed) { return test_name_of(warmed.param); });

TEST(Memory, EncodingHoldsThePlanesAndLittleMore) {
    KvShape const shape{2, 4, 1000, 128};
    auto const original = shape.values() * sizeof(float);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    for (auto const& [text, share] : {std::pair{"raw", 1.0}, std::pair{"fp16", 0.5}, std::pair{"int8", 0.25}}) {
        auto const before = memory_in_use(tested_backend());
        auto const codec = encoded(text, tensor);
        auto const held = memory_in_use(tested_backend()) - before;
        EXPECT_LE(static_cast<double>(held), share * static_cast<double>(original) + 65536) << text;
        EXPECT_EQ(codec.ledger()[LedgerLine::workspace], 0U) << text;
    }
    EXPECT_GT(encoded("int8:clip=0.99", tensor).ledger()[LedgerLine::workspace], 0U);
}

TEST(TensorCodec, RefusesWhatDoesNotFit) {
    KvShape const shape{2, 4, 10, 64};
    auto const refuse = [](std::string const& text, KvShape const& of) {
        return TensorCodec(Codec::parse(text), Component::k, of, ElementType::f32, BackendKind::openmp);
    };
    EXPECT_THROW(refuse("layers(2){raw} rest{int8}", shape), ConfigError);
    EXPECT_THROW(refuse("raw", {std::uint64_t{1} << 40, 1 << 20, 1 << 20, 1 << 20}), ConfigError);
    auto codec = refuse("raw", shape);
    EXPECT_THROW(codec.seal(), std::logic_error);
    TestTensor const other({2, 4, 11, 64}, ElementType::f32);
    EXPECT_THROW(codec.encode(other.view()), std::invalid_argument);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    EXPECT_THROW(codec.decode(tensor.view()), std::logic_error);
    auto const container = encoded("fp16", tensor).seal();
    EXPECT_THROW(codec.load(container), CorruptData);
    EXPECT_THROW(encoded("fp16", tensor, Component::v).load(container), CorruptData);
}

}  // namespace
}  // namespace kvstone
