#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scratch_folder.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// `printf abc | sha256sum`, from FIPS 180-2, and of the empty message.
constexpr auto abc_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr auto empty_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Cells of a scenario with the given items of `sources:`, one cell a source.
std::vector<Cell> cells_of(std::string const& sources, std::string const& folder = ".") {
    return parse_plan("kvstone: 1\nsources: [" + sources + "]\ngrid: {context: [8], codec: [raw]}\n" +
                          "workloads: [roundtrip]\n",
                      "test.yaml", folder, fake_vocabulary(folder))
        .cells;
}

/// The error for a source.
std::string refusal_of(std::string const& source, std::string const& folder) {
    try {
        cells_of(source, folder);
    } catch (ConfigError const& error) {
        return error.what();
    }
    return {};
}

Json source_of(std::string const& source, std::string const& folder = ".") {
    return cells_of(source, folder).at(0).source;
}

TEST(Synthetic, SpellsNumbersAndLeavesDefaultsOut) {
    EXPECT_EQ(source_of("synthetic: {shape: llama-3.1-8b, layers: 2, seed: 7, format: 1}").dump(),
              R"({"head_dim":128,"heads":32,"kind":"synthetic","kv_heads":8,"layers":2,"rope_base":500000,"seed":7})");
    EXPECT_EQ(source_of("synthetic: {layers: 2, kv_heads: 4, head_dim: 64}").dump(),
              R"({"format":2,"head_dim":64,"kind":"synthetic","kv_heads":4,"layers":2})");
    EXPECT_EQ(source_of("synthetic: {layers: 2, heads: 4, kv_heads: 4, head_dim: 64, seed: 0, distribution: llama, "
                        "rope_base: 1e4}"),
              source_of("synthetic: {layers: 2, kv_heads: 4, head_dim: 64}"));
    EXPECT_EQ(source_of("synthetic: {layers: 2, kv_heads: 4, head_dim: 64, rope_base: 1.5}").at("rope_base"), 1.5);
    EXPECT_EQ(source_of("synthetic: {layers: 2, kv_heads: 4, head_dim: 64, rope_base: 0}").at("rope_base"), 0);
}

TEST(ModelSource, AListOrAPatternOfWeightsIsASourceEach) {
    ScratchFolder const folder;
    for (auto const* name : {"m-f16.gguf", "m-q8.gguf", "other.gguf"})
        std::ofstream(folder.path() + "/" + name) << name;
    std::ofstream(folder.path() + "/words.txt") << "abc";
    auto const names = [&](std::string const& model) {
        std::vector<std::string> all;
        for (auto const& cell : cells_of("model: {" + model + ", text: words.txt}", folder.path()))
            all.push_back(cell.source_name);
        return all;
    };
    EXPECT_THAT(names("gguf: 'm-*.gguf'"), ElementsAre("m-f16", "m-q8"));
    EXPECT_THAT(names("gguf: [other.gguf, 'm-*.gguf']"), ElementsAre("other", "m-f16", "m-q8"));
    auto const cells = cells_of("model: {gguf: 'm-*.gguf', reference: m-f16.gguf, text: words.txt}", folder.path());
    for (auto const& cell : cells) {
        EXPECT_EQ(cell.source.at("reference_sha256"), cells[0].source.at("sha256"));
        EXPECT_THAT(cell.locator.at("reference").get<std::string>(), testing::EndsWith("/m-f16.gguf"));
    }
    EXPECT_NE(cells[0].id, cells_of("model: {gguf: m-f16.gguf, text: words.txt}", folder.path()).at(0).id)
        << "the same weights, compared with themselves by name or by default, are two questions";
    EXPECT_THAT(refusal_of("model: {gguf: 'none-*.gguf', text: words.txt}", folder.path()),
                HasSubstr("no file matches"));
    EXPECT_THAT(refusal_of("model: {gguf: m-q8.gguf, reference: 'm-*.gguf', text: words.txt}", folder.path()),
                HasSubstr("reference: expected one model"));
    EXPECT_THAT(refusal_of(std::string("model: {gguf: 'm-*.gguf', text: words.txt, sha256: ") + abc_sha256 + "}",
                           folder.path()),
                HasSubstr("one SHA-256 for several files"));
}

TEST(Synthetic, NormalValuesHaveNoRope) {
    EXPECT_EQ(source_of("synthetic: {shape: llama-3.1-8b, distribution: normal}").dump(),
              R"({"distribution":"normal","head_dim":128,"heads":32,"kind":"synthetic","kv_heads":8,"layers":32})");
}

TEST(Synthetic, ALatentIsPartOfTheIdentityWhereThereIsOne) {
    EXPECT_EQ(source_of("synthetic: {layers: 2, heads: 16, kv_heads: 1, head_dim: 576, latent: 512}").dump(),
              R"({"format":2,"head_dim":576,"heads":16,"kind":"synthetic","kv_heads":1,"latent":512,"layers":2})");
    EXPECT_EQ(source_of("synthetic: {layers: 2, kv_heads: 1, head_dim: 576, latent: 0}"),
              source_of("synthetic: {layers: 2, kv_heads: 1, head_dim: 576}"));
}

TEST(Synthetic, OwnNumbersWinOverTheShape) {
    auto const source = source_of("synthetic: {shape: gpt2, kv_heads: 3, heads: 6, head_dim: 32}");
    EXPECT_EQ(source.dump(), R"({"format":2,"head_dim":32,"heads":6,"kind":"synthetic","kv_heads":3,"layers":12})");
}

TEST(Model, IsKnownByTheContentOfItsFiles) {
    ScratchFolder const folder;
    folder.write("model.gguf", "abc");
    folder.write("words.txt", "");
    auto const cell = cells_of("model: {gguf: model.gguf, text: words.txt}", folder.path()).at(0);
    EXPECT_EQ(cell.source, (Json{{"kind", "model"}, {"sha256", abc_sha256}, {"text_sha256", empty_sha256}}));
    EXPECT_EQ(cell.locator, (Json{{"path", folder.path() + "/model.gguf"}, {"text", folder.path() + "/words.txt"}}));
    EXPECT_EQ(cell.source_name, "model");

    std::filesystem::rename(folder.path() + "/model.gguf", folder.path() + "/moved.gguf");
    auto const moved = cells_of("{name: other, model: {path: moved.gguf, text: words.txt}}", folder.path()).at(0);
    EXPECT_EQ(moved.id, cell.id);
    EXPECT_EQ(moved.source_name, "other");
    folder.write("moved.gguf", "abd");
    EXPECT_NE(cells_of("model: {path: moved.gguf, text: words.txt}", folder.path()).at(0).id, cell.id);
}

TEST(Model, BuiltInFilesAreFoundByName) {
    ScratchFolder const folder;
    folder.write("tiny", "abc");
    folder.write("builtin", "");
    auto const cell = cells_of("model: {gguf: tiny}", folder.path()).at(0);
    EXPECT_EQ(cell.source_name, "tiny");
    EXPECT_EQ(cell.locator, (Json{{"path", folder.path() + "/tiny"}, {"text", folder.path() + "/builtin"}}));
    EXPECT_EQ(cells_of("model: {gguf: tiny, text: builtin}", folder.path()).at(0).id, cell.id);
    EXPECT_EQ(cells_of("model: {gguf: ./tiny, text: ./builtin}", folder.path()).at(0).id, cell.id);
}

TEST(Model, OneThatIsFetchedIsFoundByName) {
    ScratchFolder const folder;
    folder.write("fetched.gguf", "abc");
    folder.write("builtin", "");
    auto words = fake_vocabulary(folder.path());
    words.fetched_model = [&](std::string const& name) -> std::string {
        if (name == "absent") throw ConfigError("run ./dev data absent", name);
        return name == "small" ? folder / "fetched.gguf" : "";
    };
    auto const cell_of = [&](std::string const& gguf) {
        return parse_plan("kvstone: 1\nsources: [model: {gguf: " + gguf +
                              "}]\ngrid: {context: [8], codec: [raw]}\nworkloads: [roundtrip]\n",
                          "test.yaml", folder.path(), words)
            .cells.at(0);
    };
    auto const cell = cell_of("small");
    EXPECT_EQ(cell.source_name, "small");
    EXPECT_EQ(cell.source.at("sha256"), abc_sha256);
    EXPECT_EQ(cell.locator.at("path"), folder / "fetched.gguf");
    EXPECT_EQ(cell_of("fetched.gguf").id, cell.id) << "content is identity";
    try {
        cell_of("absent");
        ADD_FAILURE() << "taken";
    } catch (ConfigError const& error) {
        EXPECT_STREQ(error.what(), "test.yaml:2:25: sources.0.model.gguf: run ./dev data absent: 'absent'");
    }
}

TEST(Model, AGivenDigestMustMatch) {
    ScratchFolder const folder;
    folder.write("model.gguf", "abc");
    folder.write("builtin", "");
    EXPECT_EQ(cells_of(std::string("model: {path: model.gguf, sha256: ") + abc_sha256 + "}", folder.path()).size(), 1);
    EXPECT_THROW(cells_of(std::string("model: {path: model.gguf, sha256: ") + empty_sha256 + "}", folder.path()),
                 ConfigError);
}

TEST(Dump, LeavesOutWhatIsCalledAsItIsAnyway) {
    ScratchFolder const folder;
    folder.write("cache.safetensors", "abc");
    auto const plain = source_of("dump: {path: cache.safetensors}", folder.path());
    EXPECT_EQ(plain, (Json{{"kind", "dump"}, {"sha256", abc_sha256}}));
    for (auto const* spelt : {"k: k, v: v", "q: q", "k: k, v: v, q: q, k_prerope: k_prerope",
                              "layout: layer head token dim", "layout: '  layer head  token dim '"})
        EXPECT_EQ(source_of(std::string("dump: {path: cache.safetensors, ") + spelt + "}", folder.path()), plain)
            << spelt;
    auto const named = [&](std::string const& names) {
        auto source = source_of("dump: {path: cache.safetensors, " + names + "}", folder.path());
        source.erase("kind");
        source.erase("sha256");
        return source.dump();
    };
    EXPECT_EQ(named("k: k"), R"({"k":"k"})");
    EXPECT_EQ(named("k: values, scale: scale, dtype: i8, layout: token dim"),
              R"({"dtype":"i8","k":"values","layout":"token dim","scale":"scale"})");
    EXPECT_EQ(named("q: queries"), R"({"k":"k","q":"queries","v":"v"})");
    EXPECT_EQ(named("k: v, v: k"), R"({"k":"v","v":"k"})");
}

TEST(Dump, ALatentIsSaidByNumberOrByShape) {
    ScratchFolder const folder;
    folder.write("cache.npy", "abc");
    auto const named = [&](std::string const& options) {
        auto source = source_of("dump: {path: cache.npy, k: data, " + options + "}", folder.path());
        source.erase("kind");
        source.erase("sha256");
        return source.dump();
    };
    EXPECT_EQ(named("shape: deepseek-v3"), R"({"k":"data","latent":512,"query_dim":192})");
    EXPECT_EQ(named("latent: 256"), R"({"k":"data","latent":256})");
    EXPECT_EQ(named("shape: deepseek-v3, latent: 448"), R"({"k":"data","latent":448,"query_dim":192})");
    EXPECT_THROW(named("latent: 0"), ConfigError);
    EXPECT_THROW(named("shape: gpt2"), ConfigError) << "which has none";
    EXPECT_THROW(named("shape: gpt3"), ConfigError);
}

TEST(Dump, PatternsAndListsGiveASourceAFile) {
    ScratchFolder const folder;
    folder.write("a/two.npz", "2");
    folder.write("a/one.npz", "1");
    folder.write("a/other.npy", "3");
    std::vector<std::string> names;
    for (auto const& cell : cells_of("dump: {path: ['a/*.npz', a/other.npy], k: x}", folder.path()))
        names.push_back(cell.source_name);
    EXPECT_THAT(names, ElementsAre("one", "two", "other"));
    EXPECT_THROW(cells_of("dump: {path: 'a/*.safetensors'}", folder.path()), ConfigError);
    EXPECT_THROW(cells_of("{name: both, dump: {path: 'a/*.npz'}}", folder.path()), ConfigError);
}

TEST(Dump, RawFilesAreDescribedByTheirSidecar) {
    ScratchFolder const folder;
    folder.write("cache.bin", "abc");
    folder.write("cache.bin.yaml", R"(dtype: f16
shape: [2, 1, 4, 8]
k: {offset: 0}
v: {offset: 128, dtype: i8, scale: 0.5, layout: token dim, shape: [4, 8]}
)");
    auto const cell = cells_of("dump: {path: cache.bin}", folder.path()).at(0);
    EXPECT_EQ(cell.source, Json::parse(std::string(R"({"kind":"dump","sha256":")") + abc_sha256 + R"(","raw":{
        "k":{"dtype":"f16","layout":"layer head token dim","offset":0,"shape":[2,1,4,8]},
        "v":{"dtype":"i8","layout":"token dim","offset":128,"scale":0.5,"shape":[4,8]}}})"));
    EXPECT_EQ(cell.locator,
              (Json{{"path", folder.path() + "/cache.bin"}, {"sidecar", folder.path() + "/cache.bin.yaml"}}));
    EXPECT_EQ(cell.source_name, "cache");

    // The same told another way: the sidecar named, its keys in another order, defaults spelt out.
    folder.write("other/described.yaml", R"(v: {shape: [4, 8], layout: token  dim, dtype: i8, scale: 0.5, offset: 128}
k: {layout: layer head token dim}
file: ../cache.bin
shape: [2, 1, 4, 8]
dtype: f16
)");
    EXPECT_EQ(cells_of("dump: {path: other/described.yaml}", folder.path()).at(0).id, cell.id);
}

TEST(Dump, WhatIsInUseIsPartOfTheIdentity) {
    ScratchFolder const folder;
    folder.write("cache.npy", "abc");
    EXPECT_EQ(cells_of("dump: {path: cache.npy, tokens: 40, dim: 96}", folder.path()).at(0).source,
              Json::parse(std::string(R"({"kind":"dump","sha256":")") + abc_sha256 + R"(","tokens":40,"dim":96})"));
    folder.write("cache.bin", "abc");
    folder.write("cache.bin.yaml",
                 "{dtype: f16, shape: [2, 1, 4, 8], tokens: 3, k: {}, v: {offset: 128, tokens: 2, dim: 6}}\n");
    auto const raw = cells_of("dump: {path: cache.bin}", folder.path()).at(0).source.at("raw");
    EXPECT_EQ(raw["k"]["tokens"], 3);
    EXPECT_EQ(raw["v"]["tokens"], 2);
    EXPECT_EQ(raw["v"]["dim"], 6);
    EXPECT_FALSE(raw["k"].contains("dim"));
    EXPECT_THAT(refusal_of("dump: {path: cache.npy, tokens: 0}", folder.path()), HasSubstr("tokens"));
}

TEST(Dump, AScenarioIsNone) {
    ScratchFolder const folder;
    folder.write("night.yaml", "kvstone: 1\nname: night\n");
    EXPECT_THAT(refusal_of("dump: {path: night.yaml}", folder.path()),
                HasSubstr("a scenario, which is no dump: it is measured by `kvstone run`"));
}

TEST(Dump, RealFilesHaveTheDigestTheyHave) {
    auto const file = test_data("dumps/slices_l2h5k.npz");
    if (!file) GTEST_SKIP() << "dumps/slices_l2h5k.npz is not here";
    auto const cell =
        cells_of("dump: {path: '" + file->string() + "', k: values, scale: scale, dtype: i8, " + "layout: token dim}")
            .at(0);
    EXPECT_EQ(cell.source.at("sha256").get<std::string>().size(), 64);
    EXPECT_EQ(cell.source_name, "slices_l2h5k");
}

TEST(Sources, NamesTellThemApart) {
    std::vector<std::string> names;
    for (auto const& cell : cells_of("synthetic: {shape: gpt2}, synthetic: {shape: gpt2, seed: 1}, "
                                     "{name: gpt2-2, synthetic: {shape: gpt2, seed: 2}}"))
        names.push_back(cell.source_name);
    EXPECT_THAT(names, ElementsAre("gpt2", "gpt2-3", "gpt2-2"));
}

}  // namespace
}  // namespace kvstone
