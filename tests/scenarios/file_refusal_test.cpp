// Whole texts, files and overrides that make no scenario.

#include "tests/scenarios/refusal.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

TEST(Refusals, WholeFiles) {
    EXPECT_EQ(refusal("@"), "nothing but space and comments");
    EXPECT_EQ(refusal("@\n# nothing but a comment\n"), "nothing but space and comments");
    EXPECT_EQ(refusal("@kvstone"), "expected a scenario: 'kvstone'; accepted: kvstone: 1");
    EXPECT_EQ(refusal("@- kvstone: 1"), "expected a scenario: 'a list'; accepted: kvstone: 1");
    EXPECT_EQ(refusal("@name: x"), "missing key: 'kvstone'; accepted: kvstone: 1");
    EXPECT_EQ(refusal("@kvstone: 1"), "missing key: 'grid'");
    EXPECT_EQ(refusal("@kvstone: 1\ngrid: {codec: [raw]}"), "missing key: 'workloads'");
    EXPECT_EQ(refusal("@kvstone: 1\ngrid: {codec: [raw]}\nworkloads: [roundtrip]"), "missing key: 'sources'");
    EXPECT_EQ(refusal("kvstone: 1\ngrid: @{context: [1]}"), "grid: missing key: 'codec'");
    EXPECT_EQ(refusal("kvstone: 1\ngrid: @[]"),
              "grid: expected a map: 'a list'; accepted: context, codec, backend, batch, page, threads");
    EXPECT_EQ(refusal("kvstone: 1\nsources: [synthetic: {shape: gpt2}]\ngrid: @{codec: [raw]}\nworkloads: [roundtrip]"),
              "grid: a synthetic source has no length of its own: context must say how many tokens: 'a map'");
    EXPECT_EQ(refusal("kvstone: 1\ngrid: {codec: [raw], threads: [1]}\nmeasure: {threads: @1}"),
              "measure.threads: threads stand in grid already: '1'; accepted: grid.threads, measure.threads");
    EXPECT_EQ(refusal("kvstone: 1\nname: \"@\x80\""), "not a text file in UTF-8: 'byte 0x80'");
    EXPECT_EQ(refusal(std::string("kvstone: 1\nna@\0me: x", 20)), "not a text file in UTF-8: 'byte 0x00'");
    EXPECT_EQ(refusal("@\xff\xfek\n"), "a text in UTF-16; accepted: UTF-8");
}

TEST(Refusals, BrokenYamlIsToldWithItsPlace) {
    for (auto const* text :
         {"kvstone: [1", "kvstone: {1", "kvstone: 'x", "kvstone: \"\\q\"", "a: b: c", "a: 1\n b: 2", "a:\n\t- 1",
          "- a\nb: 1", "a: 1\n]", "%YAML 9.9\n---\na", "a: &\n", "a: *\n", "@x", "`x"}) {
        try {
            parse_plan(text, "test.yaml", ".", fake_vocabulary());
            ADD_FAILURE() << text;
        } catch (ConfigError const& error) {
            EXPECT_GT(error.place().line, 0) << text << "\n" << error.what();
            EXPECT_GT(error.place().column, 0) << text << "\n" << error.what();
        }
    }
}

std::string told(std::string const& yaml, PlanOptions const& options = {}) {
    try {
        parse_plan(yaml, "test.yaml", "/nonexistent", fake_vocabulary(), options);
    } catch (ConfigError const& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Refusals, SizesAreLimited) {
    EXPECT_EQ(told(std::string((1 << 20) + 1, ' ')), "test.yaml: a text of 1048577 bytes; 1048576 are accepted");
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        auto const below = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
        for (int j = 0; j < 9; ++j) bomb += ", " + below;
        bomb += "]\n";
    }
    EXPECT_NE(told(bomb).find(": more than 200000 values"), std::string::npos) << told(bomb);
    std::string const deep = std::string(100'000, '[');
    EXPECT_NE(told(deep), "accepted");

    std::string numbers = "[1";
    for (int i = 2; i <= 4000; ++i) numbers += "," + std::to_string(i);
    auto yaml = scenario_with("context", numbers + "]");
    yaml.replace(yaml.find("batch: [1]"), 10, "batch: " + numbers + "]");
    EXPECT_EQ(told(yaml), "test.yaml:5:3: grid: spans 32000000 cells; at most 1000000 are accepted: 'a map'");
}

TEST(Refusals, OverridesAreNamed) {
    auto const yaml = scenario_with("", "");
    auto const told_of = [&yaml](std::string const& key, std::string const& value) {
        return told(yaml, {{{key, value}}, {}});
    };
    EXPECT_EQ(
        told_of("grid.contxt", "[1]"),
        "--set grid.contxt: grid: unknown key: 'contxt'; accepted: context, codec, backend, batch, page, threads (did "
        "you mean 'context'?)");
    EXPECT_EQ(told_of("grid.context", "[0]").substr(0, 60),
              "--set grid.context: grid.context.0: expected a number of tok");
    EXPECT_EQ(told_of("grid.context", "[1").substr(0, 34), "--set grid.context: broken YAML: e");
    EXPECT_EQ(told_of("grid.context", ""), "--set grid.context: nothing but space and comments");
    EXPECT_EQ(told_of("sources.1.synthetic.seed", "1"),
              "--set sources.1.synthetic.seed: sources: no such index in this list: '1'; accepted: 0");
    EXPECT_EQ(told_of("sources.x", "1"), "--set sources.x: sources: no such index in this list: 'x'; accepted: 0");
    EXPECT_EQ(told_of("name.first", "1"), "--set name.first: name: is neither a list nor a map: 'first'");
    EXPECT_EQ(told_of("grid..context", "1"),
              "--set grid..context: expected a key such as grid.context: 'grid..context'");
    EXPECT_EQ(told_of("", "1"), "--set : expected a key such as grid.context");
    EXPECT_EQ(told_of("grid.codec.0", "int88").substr(0, 52), "--set grid.codec.0: grid.codec.0: unknown stage: 'in");
}

TEST(Refusals, TabsAndOtherEncodingsAreNamed) {
    EXPECT_EQ(told("kvstone: 1\ngrid:\n\tcodec: [raw]\n"),
              "test.yaml:3:1: a tab in the indentation: YAML takes spaces alone; accepted: two spaces");
    EXPECT_EQ(told("kvstone: 1\ngrid:\n  codec: [raw]\n \tcontext: [1]\n"),
              "test.yaml:4:2: a tab in the indentation: YAML takes spaces alone; accepted: two spaces");
    EXPECT_EQ(told(std::string("\xff\xfek\0", 4)), "test.yaml:1:1: a text in UTF-16; accepted: UTF-8");
    EXPECT_EQ(told("\xef\xbb\xbf" + scenario_with("", "")), "accepted");
}

TEST(Refusals, FilesThatAreNone) {
    ScratchFolder const folder;
    auto const load = [&](std::string const& path) {
        try {
            load_plan(path, fake_vocabulary());
        } catch (ConfigError const& error) {
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    auto const missing = folder.path() + "/missing.yaml";
    EXPECT_EQ(load(missing), missing + ": no such file");
    EXPECT_EQ(load(folder.path()), folder.path() + ": not a regular file");
    EXPECT_EQ(load("/dev/zero"), "/dev/zero: not a regular file");
    auto const large = folder.write("large.yaml", std::string((1 << 20) + 1, '#'));
    EXPECT_EQ(load(large), large + ": larger than 1048576 bytes");
    auto const empty = folder.write("empty.yaml", "");
    EXPECT_EQ(load(empty), empty + ":1:1: nothing but space and comments");
}

TEST(Refusals, SourcesThatAreNoFiles) {
    ScratchFolder const folder;
    folder.write("cache.bin", "abc");
    folder.write("cache.npz/inside", "abc");
    folder.write("text", "abc");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @cache.npz}]"), folder.path()),
              "sources.0.dump.path: a folder, not a file: name the dumps in it, by a pattern or one by one: "
              "'cache.npz'");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @cache.bin}]"), folder.path()),
              "sources.0.dump.path: a raw file needs a sidecar that describes it, " + folder.path() +
                  "/cache.bin.yaml: 'cache.bin'; accepted: .safetensors, .npy, .npz, .pt, .yaml");
    folder.write("dumps/a.npz", "abc");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @dumps}]"), folder.path()),
              "sources.0.dump.path: a folder, not a file: name the dumps in it, by a pattern or one by one: 'dumps'; "
              "accepted: 'dumps/*.npz'");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @absent.npz}]"), folder.path()),
              "sources.0.dump.path: no such file: '" + folder.path() + "/absent.npz'");
    folder.write("m.gguf", "abc");
    EXPECT_EQ(refusal(scenario_with("sources", "[dump: {path: @m.gguf}]"), folder.path()),
              "sources.0.dump.path: a model, whose K and V are captured over a text: 'm.gguf'; accepted: model: {gguf: "
              "m.gguf, text: builtin}");
    folder.write("m.safetensors.index.json", "{}");
    EXPECT_NE(refusal(scenario_with("sources", "[dump: {path: @m.safetensors.index.json}]"), folder.path())
                  .find("no index of shards: it lacks the object weight_map"),
              std::string::npos);
    folder.write("cache.pt", "\x80\x02");
    EXPECT_NE(refusal(scenario_with("sources", "[dump: {path: @cache.pt}]"), folder.path()).find("before 1.6"),
              std::string::npos);
    folder.write("cache.ckpt", "PK\3\4");
    EXPECT_NE(refusal(scenario_with("sources", "[dump: {path: @cache.ckpt}]"), folder.path()).find("extension .pt"),
              std::string::npos);
    EXPECT_EQ(refusal(scenario_with("sources", "[model: {gguf: text, text: text, sha256: @abc}]"), folder.path()),
              "sources.0.model.sha256: the file has another SHA-256: 'abc'; accepted: "
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Refusals, SidecarsTellTheirOwnPlace) {
    ScratchFolder const folder;
    folder.write("cache.bin", "abc");
    std::vector<std::pair<std::string, std::string>> const cases{
        {"@dtype: f16", "describes no tensor: 'a map'; accepted: k, v"},
        {"{dtype: f16, k: @{}}", "k: missing key: 'shape'"},
        {"{shape: [1, 1, 1, 1], k: @{}}", "k: missing key: 'dtype'"},
        {"{dtype: f16, shape: @[1, 1, 1], k: {}}", "shape: expected 4 lengths, for 'layer head token dim': 'a list'"},
        {"{dtype: f16, shape: [1, 1, @0, 1], k: {}}", "shape.2: expected a whole number from 1 to 4294967296: '0'"},
        {"{dtype: @f99, shape: [1, 1, 1, 1], k: {}}",
         "dtype: unknown dtype: 'f99'; accepted: f32, f16, bf16, i8, f8_e4m3, f8_e5m2 (did you mean 'f32'?)"},
        {"{dtype: f16, shape: [1, 1, 1, 1], k: {offset: @-1}}",
         "k.offset: expected a whole number from 0 to 4611686018427387904: '-1'"},
        {"{dtype: f16, shape: [1, 1, 1, 1], k: {}, file: @other.bin}",
         "file: the sidecar of another file: 'other.bin'"},
        {"{dtype: f16, shape: [1, 1, 1, 1], k: {@size: 3}}",
         "k: unknown key: 'size'; accepted: offset, dtype, layout, shape, scale, tokens, dim"}};
    for (auto const& [text, says] : cases) {
        auto const yaml = marked(text);
        auto const sidecar = folder.write("cache.bin.yaml", yaml.text);
        try {
            parse_plan(scenario_with("sources", "[dump: {path: cache.bin}]"), "test.yaml", folder.path(),
                       fake_vocabulary());
            ADD_FAILURE() << text;
        } catch (ConfigError const& error) {
            EXPECT_EQ(error.what(),
                      sidecar + ":" + std::to_string(yaml.line) + ":" + std::to_string(yaml.column) + ": " + says);
        }
    }
}

}  // namespace
}  // namespace kvstone
