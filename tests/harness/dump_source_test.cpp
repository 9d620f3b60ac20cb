// Dumps as files of safetensors and raw binaries: reading, writing and errors.

#include <filesystem>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/files/array_file.hpp"
#include "harness/sources/dump.hpp"
#include "harness/sources/elements.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/content_hash.hpp"
#include "tests/harness/dump_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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
    EXPECT_THAT(refused(two, {}, 2), HasSubstr("the context of 2 tokens is longer than its 1 tokens"));
    EXPECT_THAT(message_of<SystemError>([&] { load(folder_ / "absent.safetensors"); }),
                HasSubstr("absent.safetensors"));
    std::filesystem::create_directory(folder_ / "folder.npy");
    EXPECT_THAT(message_of<SystemError>([&] { load(folder_ / "folder.npy"); }), HasSubstr("not a regular file"));
    EXPECT_THAT(refused(folder_.write("x.bin", "1234")),
                HasSubstr("accepted: .safetensors, .safetensors.index.json, .npy, .npz, .pt"));
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

/// [batch, head, token, dim] of 2 x 2 x 2 x 1, layer by layer, as transformers' caches are saved.
TEST_F(Dump, OneSequenceOfABatchIsReadAlone) {
    auto const path =
        folder_.write("batch.safetensors",
                      safetensors_bytes("{" + entry("layers.0.key", "F32", "[2,2,2,1]", "[0,32]") + "," +
                                            entry("layers.1.key", "F32", "[2,2,2,1]", "[32,64]") + "}",
                                        bytes_of<float>({0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17})));
    Json source{{"k", "layers.{layer}.key"}, {"layout", "batch head token dim"}};
    EXPECT_EQ(load(path, source).k->shape, (KvShape{2, 4, 2, 1}));
    source["batch"] = 0;
    EXPECT_EQ(load(path, source).k->shape, (KvShape{2, 2, 2, 1}));
    EXPECT_THAT(floats(*load(path, source).k), ElementsAre(0, 1, 2, 3, 10, 11, 12, 13));
    source["batch"] = 1;
    EXPECT_THAT(floats(*load(path, source).k), ElementsAre(4, 5, 6, 7, 14, 15, 16, 17));
    EXPECT_THAT(floats(*load(path, source, 1).k), ElementsAre(4, 6, 14, 16));
    source["batch"] = 2;
    EXPECT_THAT(refused(path, source), HasSubstr("no sequence 2 among 2: '2'; accepted: 0 to 1"));
    EXPECT_THAT(refused(path, {{"k", "layers.0.key"}, {"layout", "layer head token dim"}, {"batch", 0}}),
                HasSubstr("batch for a layout without that axis"));
}

TEST_F(Dump, ShardsAreReadThroughTheirIndex) {
    folder_.write("a-1.safetensors",
                  safetensors_bytes("{" + entry("k", "F32", "[1,1,1,2]", "[0,8]") + "}", bytes_of<float>({1, 2})));
    folder_.write("a-2.safetensors",
                  safetensors_bytes("{" + entry("v", "F32", "[1,1,1,2]", "[0,8]") + "}", bytes_of<float>({3, 4})));
    auto const index = [&](std::string const& map) {
        return folder_.write("a.safetensors.index.json",
                             R"({"metadata":{"total_size":16},"weight_map":{)" + map + "}}");
    };
    auto const path = index(R"("k":"a-1.safetensors","v":"a-2.safetensors")");
    EXPECT_THAT(floats(*load(path).k), ElementsAre(1, 2));
    EXPECT_THAT(floats(*load(path).v), ElementsAre(3, 4));
    // Its identity is the content of all of them.
    auto const before = named_hash(path);
    folder_.write("a-2.safetensors",
                  safetensors_bytes("{" + entry("v", "F32", "[1,1,1,2]", "[0,8]") + "}", bytes_of<float>({3, 5})));
    EXPECT_NE(named_hash(path), before);
    EXPECT_THAT(corrupt(index(R"("k":"a-2.safetensors")")), HasSubstr("tensor 'k' is not in"));
    EXPECT_THAT(corrupt(index(R"("k":"../a-1.safetensors")")), HasSubstr("beside its index"));
    EXPECT_THAT(corrupt(index(R"("k":1)")), HasSubstr("has no shard"));
    EXPECT_THAT(corrupt(index("")), HasSubstr("names no tensor"));
    EXPECT_THROW(load(index(R"("k":"a-3.safetensors")")), SystemError);
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

/// Two heads of 3 tokens and 2 channels, of which 2 tokens and 1 channel are in use.
TEST_F(Dump, WhatAnArrayHasRoomForAloneIsLeftOut) {
    auto const data = bytes_of<float>({1, 9, 2, 9, 9, 9, 3, 9, 4, 9, 9, 9});
    auto const npy = folder_.write(
        "roomy.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 2), }", data));
    auto const raw = folder_.write("roomy.bin", data);
    Json const described{{"dtype", "f32"}, {"layout", "layer head token dim"},
                         {"offset", 0},    {"shape", {1, 2, 3, 2}},
                         {"tokens", 2},    {"dim", 1}};
    for (auto const& [path, source] :
         {std::pair{npy, Json{{"k", "data"}, {"tokens", 2}, {"dim", 1}}}, {raw, Json{{"raw", {{"k", described}}}}}}) {
        auto const tensors = load(path, source);
        EXPECT_EQ(tensors.k->shape, (KvShape{1, 2, 2, 1}));
        EXPECT_THAT(floats(*tensors.k), ElementsAre(1, 2, 3, 4));
        EXPECT_THAT(floats(*load(path, source, 1).k), ElementsAre(1, 3));
        EXPECT_THAT(refused(path, source, 3), HasSubstr("the context of 3 tokens is longer than its 2 tokens"));
    }
    EXPECT_THAT(floats(*load(npy, {{"k", "data"}, {"layout", "layer token head dim"}, {"tokens", 1}}).k),
                ElementsAre(1, 9, 2, 9, 9, 9));
    EXPECT_THAT(refused(npy, {{"k", "data"}, {"tokens", 4}}),
                HasSubstr("4 tokens in use are more than it has: '4'; accepted: 1 to 3"));
    EXPECT_THAT(refused(npy, {{"k", "data"}, {"dim", 3}}), HasSubstr("3 channels in use are more than it has"));
}

TEST_F(Dump, AFileThatSaysNotWhichArrayIsKIsToldHowToBeRead) {
    auto const told = [&](std::string const& header, std::size_t bytes) {
        auto const path = folder_.write("f.safetensors", safetensors_bytes(header, std::string(bytes, '\1')));
        auto message = refused(path);
        for (auto at = message.find(path); at != std::string::npos; at = message.find(path))
            message.replace(at, path.size(), "F");
        return message;
    };
    // The suggested texts read the file.
    EXPECT_THAT(told("{" + entry("values", "U8", "[4,2]", "[0,8]") + "," + entry("s", "F32", "[]", "[8,12]") + "}", 12),
                HasSubstr("accepted: dump: {path: F, k: values, layout: token dim, dtype: i8, scale: s}, "
                          "dump: {path: F, v: values, layout: token dim, dtype: i8, scale: s}"));
    EXPECT_NO_THROW(
        load(folder_ / "f.safetensors", {{"k", "values"}, {"layout", "token dim"}, {"dtype", "i8"}, {"scale", "s"}}));
    EXPECT_THAT(told("{" + entry("layer_0.key", "F16", "[1,2,1]", "[0,4]") + "," +
                         entry("layer_0.value", "F16", "[1,2,1]", "[4,8]") + "," +
                         entry("layer_1.key", "F16", "[1,2,1]", "[8,12]") + "," +
                         entry("layer_1.value", "F16", "[1,2,1]", "[12,16]") + "}",
                     16),
                HasSubstr(R"(accepted: dump: {path: F, k: "layer_{layer}.key", v: "layer_{layer}.value"})"));
    EXPECT_EQ(load(folder_ / "f.safetensors", {{"k", "layer_{layer}.key"}, {"v", "layer_{layer}.value"}}).v->shape,
              (KvShape{2, 1, 2, 1}));
    EXPECT_THAT(told("{" + entry("x", "F16", "[2]", "[0,4]") + "}", 4),
                AllOf(HasSubstr("no array is called k or v"), Not(HasSubstr("accepted"))));
    EXPECT_THAT(told("{}", 0), HasSubstr("there is no array in this file"));
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

}  // namespace
}  // namespace kvstone
