#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/files/array_file.hpp"
#include "harness/sources/dump.hpp"
#include "harness/sources/elements.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

KvTensors load(std::string const& path, Json source = Json::object(), std::uint64_t context = 0, Needs needs = {}) {
    source["kind"] = "dump";
    return load_tensors(source, {{"path", path}}, context, needs);
}

std::string entry(std::string const& name, std::string const& dtype, std::string const& shape,
                  std::string const& offsets) {
    return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string deflated_npz(std::string const& path, std::string const& member, std::string const& bytes,
                         bool store = false) {
    zip_t* const archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    auto* const source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    auto const index = zip_file_add(archive, member.c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), store ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 6);
    zip_close(archive);
    return path;
}

class Dump : public ::testing::Test {
  protected:
    std::string corrupt(std::string const& path, Json const& source = Json::object()) {
        return message_of<CorruptData>([&] { load(path, source); });
    }
    std::string refused(std::string const& path, Json const& source = Json::object(), std::uint64_t context = 0) {
        return message_of<ConfigError>([&] { load(path, source, context); });
    }
    ScratchFolder folder_;
};

TEST_F(Dump, WhatIsWrittenReadsBackInPlace) {
    auto const values = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
    std::shared_ptr<std::byte const> const bytes(values, reinterpret_cast<std::byte const*>(values->data()));
    KvTensors tensors;
    tensors.k = HostTensor{ElementType::f32, {1, 2, 2, 2}, bytes};
    tensors.v = HostTensor{ElementType::bf16, {1, 2, 2, 4}, bytes};
    tensors.rope = Rope{.base = 5e5, .dims = 2, .interleaved = false, .scale = 0.5, .frequency_factors = {8.0}};
    tensors.metadata = {{"model", "small"}};
    auto const path = folder_ / "out.safetensors";
    write_dump(path, tensors);

    auto const read = load(path);
    ASSERT_TRUE(read.k && read.v && read.rope);
    EXPECT_FALSE(read.q || read.k_prerope);
    EXPECT_EQ(read.k->shape, tensors.k->shape);
    EXPECT_EQ(floats(*read.k), *values);
    EXPECT_EQ(read.v->type, ElementType::bf16);
    EXPECT_EQ(read.v->shape, (KvShape{1, 2, 2, 4}));
    EXPECT_EQ(read.rope->base, 5e5);
    EXPECT_FALSE(read.rope->interleaved);
    EXPECT_THAT(read.rope->frequency_factors, ElementsAre(8.0));
    EXPECT_EQ(read.metadata.at("model"), "small");
    // Nothing but the file itself is left in the folder, and its data starts at a multiple of 64.
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()), {}), 1);
    EXPECT_EQ((read_file(path).size() - 64) % 64, 0U);

    auto const first = load(path, {}, 1);
    EXPECT_THAT(floats(*first.k), ElementsAre(1, 2, 5, 6));
    EXPECT_FALSE(load(path, {}, 0, {.k = true, .v = false}).v);
}

TEST_F(Dump, WritingWhereOneCannotLeavesNothing) {
    KvTensors tensors;
    EXPECT_THROW(write_dump(folder_ / "none.safetensors", tensors), ConfigError);
    float const value = 1;
    tensors.k = HostTensor{
        ElementType::f32, {1, 1, 1, 1}, {std::shared_ptr<void>(), reinterpret_cast<std::byte const*>(&value)}};
    EXPECT_THROW(write_dump(folder_ / "absent/out.safetensors", tensors), SystemError);
    if (std::filesystem::exists("/dev/full")) {
        std::filesystem::create_directory(folder_ / "target.safetensors");  // a folder cannot be replaced by a file
        EXPECT_THROW(write_dump(folder_ / "target.safetensors", tensors), SystemError);
        std::filesystem::remove(folder_ / "target.safetensors");
    }
    EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(folder_ / "x").parent_path()));
}

TEST_F(Dump, SafetensorsByHand) {
    auto const data = bytes_of<std::uint16_t>({0x3c00, 0xc000, 0x3f80, 0x4000});  // f16 1, -2; bf16 1, 2
    auto const header =
        "{" + entry("k", "F16", "[1,1,1,2]", "[0,4]") + "," + entry("v", "BF16", "[1,1,1,2]", "[4,8]") + "}";
    auto const tensors = load(folder_.write("a.safetensors", safetensors_bytes(header, data)));
    EXPECT_EQ(element_value(ElementType::f16, tensors.k->bytes.get(), 1), -2);
    EXPECT_EQ(element_value(ElementType::bf16, tensors.v->bytes.get(), 1), 2);
    // The header's length decides the data's alignment: at an odd one the values are copied, and are the same.
    auto const odd =
        load(folder_.write("b.safetensors", safetensors_bytes(header + (header.size() % 2 == 0 ? " " : ""), data)));
    EXPECT_EQ(element_value(ElementType::f16, odd.k->bytes.get(), 0), 1);
}

TEST_F(Dump, SafetensorsThatAreNone) {
    auto const file = [&](std::string const& header, std::string const& data) {
        return folder_.write("x.safetensors", safetensors_bytes(header, data));
    };
    std::string const eight(8, '\0');
    EXPECT_THAT(corrupt(folder_.write("x.safetensors", "")), HasSubstr("truncated"));
    EXPECT_THAT(corrupt(folder_.write("x.safetensors", bytes_of<std::uint64_t>({1000}) + "{}")),
                HasSubstr("a header of 1000"));
    EXPECT_THAT(corrupt(folder_.write("x.safetensors", std::string(16, '\xff'))),
                HasSubstr("a header of 18446744073709551615"));
    EXPECT_THAT(corrupt(file("{", "")), HasSubstr("not JSON"));
    EXPECT_THAT(corrupt(file("[]", "")), HasSubstr("no JSON object"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,1,2]", "[0,16]") + "}", eight)), HasSubstr("outside"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,1,2]", "[8,0]") + "}", eight)), HasSubstr("outside"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,1,3]", "[0,8]") + "}", eight)), HasSubstr("1x1x1x3"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,1,-2]", "[0,8]") + "}", eight)), HasSubstr("whole numbers"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[4294967296,4294967296,1,1]", "[0,8]") + "}", eight)),
                HasSubstr("too large to exist"));
    EXPECT_THAT(corrupt(file(
                    "{" + entry("k", "F32", "[1,1,1,1]", "[0,4]") + "," + entry("v", "F32", "[1,1,1,1]", "[2,6]") + "}",
                    eight)),
                HasSubstr("overlaps"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,1,1]", "[4,8]") + "}", eight)), HasSubstr("hole"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,1,1]", "[0,4]") + "}", eight)),
                HasSubstr("belong to no tensor"));
    EXPECT_THAT(corrupt(file("{" + entry("k", "F32", "[1,1,0,2]", "[0,0]") + "}", "")), HasSubstr("zero tokens"));
    EXPECT_THAT(corrupt(file(
                    "{" + entry("k", "F32", "[1,1,1,1]", "[0,4]") + "," + entry("k", "F32", "[1,1,1,1]", "[4,8]") + "}",
                    eight)),
                HasSubstr("twice"));
    EXPECT_THAT(corrupt(file(R"({"k":{"dtype":"F32"}})", eight)), HasSubstr("lacks"));
    EXPECT_THAT(corrupt(file(std::string(100'000, '['), "")), HasSubstr("JSON"));
    EXPECT_THAT(refused(file("{" + entry("k", "F64", "[1,1,1,1]", "[0,8]") + "}", eight)),
                HasSubstr("a dtype that is not read"));
    EXPECT_THAT(refused(file("{" + entry("k", "F4_X", "[1,1,1,1]", "[0,8]") + "}", eight)), HasSubstr("'F4_X'"));
    EXPECT_THAT(refused(file("{" + entry("key", "F32", "[1,1,1,2]", "[0,8]") + "}", eight)),
                HasSubstr("the file has key (1x1x1x2 f32)"));
    EXPECT_THAT(refused(file("{" + entry("key", "F32", "[1,1,1,2]", "[0,8]") + "}", eight), {{"k", "kex"}}),
                HasSubstr("accepted: key (1x1x1x2 f32)"));
    auto const two = file(
        "{" + entry("k", "F32", "[1,1,1,1]", "[0,4]") + "," + entry("v", "F32", "[1,1,1,1]", "[4,8]") + "}", eight);
    EXPECT_THAT(refused(two, {}, 2), HasSubstr("a context of 2 tokens is asked of 1 tokens"));
    EXPECT_THAT(message_of<SystemError>([&] { load(folder_ / "absent.safetensors"); }),
                HasSubstr("absent.safetensors"));
    std::filesystem::create_directory(folder_ / "folder.npy");
    EXPECT_THAT(message_of<SystemError>([&] { load(folder_ / "folder.npy"); }), HasSubstr("not a regular file"));
    EXPECT_THAT(refused(folder_.write("x.bin", "1234")), HasSubstr("accepted: .safetensors, .npy, .npz"));
}

TEST_F(Dump, EveryTruncationIsAnError) {
    std::string const data(32, '\0');
    auto const whole = safetensors_bytes(
        "{" + entry("k", "F32", "[1,1,2,2]", "[0,16]") + "," + entry("v", "F32", "[1,1,2,2]", "[16,32]") + "}", data);
    ASSERT_TRUE(load(folder_.write("t.safetensors", whole)).v);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        EXPECT_THROW(load(folder_.write("t.safetensors", whole.substr(0, length))), CorruptData) << length;
    }
    auto const npy = npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }\n", data);
    ASSERT_TRUE(load(folder_.write("t.npy", npy), {{"k", "data"}, {"layout", "token dim"}}).k);
    for (std::size_t length = 0; length < npy.size(); ++length) {
        EXPECT_THROW(load(folder_.write("t.npy", npy.substr(0, length)), {{"k", "data"}, {"layout", "token dim"}}),
                     CorruptData)
            << length;
    }
}

TEST_F(Dump, NonFiniteValuesAreReportedWithTheirPlace) {
    auto const infinity = std::numeric_limits<float>::infinity();
    auto const data = bytes_of<float>({0, 1, 2, 3, 4, std::nanf(""), 6, -infinity});
    auto const path =
        folder_.write("n.safetensors", safetensors_bytes("{" + entry("k", "F32", "[1,2,2,2]", "[0,32]") + "}", data));
    EXPECT_THAT(corrupt(path),
                HasSubstr("2 of 8 values are not finite; the first is nan at layer 0, head 1, token 0, channel 1"));
    auto const half = bytes_of<std::uint16_t>({0x7bff, 0x7c00});  // the largest f16, and infinity
    EXPECT_THAT(corrupt(folder_.write("h.safetensors",
                                      safetensors_bytes("{" + entry("k", "F16", "[1,1,2,1]", "[0,4]") + "}", half))),
                HasSubstr("1 of 2 values are not finite; the first is inf at layer 0, head 0, token 1"));
}

TEST_F(Dump, TensorsOfOneCacheMustMatch) {
    auto const path =
        folder_.write("m.safetensors", safetensors_bytes("{" + entry("k", "F32", "[1,1,2,1]", "[0,8]") + "," +
                                                             entry("v", "F32", "[1,1,1,1]", "[8,12]") + "}",
                                                         std::string(12, '\0')));
    EXPECT_THAT(corrupt(path), HasSubstr("1 layers x 2 tokens and 1 layers x 1 tokens"));
}

TEST_F(Dump, NpyOfEveryVersionTypeAndOrder) {
    auto const data = bytes_of<float>({1, 2, 3, 4, 5, 6});
    for (char const version : {'\1', '\2', '\3'}) {
        auto const path = folder_.write(
            "a.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }  \n", data, version));
        EXPECT_THAT(floats(*load(path, {{"v", "data"}, {"layout", "token dim"}}).v), ElementsAre(1, 2, 3, 4, 5, 6));
    }
    auto const fortran =
        folder_.write("f.npy", npy_bytes("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }\n", data));
    EXPECT_THAT(floats(*load(fortran, {{"k", "data"}, {"layout", "token dim"}}).k), ElementsAre(1, 4, 2, 5, 3, 6));
    // bf16 as numpy stores it, and named by the dump: 1, 2.
    auto const brain = folder_.write("b.npy", npy_bytes("{'descr': '|V2', 'fortran_order': False, 'shape': (1, 2), }\n",
                                                        bytes_of<std::uint16_t>({0x3f80, 0x4000})));
    auto const k = load(brain, {{"k", "data"}, {"layout", "token dim"}, {"dtype", "bf16"}}).k.value();
    EXPECT_EQ(element_value(k.type, k.bytes.get(), 1), 2);
    EXPECT_THAT(refused(brain, {{"k", "data"}, {"layout", "token dim"}}), HasSubstr("'|V2'"));
}

/// What a file says of itself is not overruled: f16 read as bf16 would be numbers, too, and other ones.
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
        EXPECT_THAT(refused(path), HasSubstr("does not tell what the elements are; say it, as in dtype: bf16"))
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

TEST_F(Dump, NpyOfPython2HasLongNumbers) {
    auto const path = folder_.write(
        "l.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }\n", bytes_of<float>({1, 2})));
    EXPECT_THAT(floats(*load(path, {{"k", "data"}, {"layout", "token dim"}}).k), ElementsAre(1, 2));
    EXPECT_THAT(
        corrupt(folder_.write("l.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1LL, 2), }\n",
                                                 bytes_of<float>({1, 2})))),
        HasSubstr("missing"));
}

/// As models' caches are stacked: [layer, batch, head, token, dim].
TEST_F(Dump, AStackOfFiveAxesIsToldHowToBeRead) {
    auto const path = folder_.write(
        "stack.safetensors",
        safetensors_bytes("{" + entry("k", "F32", "[2,1,1,2,1]", "[0,16]") + "}", bytes_of<float>({1, 2, 3, 4})));
    EXPECT_THAT(refused(path), AllOf(HasSubstr("an array of 5 (2x1x1x2x1)"),
                                     HasSubstr("accepted: layer batch head token dim, layer batch token head dim")));
    auto const k = load(path, {{"k", "k"}, {"layout", "layer batch head token dim"}}).k.value();
    EXPECT_EQ(k.shape, (KvShape{2, 1, 2, 1}));
    EXPECT_THAT(floats(k), ElementsAre(1, 2, 3, 4));
}

TEST_F(Dump, WhatIsKnownBeforeValuesAreReadIsFoundThen) {
    auto const check = [](std::string const& path, Json source) {
        source["kind"] = "dump";
        return message_of<ConfigError>([&] { check_dump(source, {{"path", path}}); });
    };
    auto const half =
        folder_.write("half.safetensors", safetensors_bytes("{" + entry("k", "F16", "[1,1,1,2]", "[0,4]") + "}",
                                                            bytes_of<std::uint16_t>({0x3c00, 0x4000})));
    EXPECT_EQ(check(half, Json::object()), "");
    EXPECT_THAT(check(half, {{"k", "k"}, {"dtype", "bf16"}}), HasSubstr("dtype says bf16"));
    EXPECT_THAT(check(half, {{"k", "q"}}), HasSubstr("no such array"));
    EXPECT_THAT(check(half, {{"k", "k"}, {"layout", "token dim"}}), HasSubstr("a layout of 2 axes"));
    EXPECT_EQ(check(folder_.write("broken.safetensors", ""), Json::object()), "");
    EXPECT_EQ(check(folder_ / "absent.safetensors", Json::object()), "");
}

TEST_F(Dump, ARopeOfABaseBelowOneIsRefused) {
    auto const path = folder_.write(
        "r.safetensors",
        safetensors_bytes(R"({"__metadata__":{"rope":"{\"base\":0.5,\"dims\":2,\"interleaved\":false,\"scale\":1}"},)" +
                              entry("k", "F32", "[1,1,1,2]", "[0,8]") + "}",
                          bytes_of<float>({1, 2})));
    EXPECT_THAT(corrupt(path), HasSubstr("a base of 0.5, which is below 1"));
}

TEST_F(Dump, NpyThatIsNone) {
    auto const file = [&](std::string const& dict, std::string const& data = std::string(8, '\0'), char version = 1) {
        return folder_.write("x.npy", npy_bytes(dict, data, version));
    };
    Json const source{{"k", "data"}, {"layout", "token dim"}};
    EXPECT_THAT(corrupt(folder_.write("x.npy", "NUMPY but not quite")), HasSubstr("does not begin"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}", "", 9)),
                HasSubstr("version 9.0"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"), source),
                HasSubstr("need 16 bytes"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }"), source),
                HasSubstr("need 4 bytes"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False}")), HasSubstr("missing"));
    EXPECT_THAT(corrupt(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}")),
                HasSubstr("records"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2)}")),
                HasSubstr("whole numbers below"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 9999999999)}")),
                HasSubstr("too large to exist"));
    EXPECT_THAT(corrupt(file("{'descr': '<f4")), HasSubstr("does not end"));
    EXPECT_THAT(refused(file("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }"), source),
                HasSubstr("'>f4'"));
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

TEST_F(Dump, NpzStoredAndDeflated) {
    std::vector<float> values(400);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
    auto const npy = npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (100, 4), }\n",
                               {reinterpret_cast<char const*>(values.data()), 1600});
    for (bool const store : {true, false}) {
        auto const path = deflated_npz(folder_ / "a.npz", "keys.npy", npy, store);
        auto const tensors = load(path, {{"k", "keys"}, {"layout", "token dim"}}, 50);
        EXPECT_EQ(tensors.k->shape, (KvShape{1, 1, 50, 4}));
        EXPECT_THAT(refused(path, {{"k", "values"}}), HasSubstr("keys (100x4 f32)"));
        // A flipped byte of the data fails its checksum, or what it inflates to.
        auto damaged = read_file(path);
        auto const middle = damaged.size() / 2;
        damaged[middle] = static_cast<char>(damaged[middle] ^ 0x55);
        EXPECT_NE(corrupt(folder_.write("d.npz", damaged), {{"k", "keys"}, {"layout", "token dim"}}), "");
        EXPECT_NE(corrupt(folder_.write("d.npz", read_file(path).substr(0, 200)), {{"k", "keys"}}), "");
    }
    EXPECT_THAT(corrupt(deflated_npz(folder_ / "b.npz", "k.npy", npy + "more")),
                HasSubstr("need 1600 bytes, 1604 are declared"));
    EXPECT_THAT(message_of<SystemError>([&] { load(folder_ / "absent.npz"); }), HasSubstr("absent.npz"));
    EXPECT_NE(corrupt(folder_.write("e.npz", "PK is not enough")), "");
    EXPECT_NE(corrupt(folder_.write("e.npz", "")), "");
}

TEST_F(Dump, NpzThatDeclaresMoreThanItCanHold) {
    auto const npy =
        npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (100, 4), }\n", std::string(1600, '\0'));
    auto bytes = read_file(deflated_npz(folder_ / "a.npz", "k.npy", npy));
    // The central directory's entry: signature, and the uncompressed size 24 bytes on.
    auto const directory = bytes.rfind("PK\1\2");
    bytes.replace(directory + 24, 4, bytes_of<std::uint32_t>({0x7fffffff}));
    EXPECT_THAT(corrupt(folder_.write("bomb.npz", bytes)), HasSubstr("declares 2147483647 bytes"));
}

TEST_F(Dump, RawBinaryAsDescribed) {
    auto const data = bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8});
    auto const path = folder_.write("dump.bin", data);
    auto const described = [](std::uint64_t offset, Json shape) {
        return Json{{"dtype", "f32"}, {"layout", "token head dim"}, {"offset", offset}, {"shape", std::move(shape)}};
    };
    auto const tensors = load(path, {{"raw", {{"k", described(0, {2, 2, 1})}, {"v", described(16, {2, 2, 1})}}}});
    EXPECT_THAT(floats(*tensors.k), ElementsAre(1, 3, 2, 4));
    EXPECT_THAT(floats(*tensors.v), ElementsAre(5, 7, 6, 8));
    EXPECT_THAT(corrupt(path, {{"raw", {{"k", described(0, {2, 2, 1})}, {"v", described(12, {2, 2, 1})}}}}),
                HasSubstr("overlaps"));
    EXPECT_THAT(corrupt(path, {{"raw", {{"k", described(0, {2, 2, 3})}}}}),
                HasSubstr("need 48 bytes, the file has 32"));
    EXPECT_THAT(corrupt(path, {{"raw", {{"k", described(0, {2, 2, 1})}}}}),
                HasSubstr("ends at byte 16, the file at byte 32"));
    EXPECT_THAT(corrupt(path, {{"raw", {{"k", described(1ULL << 63, {2, 2, 1})}}}}), HasSubstr("need 16 bytes"));
}

TEST_F(Dump, Distilgpt2Slices) {
    auto const k_path = test_data("dumps/slices_l2h5k.npz");
    if (!k_path) GTEST_SKIP() << "slices_l2h5k.npz is not among the test data";
    auto const k =
        load(k_path->string(), {{"k", "values"}, {"scale", "scale"}, {"dtype", "i8"}, {"layout", "token dim"}}).k;
    ASSERT_EQ(k->shape, (KvShape{1, 1, 402, 64}));
    // The first bytes are f5 00 00 01; the scale's are 5d 2e 97 cb f5 2e b9 3f.
    double scale = 0;
    std::uint64_t const bits = 0x3fb92ef5cb972e5d;
    std::memcpy(&scale, &bits, 8);
    auto const values = floats(*k);
    EXPECT_EQ(values[0], static_cast<float>(-11 * scale));
    EXPECT_EQ(values[1], 0);
    EXPECT_EQ(values[3], static_cast<float>(scale));
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
