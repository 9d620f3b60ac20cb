// Dumps that torch.save() wrote: views of storages, caches as transformers nests them, and errors.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/files/array_file.hpp"
#include "harness/files/pickle.hpp"
#include "tests/harness/dump_fixture.hpp"
#include "tests/harness/torch_files.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TorchDump : public Dump {
  protected:
    std::string write(std::string const& value, std::map<std::string, std::string> const& storages,
                      std::string const& byte_order = "little") {
        return pickled::write_archive(folder_ / "cache.pt", pickled::program(value), storages, byte_order);
    }
    /// The error for a file that is a dict with this k alone, over a storage "0" of the floats 0 to 7.
    std::string corrupt_k(std::string const& k) { return corrupt(write(pickled::dict({{"k", k}}), {{"0", eight()}})); }
    std::string refused_k(std::string const& k) { return refused(write(pickled::dict({{"k", k}}), {{"0", eight()}})); }
    static std::string eight() { return bytes_of<float>({0, 1, 2, 3, 4, 5, 6, 7}); }
};

TEST_F(TorchDump, ReadsTensorsOfADict) {
    auto const path = write(pickled::dict({{"k", pickled::tensor("FloatStorage", "0", {1, 2, 2, 2})},
                                           {"v", pickled::tensor("HalfStorage", "1", {1, 2, 2, 1})},
                                           {"step", pickled::integer(7)},
                                           {"of", pickled::text("a model")}}),
                            {{"0", eight()}, {"1", bytes_of<std::uint16_t>({0x3c00, 0, 0x4000, 0x3c00})}});
    auto const tensors = load(path);
    EXPECT_EQ(tensors.k->shape, (KvShape{1, 2, 2, 2}));
    EXPECT_THAT(floats(*tensors.k), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
    EXPECT_EQ(tensors.v->type, ElementType::f16);
    EXPECT_THAT(floats(*load(path, {}, 1).k), ElementsAre(0, 1, 4, 5));
}

/// K as attention makes it: a view of [batch, token, head, dim] with head and token exchanged; V, from the second token
/// on, of the same storage.
TEST_F(TorchDump, HonoursStridesAndOffsets) {
    auto const path =
        write(pickled::dict({{"k", pickled::tensor({"FloatStorage", "0", 8, {1, 2, 2, 2}, {8, 2, 4, 1}})},
                             {"v", pickled::tensor({"FloatStorage", "0", 8, {1, 2, 2, 1}, {8, 2, 1, 4}, 4})},
                             {"columns", pickled::tensor({"FloatStorage", "0", 8, {2, 3}, {1, 2}, 1})},
                             {"scalar", pickled::tensor({"FloatStorage", "0", 8, {}, {}, 5})}}),
              {{"0", eight()}});
    auto const tensors = load(path);
    EXPECT_THAT(floats(*tensors.k), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
    EXPECT_THAT(floats(*tensors.v), ElementsAre(4, 5, 6, 7));
    EXPECT_THAT(floats(*load(path, {{"k", "columns"}, {"layout", "token dim"}}).k), ElementsAre(1, 3, 5, 2, 4, 6));
    auto const file = open_torch(path);
    EXPECT_EQ(file->arrays().at("scalar").shape.size(), 0U);
    float value = 0;
    std::memcpy(&value, file->bytes("scalar").get(), sizeof value);
    EXPECT_EQ(value, 5);
}

TEST_F(TorchDump, StacksTheLayersOfATuple) {
    auto const layer = [](char const* k, char const* v) {
        return pickled::tuple(
            {pickled::tensor("FloatStorage", k, {1, 2, 2, 1}), pickled::tensor("FloatStorage", v, {1, 2, 2, 1})});
    };
    std::map<std::string, std::string> const storages{{"0", bytes_of<float>({0, 1, 2, 3})},
                                                      {"1", bytes_of<float>({10, 11, 12, 13})},
                                                      {"2", bytes_of<float>({4, 5, 6, 7})},
                                                      {"3", bytes_of<float>({14, 15, 16, 17})}};
    auto const cache = pickled::tuple({layer("0", "1"), layer("2", "3")});
    std::string const below = "past_key_values.";
    for (auto const& [value, prefix] :
         {std::pair{cache, std::string()}, {pickled::dict({{"past_key_values", cache}}), below}}) {
        auto const path = write(value, storages);
        auto const tensors = load(path);
        EXPECT_EQ(tensors.k->shape, (KvShape{2, 2, 2, 1}));
        EXPECT_THAT(floats(*tensors.k), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
        EXPECT_THAT(floats(*tensors.v), ElementsAre(10, 11, 12, 13, 14, 15, 16, 17));
        EXPECT_EQ(tensors.metadata.at("read"), "k from '" + prefix + "{layer}.0', v from '" + prefix +
                                                   "{layer}.1', each 'layer batch head token dim'");
        Json const named{{"v", prefix + "{layer}.0"}, {"layout", "batch token head dim"}};
        EXPECT_THAT(floats(*load(path, named).v), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
    }
}

TEST_F(TorchDump, ALayerThatIsMissingOrDiffersIsRefused) {
    auto const k = [](char const* key, std::int32_t tokens) {
        return pickled::tensor("FloatStorage", key, {1, 1, tokens, 1});
    };
    std::map<std::string, std::string> const storages{{"0", eight()}, {"1", eight()}};
    auto const gap = write(pickled::dict({{"k.0", k("0", 2)}, {"k.2", k("0", 2)}}), storages);
    EXPECT_THAT(refused(gap, {{"k", "k.{layer}"}}), HasSubstr("layer 1 is missing, and layer 2 is there"));
    EXPECT_THAT(refused(gap, {{"k", "key.{layer}"}}), AllOf(HasSubstr("no array of this pattern"), HasSubstr("k.0")));
    auto const differ = write(pickled::dict({{"k.0", k("0", 2)}, {"k.1", k("1", 3)}}), storages);
    EXPECT_THAT(refused(differ, {{"k", "k.{layer}"}}),
                HasSubstr("layers that differ: 'k.0' is 1x1x2x1 of f32, 'k.1' is 1x1x3x1 of f32"));
}

/// DynamicCache before and since transformers 4.54: attributes of objects, which stay unmade.
TEST_F(TorchDump, ReadsAttributesOfTransformersCaches) {
    auto const made = [](char const* type, std::string const& attributes) {
        return pickled::global("transformers.cache_utils", type) + ")\x81" + attributes + "b";
    };
    auto const k = pickled::tensor("FloatStorage", "0", {1, 1, 2, 1});
    auto const v = pickled::tensor("FloatStorage", "1", {1, 1, 2, 1});
    std::map<std::string, std::string> const storages{{"0", bytes_of<float>({1, 2})}, {"1", bytes_of<float>({3, 4})}};
    auto const device = pickled::global("torch", "device") + pickled::tuple({pickled::text("cpu")}) + "R";
    for (auto const& cache :
         {made("DynamicCache", pickled::dict({{"_seen_tokens", pickled::integer(2)},
                                              {"key_cache", pickled::list({k})},
                                              {"value_cache", pickled::list({v})}})),
          made("DynamicCache",
               pickled::dict(
                   {{"layers", pickled::list({made("DynamicLayer",
                                                   pickled::dict({{"keys", k}, {"values", v}, {"device", device}}))})},
                    {"dtype", pickled::global("torch", "float32")}}))}) {
        auto const tensors = load(write(cache, storages));
        EXPECT_THAT(floats(*tensors.k), ElementsAre(1, 2));
        EXPECT_THAT(floats(*tensors.v), ElementsAre(3, 4));
    }
}

/// Types without a storage of their own, and parameters; protocol 4 with its memo.
TEST_F(TorchDump, ReadsNewerTypesAndOpcodes) {
    auto const storage = pickled::tuple({pickled::text("storage"), pickled::global("torch.storage", "UntypedStorage"),
                                         pickled::text("0"), pickled::text("cuda:0"), pickled::integer(3)}) +
                         "Q";
    auto const small =
        pickled::global("torch._utils", "_rebuild_tensor_v3") +
        pickled::tuple({storage, pickled::integer(1), pickled::integers({1, 1, 1, 2}), pickled::integers({2, 2, 2, 1}),
                        "\x89", pickled::no_hooks(), pickled::global("torch", "float8_e4m3fn")}) +
        "R";
    auto const path = write(pickled::dict({{"k", small}}), {{"0", bytes_of<std::uint8_t>({0, 0x38, 0xfe})}});
    EXPECT_THAT(floats(*load(path, {{"k", "k"}, {"scale", "1"}}).k), ElementsAre(1, -448));

    auto const parameter =
        pickled::global("torch._utils", "_rebuild_parameter") +
        pickled::tuple({pickled::tensor("FloatStorage", "0", {1, 1, 1, 2}), "\x88", pickled::no_hooks()}) + "R";
    EXPECT_THAT(floats(*load(write(pickled::dict({{"k", parameter}}), {{"0", bytes_of<float>({1, 2})}})).k),
                ElementsAre(1, 2));

    // {"k": tensor} with what protocol 4 has: a frame, short texts, names from the stack, and the memo. The size stands
    // in the memo at 1, and is the stride, too.
    std::string const short_text("\x8c");
    auto const name = [&](std::string const& module, std::string const& last) {
        return short_text + static_cast<char>(module.size()) + module + short_text + static_cast<char>(last.size()) +
               last + "\x93";
    };
    std::string const size = "(K\x01K\x01K\x01M\x01" + std::string(1, '\0') + "t";
    auto const body = "}" + short_text + "\x01k" + name("torch._utils", "_rebuild_tensor_v2") + "\x94(" +
                      pickled::tuple({short_text + "\x07storage", name("torch", "FloatStorage"),
                                      short_text + "\x01" + "0", short_text + "\x03" + "cpu", "\x8a\x01\x02"}) +
                      "Q\x8a" + std::string(1, '\0') + size + "q\x01h\x01\x89)tRs.";
    auto const framed = "\x80\x04\x95" + bytes_of<std::uint64_t>({body.size()}) + body;
    auto const tensors = load(pickled::write_archive(folder_ / "p4.pt", framed, {{"0", bytes_of<float>({3, 4})}}));
    EXPECT_THAT(floats(*tensors.k), ElementsAre(3));
}

/// StaticCache marks its tensors for the compiler, by attributes.
TEST_F(TorchDump, ReadsTensorsWithAttributes) {
    auto const marked = [](std::string const& function, std::string const& arguments, std::string const& attributes) {
        return pickled::global("torch._tensor", "_rebuild_from_type_v2") +
               pickled::tuple({function, pickled::global("torch", "Tensor"), arguments, attributes}) + "R";
    };
    auto const storage = pickled::tuple({pickled::text("storage"), pickled::global("torch", "BFloat16Storage"),
                                         pickled::text("0"), pickled::text("cpu"), pickled::integer(16)}) +
                         "Q";
    auto const arguments = pickled::tuple({storage, pickled::integer(2), pickled::integers({1, 2, 2, 1}),
                                           pickled::integers({4, 1, 2, 1}), "\x89", pickled::no_hooks()});
    auto const rebuild = pickled::global("torch._utils", "_rebuild_tensor_v2");
    auto const attributes = pickled::dict({{"_is_static", pickled::integer(1)}});
    std::string words;
    for (std::uint16_t word = 0; word < 16; ++word) words += bytes_of<std::uint16_t>({word});
    auto const tensors = load(write(pickled::dict({{"k", marked(rebuild, arguments, attributes)}}), {{"0", words}}));
    EXPECT_EQ(tensors.k->type, ElementType::bf16);
    auto const span = tensors.k->span();
    EXPECT_EQ(std::string(reinterpret_cast<char const*>(span.data()), span.size()),
              bytes_of<std::uint16_t>({2, 4, 3, 5}));
    EXPECT_THAT(corrupt_k(marked("N", arguments, attributes)), HasSubstr("no name"));
    EXPECT_THAT(corrupt_k(pickled::global("torch._tensor", "_rebuild_from_type_v2") + pickled::tuple({rebuild}) + "R"),
                HasSubstr("no tensor with attributes"));
    // One within another, nearly without an end.
    auto nested = arguments;
    auto function = rebuild;
    for (int i = 0; i < 100; ++i) {
        nested = pickled::tuple({function, pickled::global("torch", "Tensor"), nested, attributes});
        function = pickled::global("torch._tensor", "_rebuild_from_type_v2");
    }
    EXPECT_THAT(corrupt_k(marked(function, nested, attributes)), HasSubstr("no tensor with attributes"));
}

TEST_F(TorchDump, ExecutesNothing) {
    auto const trace = folder_ / "trace";
    auto const call = pickled::global("posix", "system") + pickled::tuple({pickled::text("touch " + trace)}) + "R";
    EXPECT_THAT(refused_k(call), AllOf(HasSubstr("'posix.system'"), HasSubstr("this reader executes nothing")));
    EXPECT_FALSE(std::filesystem::exists(trace));
    for (auto const& [module, name] : {std::pair{"builtins", "eval"},
                                       {"torch", "load"},
                                       {"torch._utils", "_rebuild_wrapper_subclass"},
                                       {"numpy", "dtype"}})
        EXPECT_THAT(refused_k(pickled::global(module, name)), HasSubstr(std::string(module) + "." + name));
}

TEST_F(TorchDump, NoViewLeavesItsStorage) {
    auto const view = [](std::vector<std::int32_t> size, std::vector<std::int32_t> stride, std::int32_t offset = 0,
                         std::int32_t elements = 8) {
        return pickled::tensor({"FloatStorage", "0", elements, std::move(size), std::move(stride), offset});
    };
    EXPECT_EQ(corrupt_k(view({1, 1, 4, 2}, {8, 8, 2, 1})), "");
    EXPECT_THAT(corrupt_k(view({1, 1, 4, 2}, {8, 8, 2, 1}, 1)), HasSubstr("outside of its storage of 8 elements"));
    EXPECT_THAT(corrupt_k(view({1, 1, 4, 2}, {8, 8, 2, 2})), HasSubstr("outside"));
    EXPECT_THAT(corrupt_k(view({1, 1, 4, 2}, {8, 8, 2, 1}, 0, 9)),
                HasSubstr("a storage of 36 bytes, of which the file has 32"));
    EXPECT_THAT(corrupt_k(view({1, 1, 4, 2}, {8, 8, -2, 1}, 6)), HasSubstr("whole numbers from 0"));
    EXPECT_THAT(corrupt_k(view({1, 1, 4, 2}, {8, 8, 2})), HasSubstr("3 strides for 4 axes"));
    EXPECT_THAT(corrupt_k(view({1 << 30, 1 << 30, 1 << 30, 2}, {0, 0, 0, 1})), HasSubstr("too large to exist"));
    EXPECT_THAT(corrupt_k(view({2, 2, 2, 2}, {1 << 30, 1 << 30, 1 << 30, 1})), HasSubstr("outside"));
    EXPECT_THAT(corrupt_k(view({1, 1, 0, 2}, {8, 8, 2, 1})), HasSubstr("zero tokens"));
    EXPECT_THAT(refused_k(view({1, 8, 4, 2}, {8, 0, 2, 1})), HasSubstr("repeats its values (64 of 8 stored ones"));
}

TEST_F(TorchDump, WhatIsNoTensorIsRefused) {
    auto const plain = pickled::tensor("FloatStorage", "0", {1, 1, 4, 2});
    EXPECT_THAT(corrupt_k(pickled::tensor("FloatStorage", "7", {1, 1, 4, 2})), HasSubstr("not in the file: '7'"));
    EXPECT_THAT(corrupt_k(pickled::tensor(
                    {"FloatStorage", "0", 8, {1, 1, 4, 2}, {8, 8, 2, 1}, 0, pickled::dict({{"neg", "\x88"}})})),
                HasSubstr("negates or conjugates"));
    EXPECT_THAT(corrupt(write(pickled::dict({{"a.b", plain}, {"a", pickled::dict({{"b", plain}})}}), {{"0", eight()}})),
                HasSubstr("two tensors of one name"));
    // A list that holds itself: put into the memo, taken out of it, appended.
    EXPECT_THAT(corrupt(write("]q\x01h\x01"
                              "a",
                              {})),
                HasSubstr("without an end"));
    // 2^30 ways to one tensor: each tuple holds the one before twice.
    auto doubled = plain;
    for (int i = 0; i < 30; ++i) doubled += "q\x01h\x01\x86";
    EXPECT_THAT(corrupt(write(doubled, {{"0", eight()}})), HasSubstr("more than 65536 tensors"));
    doubled.replace(0, plain.size(), "N");
    EXPECT_THAT(corrupt(write(doubled, {})), HasSubstr("without an end"));
    EXPECT_THAT(refused(write(pickled::dict({{"k", plain}}), {{"0", eight()}}, "big")), HasSubstr("byte order: 'big'"));
    EXPECT_THAT(refused_k(pickled::integer(1)), HasSubstr("there is no array in this file"));
    std::filesystem::remove(folder_ / "empty.pt");
    ZipWriter archive(folder_ / "empty.pt");
    archive.add_text("cache/model.json", "{}");
    archive.close();
    EXPECT_THAT(corrupt(folder_ / "empty.pt"), HasSubstr("without data.pkl"));
}

/// Below the archive's checksums: pickles that are cut short, or with a bit turned over, are read or refused.
TEST_F(TorchDump, AnyBytesAreReadOrRefused) {
    auto const good =
        pickled::program(pickled::dict({{"k", pickled::tensor({"FloatStorage", "0", 8, {1, 2, 2, 2}, {8, 2, 4, 1}})},
                                        {"v", pickled::tuple({pickled::tensor("HalfStorage", "1", {2, 2})})}}));
    std::map<std::string, std::string> const storages{{"0", eight()}, {"1", std::string(8, '\0')}};
    auto const read = [&](std::string const& pickle) {
        try {
            load(pickled::write_archive(folder_ / "any.pt", pickle, storages), {{"k", "k"}});
        } catch (CorruptData const&) {
            return false;
        } catch (ConfigError const&) {
            return false;
        }
        return true;
    };
    ASSERT_TRUE(read(good));
    for (std::size_t length = 0; length < good.size(); ++length) EXPECT_FALSE(read(good.substr(0, length))) << length;
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (int const bit : {static_cast<int>(at % 8), static_cast<int>((at + 5) % 8)}) {
            auto altered = good;
            altered[at] = static_cast<char>(altered[at] ^ (1 << bit));
            read(altered);
        }
    }
}

TEST_F(TorchDump, EveryTruncatedArchiveIsAnError) {
    auto const path =
        write(pickled::dict({{"k", pickled::tensor("FloatStorage", "0", {1, 1, 4, 2})}}), {{"0", eight()}});
    auto const whole = read_file(path);
    ASSERT_TRUE(load(path).k);
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_THROW(load(folder_.write("cut.pt", whole.substr(0, length))), CorruptData) << length;
}

TEST(PickleMachine, TellsWhatIsWrongAndWhere) {
    auto const told = [](std::string const& program) {
        return message_of<CorruptData>(
            [&] { read_pickle(std::as_bytes(std::span(program)), [](std::string const&) { return true; }, "p"); });
    };
    EXPECT_EQ(told(""), "p: byte 0 of its pickle: ends early");
    EXPECT_EQ(told("\x80\x02"), "p: byte 2 of its pickle: ends early");
    EXPECT_THAT(told("\x80\x07N."), HasSubstr("protocol 7"));
    EXPECT_THAT(told("."), HasSubstr("takes a value where there is none"));
    EXPECT_THAT(told("N(a."), HasSubstr("takes a value where there is none")) << "no value above the mark";
    EXPECT_THAT(told("Nt."), HasSubstr("a mark where there is none"));
    EXPECT_THAT(told("NN."), HasSubstr("more than one value"));
    EXPECT_THAT(told("h\x01."), HasSubstr("memo"));
    EXPECT_THAT(told("NNa."), HasSubstr("no list"));
    EXPECT_THAT(told("}(Nu."), HasSubstr("no dict"));
    EXPECT_THAT(told("N)R."), HasSubstr("calls something that is no name"));
    EXPECT_THAT(told("X\xff\xff\xff\xff"), HasSubstr("ends early"));
    EXPECT_THAT(told("X\x01" + std::string(3, '\0') + "\xff."), HasSubstr("UTF-8"));
    EXPECT_THAT(told("cos\nsystem"), HasSubstr("a name without an end"));
    EXPECT_THAT(told("\x8a\x09"
                     "123456789."),
                HasSubstr("more than 64 bits"));
    EXPECT_THAT(told("I01\n."), HasSubstr("opcode 0x49"));
    EXPECT_THAT(told(std::string(1 << 21, 'N')), HasSubstr("more than 1048576 values"));
    auto const integer = [](std::string const& program) {
        auto const pickle =
            read_pickle(std::as_bytes(std::span(program)), [](std::string const&) { return true; }, "p");
        return pickle[pickle.root].integer;
    };
    EXPECT_EQ(integer(std::string("\x8a\x02\x00\xff.", 5)), -256);
    EXPECT_EQ(integer("J\xfe\xff\xff\xff."), -2);
}

}  // namespace
}  // namespace kvstone
