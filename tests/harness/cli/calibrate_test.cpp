// `kvstone calibrate`, and runs on the bases that it wrote.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class CalibrateTest : public ProgramTest {
  protected:
    void dump(std::string const& file, int seed) const {
        auto const ended =
            kvstone("dump 'synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 32, seed: " + std::to_string(seed) +
                    "}' --context 200 -o " + file);
        ASSERT_EQ(ended.code, 0) << ended.err;
    }
    static std::string scenario(std::string const& source, std::string const& codec) {
        return "kvstone: 1\nname: s\nsources: [" + source + "]\ngrid: {context: [128], codec: ['" + codec +
               "']}\nworkloads: [roundtrip]\nmeasure: {timing: off}\n";
    }
};

TEST_F(CalibrateTest, BasesOfOneDumpAreUsedOnAnother) {
    dump("a.safetensors", 1);
    dump("b.safetensors", 2);
    auto const told = kvstone("calibrate a.safetensors -o bases.safetensors --json");
    ASSERT_EQ(told.code, 0) << told.err;
    auto const facts = json::parse(told.out);
    EXPECT_EQ(facts["tokens"], 200);
    EXPECT_EQ(facts["tensors"]["v"]["groups"], 4);
    EXPECT_EQ(facts["tensors"]["k"]["values"], 32);
    auto const bytes = read(path("bases.safetensors"));
    ASSERT_EQ(kvstone("calibrate a.safetensors -o again.safetensors").code, 0);
    EXPECT_EQ(read(path("again.safetensors")), bytes);

    write("s.yaml",
          scenario("{dump: {path: b.safetensors}}", "lowrank:rank=24,basis=pca,bases=bases.safetensors | fp16"));
    auto const ran = kvstone("run s.yaml");
    ASSERT_EQ(ran.code, 0) << ran.err;
    auto const stored = rows("select distinct codec from v_latest");
    ASSERT_EQ(stored.size(), 1U);
    auto const codec = stored[0]["codec"].get<std::string>();
    EXPECT_THAT(codec, HasSubstr(",hash=" + facts["sha256"].get<std::string>().substr(0, 16)));

    // Other bases make another codec, and do not pass for these.
    ASSERT_EQ(kvstone("calibrate b.safetensors -o bases.safetensors").code, 0);
    write("s.yaml", scenario("{dump: {path: b.safetensors}}", codec));
    auto const refused = kvstone("plan s.yaml");
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("not the file of bases that the codec names"));
    // Nor does another kind of file.
    write("s.yaml", scenario("{dump: {path: b.safetensors}}", "lowrank:rank=24,basis=pca,bases=a.safetensors | fp16"));
    EXPECT_EQ(kvstone("plan s.yaml").code, 2);
    EXPECT_EQ(kvstone("calibrate a.safetensors b.safetensors -o x.safetensors").code, 2);
    EXPECT_EQ(kvstone("calibrate a.safetensors --over layers --layers 3 -o x.safetensors").code, 2);
}

TEST_F(CalibrateTest, ATextIsNotRunOnItsOwnBases) {
    if (!this_build().has_llama) GTEST_SKIP() << "built without libllama";
    std::string text;
    for (int i = 0; i < 100; ++i) text += "The fox sees the red house and the old man by the water. ";
    write("a.txt", text);
    write("b.txt", text + "The end.");
    auto const told = kvstone("calibrate tiny --text a.txt --context 128 --mean yes -o bases.safetensors");
    ASSERT_EQ(told.code, 0) << told.err;
    EXPECT_THAT(told.out, HasSubstr("k_prerope"));
    auto const codec = [](std::string const& more) {
        return "k{unrope | lowrank:rank=0.75,basis=pca,mean=yes,rope=before,bases=bases.safetensors" + more +
               " | fp16} v{lowrank:rank=0.75,basis=pca,mean=yes,bases=bases.safetensors" + more + " | fp16}";
    };
    auto const source = [](std::string const& file) { return "{model: {gguf: tiny, text: " + file + "}}"; };
    write("s.yaml", scenario(source("a.txt"), codec("")));
    auto const refused = kvstone("run s.yaml");
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("fitted to this very text"));
    write("s.yaml", scenario(source("a.txt"), codec(",own_text=yes")));
    EXPECT_EQ(kvstone("run s.yaml").code, 0);
    write("s.yaml", scenario(source("b.txt"), codec("")));
    auto const ran = kvstone("run s.yaml");
    EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(CalibrateTest, PresetsRunOnTheFilesThatTheyAskFor) {
    dump("a.safetensors", 1);
    dump("b.safetensors", 2);
    write("s.yaml", scenario("{dump: {path: b.safetensors}}", "palu:bases=palu.safetensors"));
    auto const without = kvstone("plan s.yaml");
    EXPECT_EQ(without.code, 2);
    EXPECT_THAT(without.err,
                HasSubstr("kvstone calibrate MODEL --text OTHER.txt --over heads --heads 4 -o palu.safetensors"));
    ASSERT_EQ(kvstone("calibrate a.safetensors --over heads --heads 4 -o palu.safetensors").code, 0);
    ASSERT_EQ(kvstone("calibrate a.safetensors --queries yes -o eigen.safetensors").code, 0);
    write("s.yaml",
          "kvstone: 1\nname: s\nsources: [{dump: {path: b.safetensors}}]\ngrid:\n  context: [128]\n  codec:\n"
          "    - gear-l\n    - gear-l:bits=4,rank=2\n    - palu:bases=palu.safetensors\n"
          "    - {name: eigen-98, codec: 'eigen:bases=eigen.safetensors'}\n    - kvtc\n    - cachegen-shipped\n"
          "workloads: [roundtrip]\nmeasure: {timing: off}\n");
    auto const ran = kvstone("run s.yaml");
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(rows("select distinct codec from v_latest where status = 'ok'").size(), 6U);
    // The files do not do for each other.
    write("s.yaml", scenario("{dump: {path: b.safetensors}}", "eigen:bases=palu.safetensors"));
    auto const wrong = kvstone("plan s.yaml");
    EXPECT_EQ(wrong.code, 2);
    EXPECT_THAT(wrong.err, HasSubstr("eigen has other bases than this file's, which are of over=heads,heads=4"));
    EXPECT_EQ(kvstone("calibrate a.safetensors --heads 4 -o x.safetensors").code, 2);
    EXPECT_EQ(kvstone("calibrate a.safetensors --over heads --queries yes -o x.safetensors").code, 2);
    auto const listed = kvstone("list codecs");
    EXPECT_THAT(listed.out, HasSubstr("palu:bases=FILE.safetensors"));
}

}  // namespace
}  // namespace kvstone
