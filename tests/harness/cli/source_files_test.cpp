// Files that scenarios and the command line name: what they say of themselves counts, and they are the ones that were
// planned.

#include <cmath>

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SourceFilesTest : public ProgramTest {
  protected:
    /// K and V of one shape and type, 1 x 1 x 4 x 32 unless told otherwise, and what else the header is to have.
    void write_dump(std::string const& name, std::string const& dtype, std::string const& k, std::string const& v,
                    std::string const& shape = "[1,1,4,32]", std::string const& more = "",
                    std::string const& more_bytes = "") const {
        auto const entry = [&](char const* tensor, std::size_t begin, std::size_t end) {
            return json{{tensor, {{"dtype", dtype}, {"shape", json::parse(shape)}, {"data_offsets", {begin, end}}}}};
        };
        auto header = entry("k", 0, k.size());
        if (!v.empty()) header.update(entry("v", k.size(), k.size() + v.size()));
        if (!more.empty()) header.update(json::parse(more));
        write(name, safetensors_bytes(header.dump(), k + v + more_bytes));
    }
    static std::string values(std::size_t count, float phase = 0) {
        std::string bytes;
        for (std::size_t i = 0; i < count; ++i) bytes += bytes_of<float>({std::sin(static_cast<float>(i * i) + phase)});
        return bytes;
    }
    static std::string repeated(std::string const& element, std::size_t count) {
        std::string bytes;
        for (std::size_t i = 0; i < count; ++i) bytes += element;
        return bytes;
    }
    void write_scenario(std::string const& dump, std::string const& codecs = "raw", std::string const& more = "",
                        std::string const& workload = "roundtrip") const {
        write("s.yaml", "kvstone: 1\nname: files\nsources:\n  - dump: {" + dump + "}\ngrid: {context: [all], codec: [" +
                            codecs + "]}\nworkloads: [" + workload +
                            "]\nmeasure: {timing: off, min_time: 1 ms, repetitions: 1}\n" + more);
    }
    void expect_refused(testing::Matcher<std::string> const& error, std::string const& more = "") const {
        auto const ended = kvstone("run s.yaml" + more);
        EXPECT_EQ(ended.code, 2) << ended.out << ended.err;
        EXPECT_THAT(ended.err, error);
        EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    }
};

TEST_F(SourceFilesTest, TypesThatAFileStatesAreNotOverruled) {
    auto const half = repeated(bytes_of<std::uint16_t>({0x3c00}), 128);
    write_dump("half.safetensors", "F16", half, half);
    write_scenario("path: half.safetensors, dtype: bf16");
    expect_refused(AllOf(HasSubstr("s.yaml:4:"), HasSubstr("its elements are f16, and dtype says bf16")));
    auto const small = std::string(128, '8');  // E4M3 of 1
    write_dump("small.safetensors", "F8_E4M3", small, small, "[1,1,4,32]",
               R"({"s": {"dtype": "F32", "shape": [], "data_offsets": [256, 260]}})", bytes_of<float>({0.5F}));
    write_scenario("path: small.safetensors, dtype: i8, scale: s");
    expect_refused(AllOf(HasSubstr("s.yaml:4:"), HasSubstr("its elements are f8_e4m3, and dtype says i8")));
    write_scenario("path: small.safetensors");
    expect_refused(HasSubstr("f8_e4m3 values need a scale"));
    write_scenario("path: small.safetensors, scale: s");
    auto const ended = kvstone("run s.yaml");
    EXPECT_EQ(ended.code, 0) << ended.err << ended.out;
    write_scenario("path: small.safetensors, k: key");
    EXPECT_EQ(kvstone("plan s.yaml").code, 2);
}

TEST_F(SourceFilesTest, NpyOfOtherWritersIsRead) {
    write("long.npy",
          npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 1L, 4L, 32L), }\n", values(128)));
    write_scenario("path: long.npy, k: data");
    EXPECT_EQ(kvstone("run s.yaml --db long.db").code, 0);
    write("brain.npy", npy_bytes("{'descr': '<i2', 'fortran_order': False, 'shape': (1, 1, 4, 32), }\n",
                                 repeated(bytes_of<std::uint16_t>({0x3f80, 0x4000}), 64)));
    write_scenario("path: brain.npy, k: data");
    expect_refused(HasSubstr("<i2 does not tell the type of the elements; say it, as in dtype: bf16"));
    write_scenario("path: brain.npy, k: data, dtype: bf16");
    EXPECT_EQ(kvstone("run s.yaml").code, 0);
}

TEST_F(SourceFilesTest, AStackOfFiveAxesIsReadAsItIsNamed) {
    write_dump("stack.safetensors", "F32", values(256), values(256, 1), "[2,1,1,4,32]");
    write_scenario("path: stack.safetensors");
    expect_refused(AllOf(HasSubstr("2x1x1x4x32"), HasSubstr("layer batch head token dim")));
    write_scenario("path: stack.safetensors, layout: layer batch head token dim");
    EXPECT_EQ(kvstone("run s.yaml").code, 0);
}

TEST_F(SourceFilesTest, NamesThatNothingHasAreRefusedWithAndWithoutSet) {
    write_dump("base.safetensors", "F32", values(128), values(128, 1));
    write_scenario("path: base.safetensors", "int8", "require: [{codec: nosuch}]\n");
    auto const says = AllOf(HasSubstr("require.0.codec: no such codec in this scenario: 'nosuch'"), HasSubstr("int8"));
    expect_refused(says);
    expect_refused(says, " --set measure.repetitions=2");
    expect_refused(says, " --set 'grid.context=[2]'");
}

TEST_F(SourceFilesTest, ANamedCodecBesideItsTextIsKnownByBoth) {
    write_dump("base.safetensors", "F32", values(128), values(128, 1));
    write_scenario("path: base.safetensors", "int8, {name: prod-kv, codec: int8}",
                   "targets: [{match: {codec: prod-kv}, component: k, metric: cosine, at_least: 0.99999}]\n");
    auto const ended = kvstone("run s.yaml");
    EXPECT_EQ(ended.code, 0) << ended.err << ended.out;
    auto const cells = rows("select distinct codec, codec_name from v_latest");
    ASSERT_EQ(cells.size(), 1U);
    EXPECT_EQ(cells[0]["codec"], "int8");
    EXPECT_EQ(cells[0]["codec_name"], "prod-kv");
    auto const targets = kvstone("show targets --json");
    EXPECT_THAT(targets.out, HasSubstr("cosine"));
}

/// The program of attempts is a script here, which replaces the dump before the attempt opens it.
TEST_F(SourceFilesTest, ADumpReplacedBetweenPlanAndAttemptIsAnError) {
    write_dump("base.safetensors", "F32", values(128), values(128, 1));
    write_dump("other.safetensors", "F32", values(128, 2), values(128, 3));
    write_scenario("path: base.safetensors", "raw, int8");
    write("attempt.sh",
          "#!/bin/sh\n[ \"$1\" = --abilities ] || { cp other.safetensors new && mv new base.safetensors; }\n"
          "exec kvstone-attempt \"$@\"\n");
    auto const ended = shell("chmod +x attempt.sh && KVSTONE_ATTEMPT=$PWD/attempt.sh kvstone run s.yaml");
    EXPECT_EQ(ended.code, 4) << ended.err << ended.out;
    auto const attempts = rows("select status, reason from attempt");
    ASSERT_EQ(attempts.size(), 2U);
    for (auto const& attempt : attempts) {
        EXPECT_EQ(attempt["status"], "error");
        EXPECT_THAT(attempt["reason"].get<std::string>(),
                    AllOf(HasSubstr("base.safetensors: no longer the file that was planned")));
    }
    // Planned again, the new file is measured.
    EXPECT_EQ(kvstone("run s.yaml --db new.db").code, 0);
}

TEST_F(SourceFilesTest, ALayoutThatTheDataContradictIsRefusedWhereItIsMeasured) {
    ASSERT_EQ(
        kvstone("dump 'synthetic: {layers: 2, kv_heads: 4, head_dim: 64, seed: 1}' --context 600 -o d.safetensors")
            .code,
        0);
    write_scenario("path: d.safetensors");
    ASSERT_EQ(kvstone("run s.yaml --db right.db").code, 0);
    EXPECT_THAT(kvstone("show --db right.db").out, Not(HasSubstr("_layout")));
    write_scenario("path: d.safetensors, layout: layer token head dim");
    EXPECT_EQ(kvstone("run s.yaml --db named.db").code, 4);
    EXPECT_THAT(kvstone("query --db named.db 'select reason from attempt'").out,
                HasSubstr("the layout is rather 'layer head token dim'"));
    // The same bytes under the name of another order.
    auto bytes = read(path("d.safetensors"));
    for (std::string const from = "[2,4,600,64]"; bytes.find(from) != std::string::npos;)
        bytes.replace(bytes.find(from), from.size(), "[2,600,4,64]");
    write("wrong.safetensors", bytes);
    write_scenario("path: wrong.safetensors, layout: layer token head dim");
    auto const ended = kvstone("run s.yaml");
    EXPECT_EQ(ended.code, 4) << ended.err;
    EXPECT_THAT(rows("select distinct reason from attempt")[0]["reason"].get<std::string>(),
                AllOf(HasSubstr("wrong_layout: "), HasSubstr("has more structure as 'head token dim, before")));
}

TEST_F(SourceFilesTest, AttentionWithoutQueriesIsSkipped) {
    write_dump("base.safetensors", "F32", values(128), values(128, 1));
    write_scenario("path: base.safetensors", "raw", "", "attention");
    auto const ended = kvstone("run s.yaml");
    EXPECT_EQ(ended.code, 0) << ended.err << ended.out;
    auto const attempt = rows("select status, reason from attempt").at(0);
    EXPECT_EQ(attempt["status"], "skipped");
    EXPECT_THAT(attempt["reason"].get<std::string>(), HasSubstr("the source has no Q"));
}

TEST_F(SourceFilesTest, InspectTakesAllThatIsNamed) {
    write_dump("a.safetensors", "F32", values(128), values(128, 1));
    write_dump("b.safetensors", "F32", values(128, 2), values(128, 3));
    for (auto const* named : {"a.safetensors b.safetensors", "'*.safetensors'", "'dump: {path: \"*.safetensors\"}'"}) {
        auto const ended = kvstone(std::string("inspect --json ") + named);
        ASSERT_EQ(ended.code, 0) << named << ended.err;
        auto const all = json::parse(ended.out);
        ASSERT_EQ(all.size(), 2U) << named;
        EXPECT_EQ(all[0]["source"], "a");
        EXPECT_NE(all[0]["inspection"]["k"]["mean"], all[1]["inspection"]["k"]["mean"]);
        EXPECT_THAT(kvstone(std::string("inspect ") + named).out, AllOf(HasSubstr("== a\n"), HasSubstr("== b\n")));
        auto const dumped = kvstone(std::string("dump -o d.safetensors ") + named);
        EXPECT_EQ(dumped.code, 2) << named;
        EXPECT_THAT(dumped.err, AllOf(HasSubstr("one source makes a dump"), HasSubstr("a, b")));
        EXPECT_FALSE(std::filesystem::exists(path("d.safetensors")));
    }
    EXPECT_TRUE(json::parse(kvstone("inspect --json a.safetensors").out).contains("k")) << "one is no list";
}

TEST_F(SourceFilesTest, WhatIsNoDumpIsToldApart) {
    auto const told = [&](std::string const& argument) {
        auto const ended = kvstone("inspect " + argument);
        EXPECT_EQ(ended.code, 2) << argument;
        EXPECT_THAT(ended.err, Not(HasSubstr("source:"))) << "a place in a scenario that nobody wrote";
        return ended.err;
    };
    std::filesystem::create_directory(path("folder"));
    write("folder/a.npz", "x");
    write("m.gguf", "GGUF");
    write("c.pt", "\x80\x02");
    write("m.safetensors.index.json", "{}");
    EXPECT_THAT(told("absent.safetensors"), AllOf(HasSubstr("no such file"), HasSubstr("model: {gguf: FILE")));
    EXPECT_THAT(told("'*.npz'"), HasSubstr("no file matches"));
    EXPECT_THAT(told("folder"), AllOf(HasSubstr("a folder"), HasSubstr("'folder/*.npz'")));
    EXPECT_THAT(told("m.gguf"), AllOf(HasSubstr("a model"), HasSubstr("model: {gguf: m.gguf, text: builtin}")));
    EXPECT_THAT(told("c.pt"), AllOf(HasSubstr("PyTorch"), HasSubstr("torch.save(")));
    EXPECT_THAT(told("m.safetensors.index.json"), HasSubstr("no index of shards"));
}

/// A model's config.json beside its dump: as a shape, and for RoPE.
TEST_F(SourceFilesTest, AModelsConfigurationSaysShapeAndRope) {
    std::filesystem::create_directory(path("small-llama"));
    write(
        "small-llama/config.json",
        R"({"model_type":"llama","num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":1,"hidden_size":128,
              "rope_theta":500000.0})");
    auto const synthetic = kvstone("inspect 'synthetic: {shape: small-llama/config.json}' --context 16");
    EXPECT_EQ(synthetic.code, 0) << synthetic.err;
    EXPECT_THAT(synthetic.out, AllOf(HasSubstr("k: 1 layers x 1 heads x 16 tokens x 32 channels"),
                                     HasSubstr("rope: base 500000, 32 channels, half-split pairs")));
    write_dump("base.safetensors", "F32", values(128), values(128, 1));
    auto const dump = kvstone("inspect 'dump: {path: base.safetensors, rope: small-llama/config.json}'");
    EXPECT_EQ(dump.code, 0) << dump.err;
    EXPECT_THAT(dump.out, HasSubstr("rope: base 500000, 32 channels, half-split pairs"));
    write("yarn.json", R"({"model_type":"llama","num_hidden_layers":1,"num_attention_heads":4,"head_dim":32,
                           "rope_theta":5e5,"rope_scaling":{"type":"yarn","factor":2}})");
    auto const yarn = kvstone("inspect 'dump: {path: base.safetensors, rope: yarn.json}'");
    EXPECT_EQ(yarn.code, 2);
    EXPECT_THAT(yarn.err, HasSubstr("RoPE scaled by 'yarn'"));
    EXPECT_THAT(kvstone("inspect 'synthetic: {shape: absent.json}' --context 4").err, HasSubstr("absent.json"));
}

TEST_F(SourceFilesTest, OutputThatCannotBeWrittenIsBadInput) {
    write("s.yaml", small_scenario("raw"));
    ASSERT_EQ(kvstone("run s.yaml").code, 0);
    for (std::string const verb :
         {"report", "export", "dump 'synthetic: {layers: 1, kv_heads: 1, head_dim: 8}' --context 4", "bundle s.yaml"}) {
        for (std::string const place : {"absent/out", ".", "/dev/full"}) {
            auto const ended = kvstone(verb + " -o " + place);
            EXPECT_EQ(ended.code, 2) << verb << " " << place << ended.err;
            EXPECT_THAT(ended.err, HasSubstr(place == "." ? "folder" : place.substr(0, 6))) << verb;
        }
    }
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
    for (auto const* verb : {"report", "export"})
        EXPECT_EQ(shell(std::string("kvstone ") + verb + " > /dev/full").code, 2) << verb;
}

}  // namespace
}  // namespace kvstone
