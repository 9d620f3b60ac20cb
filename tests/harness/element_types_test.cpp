// Types of elements in dumps: the file's type, the user's, and the values.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/sources/elements.hpp"
#include "tests/harness/dump_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A type that the file itself states is not overruled: f16 read as bf16 would be numbers, too, and other ones.
TEST_F(Dump, OnlyOpaqueTypesAreNamedAnew) {
    auto const half =
        folder_.write("half.safetensors", safetensors_bytes("{" + entry("k", "F16", "[1,1,1,2]", "[0,4]") + "}",
                                                            bytes_of<std::uint16_t>({0x3c00, 0x4000})));
    EXPECT_THAT(refused(half, {{"k", "k"}, {"dtype", "bf16"}}),
                AllOf(HasSubstr("the file says that its elements are f16, and dtype says bf16"), HasSubstr("U16")));
    EXPECT_TRUE(load(half, {{"k", "k"}, {"dtype", "f16"}}).k) << "which is what it says";
    auto const small = folder_.write("small.safetensors",
                                     safetensors_bytes("{" + entry("k", "F8_E4M3", "[1,1,1,2]", "[0,2]") + "}", "88"));
    EXPECT_THAT(refused(small, {{"k", "k"}, {"dtype", "i8"}, {"scale", "1"}}),
                HasSubstr("the file says that its elements are f8_e4m3, and dtype says i8"));
    auto const integers =
        folder_.write("i.npy", npy_bytes("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), }\n", "88"));
    EXPECT_THAT(refused(integers, {{"k", "data"}, {"layout", "token dim"}, {"dtype", "f8_e4m3"}, {"scale", "1"}}),
                HasSubstr("the file says that its elements are i8, and dtype says f8_e4m3"));
    // 1 and 2 in every clothing that bf16 comes in.
    auto const brain = bytes_of<std::uint16_t>({0x3f80, 0x4000});
    for (auto const* stored : {"U16", "I16"}) {
        auto const path = folder_.write("b.safetensors",
                                        safetensors_bytes("{" + entry("k", stored, "[1,1,1,2]", "[0,4]") + "}", brain));
        auto const k = load(path, {{"k", "k"}, {"dtype", "bf16"}}).k.value();
        EXPECT_EQ(element_value(k.type, k.bytes.get(), 0), 1) << stored;
        EXPECT_THAT(refused(path), HasSubstr("does not tell the type of the elements; say it, as in dtype: bf16"))
            << stored;
    }
    for (auto const* stored : {"<i2", "<u2", "|V2", "<V2"}) {
        auto const path = folder_.write(
            "b.npy",
            npy_bytes(std::string("{'descr': '") + stored + "', 'fortran_order': False, 'shape': (1, 2), }\n", brain));
        auto const k = load(path, {{"k", "data"}, {"layout", "token dim"}, {"dtype", "bf16"}}).k.value();
        EXPECT_EQ(element_value(k.type, k.bytes.get(), 1), 2) << stored;
    }
}

TEST_F(Dump, SmallFloatsNeedTheirScale) {
    // OCP 8-bit Floating Point Specification, revision 1.0: E4M3 1, -448, the least denormal 2^-9; E5M2 1, -57344, 2^-16.
    auto const codes = bytes_of<std::uint8_t>({0x38, 0xfe, 0x01, 0x3c, 0xfb, 0x01});
    auto const header = "{" + entry("k", "F8_E4M3", "[1,1,1,3]", "[0,3]") + "," +
                        entry("v", "F8_E5M2", "[1,1,1,3]", "[3,6]") + "," + entry("s", "F32", "[]", "[6,10]") + "}";
    auto const path = folder_.write("f8.safetensors", safetensors_bytes(header, codes + bytes_of<float>({0.5F})));
    auto const tensors = load(path, {{"k", "k"}, {"v", "v"}, {"scale", "s"}});
    EXPECT_THAT(floats(*tensors.k), ElementsAre(0.5F, -224, 0x1p-10F));
    EXPECT_THAT(floats(*tensors.v), ElementsAre(0.5F, -28672, 0x1p-17F));
    EXPECT_THAT(floats(*load(path, {{"k", "k"}, {"scale", "2"}}).k), ElementsAre(2, -896, 0x1p-8F));
    EXPECT_THAT(refused(path, {{"k", "k"}}), HasSubstr("f8_e4m3 values need a scale"));
    EXPECT_THAT(refused(path, {{"k", "k"}, {"scale", "scales"}}), HasSubstr("no such array: 'scales'"));
    auto const bytes =
        folder_.write("f8.npy", npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", codes));
    Json const named{{"k", "data"}, {"layout", "token dim"}, {"dtype", "f8_e4m3"}, {"scale", "1"}};
    EXPECT_THAT(floats(*load(bytes, named, 1).k), ElementsAre(1, -448, 0x1p-9F));
    // NaN, and E5M2's infinity, are found as in any other dump.
    auto const nan =
        folder_.write("nan.safetensors", safetensors_bytes("{" + entry("k", "F8_E4M3", "[1,1,1,2]", "[0,2]") + "," +
                                                               entry("v", "F8_E5M2", "[1,1,1,2]", "[2,4]") + "}",
                                                           bytes_of<std::uint8_t>({0, 0x7f, 0, 0x7c})));
    EXPECT_THAT(corrupt(nan, {{"k", "k"}, {"scale", "1"}}),
                HasSubstr("1 of 2 values are not finite; the first is nan"));
    EXPECT_THAT(corrupt(nan, {{"v", "v"}, {"scale", "1"}}),
                HasSubstr("1 of 2 values are not finite; the first is inf"));
    auto const raw = folder_.write("f8.bin", codes);
    Json const k{{"dtype", "f8_e4m3"}, {"layout", "token dim"}, {"offset", 0}, {"shape", {2, 3}}, {"scale", 0.5}};
    EXPECT_THAT(floats(*load(raw, {{"raw", {{"k", k}}}}, 1).k), ElementsAre(0.5F, -224, 0x1p-10F));
}

TEST_F(Dump, IntegersNeedTheirScale) {
    auto const path = folder_.write("q.npy", npy_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }\n",
                                                       bytes_of<std::int8_t>({-128, -1, 0, 127})));
    Json source{{"k", "data"}, {"layout", "token dim"}, {"dtype", "i8"}};
    EXPECT_THAT(refused(path, source), HasSubstr("need a scale"));
    source.erase("dtype");
    EXPECT_THAT(refused(path, source), HasSubstr("'u8'"));
    source["dtype"] = "f16";
    EXPECT_THAT(refused(path, source), HasSubstr("u8 values cannot be read as f16"));
    auto const raw = folder_.write("q.bin", bytes_of<std::int8_t>({-128, -1, 0, 127}));
    Json const k{{"dtype", "i8"}, {"layout", "token dim"}, {"offset", 0}, {"shape", {2, 2}}, {"scale", 0.5}};
    EXPECT_THAT(floats(*load(raw, {{"raw", {{"k", k}}}}).k), ElementsAre(-64, -0.5, 0, 63.5));
}

TEST(Elements, EveryHalfIsExact) {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        auto const sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
        auto const exponent = static_cast<int>(bits >> 10 & 0x1fU);
        double const mantissa = bits & 0x3ffU;
        auto const value = half_to_float(bits);
        if (exponent == 31) {
            EXPECT_EQ(std::isnan(value), mantissa != 0) << bits;
            EXPECT_EQ(std::isinf(value), mantissa == 0) << bits;
            continue;
        }
        auto const expected =
            exponent == 0 ? sign * std::ldexp(mantissa, -24) : sign * std::ldexp(1024 + mantissa, exponent - 25);
        ASSERT_EQ(double{value}, expected) << bits;
        ASSERT_EQ(std::signbit(value), sign < 0) << bits;
    }
}

}  // namespace
}  // namespace kvstone
