#include "scenarios/external_definition.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/content_hash.hpp"
#include "scenarios/planned_files.hpp"
#include "tests/scenarios/refusal.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string const mine = R"({command: [python3, mine.py, --bits, "3"], files: [mine.py]})";

/// Magic, 64 bits, little endian, version 1, and behind 16 bytes the type: 3 is a shared object.
std::string const library_head = std::string("\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0", 18);

class Externals : public testing::Test {
  protected:
    void SetUp() override {
        folder_.write("mine.py", "one");
        folder_.write("libtheirs.so", library_head + "library");
    }
    static std::string text(std::string const& codecs, std::string const& codec) {
        return "kvstone: 1\nsources: [synthetic: {shape: gpt2}]\nworkloads: [roundtrip]\ncodecs: " + codecs +
               "\ngrid: {context: [8], codec: [" + codec + "]}\n";
    }
    Plan plan(std::string const& codecs, std::string const& codec, PlanOptions const& options = {}) const {
        return parse_plan(text(codecs, codec), "test.yaml", folder_.path(), fake_vocabulary(), options);
    }
    Cell cell(std::string const& codecs, std::string const& codec) const { return plan(codecs, codec).cells.at(0); }
    std::string id(std::string const& definition) const { return cell("{mine: " + definition + "}", "mine").id; }
    std::string refused(std::string const& codecs, std::string const& codec) const {
        return refusal(text(codecs, codec), folder_.path());
    }

    ScratchFolder folder_;
};

TEST_F(Externals, AreStagesWhereverOneStands) {
    auto const both = "{mine: " + mine + ", theirs: {library: ./libtheirs.so, options: {bits: 4}}}";
    auto const all = plan(both, R"(fp16, mine, "gear | mine | zstd", "k{theirs} v{mine}",
        {name: own, k: "gear | mine", v: fp16}, {name: by, codec: theirs, sources: {gpt2: mine | zstd}})");
    ASSERT_EQ(all.cells.size(), 6);
    auto const stage = all.cells[1].codec;
    EXPECT_THAT(stage, testing::MatchesRegex("external:name=mine,kind=command,hash=[0-9a-f]{16}"));
    auto const library = all.cells[3].codec.substr(2, all.cells[3].codec.find('}') - 2);
    EXPECT_THAT(library, testing::MatchesRegex("external:name=theirs,kind=library,hash=[0-9a-f]{16}"));
    EXPECT_EQ(all.cells[2].codec, "gear | " + stage + " | zstd");
    EXPECT_EQ(all.cells[3].codec, "k{" + library + "} v{" + stage + "}");
    EXPECT_EQ(all.cells[4].codec, "k{gear | " + stage + "} v{fp16}");
    EXPECT_EQ(all.cells[5].codec, stage + " | zstd");
    std::vector<std::string> names;
    for (auto const& one : all.cells) names.push_back(one.codec_name);
    EXPECT_THAT(names, ElementsAre("fp16", "mine", "gear | mine | zstd", "k{theirs} v{mine}", "own", "by"));
}

TEST_F(Externals, TravelWithTheCellsThatNameThem) {
    auto const both = "{mine: " + mine + ", theirs: {library: ./libtheirs.so, options: {bits: 4}, bits: 4.5}}";
    auto const all = plan(both, "fp16, mine, 'k{theirs} v{mine}'");
    EXPECT_FALSE(all.cells[0].locator.contains("codecs"));
    ASSERT_EQ(all.cells[1].locator.at("codecs").size(), 1);
    ASSERT_EQ(all.cells[2].locator.at("codecs").size(), 2);
    auto const sent = cell_from_json(parse_json(to_json(all.cells[2]).dump()));
    auto const command = external_definition_from_json(sent.locator.at("codecs")[0]);
    EXPECT_EQ(command.kind, "command");
    EXPECT_THAT(command.command, ElementsAre("python3", "mine.py", "--bits", "3"));
    EXPECT_EQ(command.folder, folder_.path());
    ASSERT_EQ(command.files.size(), 1);
    EXPECT_EQ(command.files[0].path, folder_ / "mine.py");
    EXPECT_EQ(command.files[0].sha256, sha256_of("one"));
    EXPECT_THAT(sent.codec, HasSubstr(command.hash()));
    auto const library = external_definition_from_json(sent.locator.at("codecs")[1]);
    EXPECT_EQ(library.library, folder_ / "libtheirs.so");
    EXPECT_EQ(library.options.at("bits"), "4");
    EXPECT_EQ(library.bits, 4.5);
    EXPECT_THAT(sent.codec, HasSubstr(library.hash()));
}

TEST_F(Externals, ACellIsOfTheDefinitionAndOfItsFilesContent) {
    std::set<std::string> ids;
    for (auto const& definition :
         {mine, std::string(R"({command: [python3, mine.py, --bits, "4"], files: [mine.py]})"),
          std::string(R"({command: [python3, mine.py, --bits, "3"]})"),
          std::string(R"({command: [python3, mine.py, --bits, "3"], files: [mine.py], bits: 3})"),
          std::string(R"({command: [python3, mine.py, --bits, "3"], files: [mine.py], by_token: true})"),
          std::string("{library: libtheirs.so}"), std::string("{library: libtheirs.so, options: {bits: 4}}"),
          std::string("{library: libtheirs.so, options: {bits: 5}}"),
          std::string("{library: libtheirs.so, files: [mine.py]}")})
        EXPECT_TRUE(ids.insert(id(definition)).second) << definition;
    auto const before = id(mine);
    folder_.write("mine.py", "two");
    EXPECT_NE(id(mine), before);
    folder_.write("mine.py", "one");
    EXPECT_EQ(id(mine), before);
    // Where the files lie is no part of it.
    ScratchFolder const elsewhere;
    elsewhere.write("mine.py", "one");
    EXPECT_EQ(parse_plan(text("{mine: " + mine + "}", "mine"), "test.yaml", elsewhere.path(), fake_vocabulary())
                  .cells.at(0)
                  .id,
              before);
    EXPECT_EQ(id("{library: ./libtheirs.so}"), id("{library: libtheirs.so}"));
}

TEST_F(Externals, AFileThatChangedSinceIsNoticed) {
    auto const planned = cell("{mine: " + mine + "}", "mine");
    EXPECT_NO_THROW(PlannedFiles{planned});
    folder_.write("mine.py", "changed");
    EXPECT_THROW(PlannedFiles{planned}, SystemError);
}

TEST_F(Externals, AreMeantByNameInMatchesAndParts) {
    auto const yaml = text("{mine: " + mine + "}", "fp16, 'gear | mine'");
    auto const with = [&](std::string const& rest) {
        return parse_plan(yaml + rest, "test.yaml", folder_.path(), fake_vocabulary()).cells;
    };
    EXPECT_EQ(with("exclude: [{codec: 'gear | mine'}]\n").size(), 1);
    EXPECT_EQ(with("exclude: [{codec: 'gear  |  mine'}]\n").size(), 1);
    EXPECT_EQ(plan("{mine: " + mine + "}", "fp16, mine", {{}, {"mine"}}).cells.size(), 1);
}

TEST_F(Externals, MistakesAreToldWithTheirPlace) {
    auto const names = [&](std::string const& definitions) { return refused(definitions, "fp16"); };
    EXPECT_THAT(names("@[]"), StartsWith("codecs: expected a map from names to codecs: 'a list'"));
    EXPECT_EQ(names("{@fp16: " + mine + "}"),
              "codecs: a stage or preset of KVstone has this name: 'fp16'; accepted: my-fp16");
    EXPECT_EQ(names("{@balanced: " + mine + "}"),
              "codecs: a stage or preset of KVstone has this name: 'balanced'; accepted: my-balanced");
    for (auto const* name : {"@3bits", "@a.b", "@'a b'", "@-a"})
        EXPECT_THAT(names("{" + std::string(name) + ": " + mine + "}"),
                    StartsWith("codecs: a name is a letter, then letters, digits, _ and -: "))
            << name;
    EXPECT_THAT(names("{mine: @{}}"), StartsWith("codecs.mine: expected a command, a library or decoded values"));
    EXPECT_THAT(names("{mine: @{command: [a], library: libtheirs.so}}"),
                StartsWith("codecs.mine: expected a command, a library or decoded values"));
    EXPECT_THAT(names("{mine: {command: [a], @argv: [b]}}"), StartsWith("codecs.mine: unknown key: 'argv'"));
    EXPECT_THAT(names("{mine: {command: @python3}}"), StartsWith("codecs.mine.command: expected a list"));
    EXPECT_THAT(names("{mine: {command: [a, @{b: c}]}}"),
                StartsWith("codecs.mine.command.1: an argument is a text: 'a map'"));
    EXPECT_THAT(
        names("{mine: {command: [a], options: @{b: c}}}"),
        StartsWith("codecs.mine.options: options are those of a library; a command has them among its arguments"));
    EXPECT_THAT(names("{mine: {library: libtheirs.so, options: {b: @[c]}}}"),
                StartsWith("codecs.mine.options.b: an option is a text or a number"));
    // A name alone is looked for beside the scenario (libtheirs.so above), then among the libraries that ship; a path is not.
    EXPECT_THAT(names("{mine: {library: @none.so}}"),
                testing::AllOf(StartsWith("codecs.mine.library: there is no such library beside the scenario, and none "
                                          "ships with KVstone in "),
                               HasSubstr("/lib/kvstone: 'none.so'; accepted: ./libmine.so")));
    EXPECT_THAT(names("{mine: {library: @./none.so}}"),
                testing::AllOf(StartsWith("codecs.mine.library: "), HasSubstr("No such file or directory")));
    EXPECT_THAT(names("{mine: {decoded: libtheirs.so, bytes: 1, by_token: @true}}"),
                StartsWith("codecs.mine.by_token: of decoded values nothing is coded"));
    EXPECT_THAT(names("{mine: {command: [a], files: [mine.py, @none.py]}}"), StartsWith("codecs.mine.files.1: "));
    EXPECT_EQ(names("{mine: {command: [a], files: [mine.py, @./mine.py]}}"),
              "codecs.mine.files.1: a file that is given twice: './mine.py'");
    EXPECT_EQ(names("{mine: {command: [a], bits: @0}}"), "codecs.mine.bits: bits per value: '0'; accepted: (0, 32]");
    EXPECT_EQ(names("{@mine: " + mine + "}"),
              "codecs: no codec of the grid uses it: 'mine'; accepted: grid: {codec: [mine]}");
}

TEST_F(Externals, ALibraryIsASharedObject) {
    auto const of_type = [](char endian, char first, char second) {
        auto head = library_head;
        head[5] = endian, head[16] = first, head[17] = second;
        return head;
    };
    for (auto const& content : {std::string("#!/usr/bin/python3\n"), std::string(), library_head.substr(0, 16),
                                of_type(1, 2, 0), of_type(2, 3, 0)}) {
        folder_.write("libtheirs.so", content);
        EXPECT_THAT(refused("{mine: {library: @libtheirs.so}}", "mine"),
                    StartsWith("codecs.mine.library: this file is no shared library: 'libtheirs.so'"));
    }
    folder_.write("libtheirs.so", of_type(2, 0, 3));
    EXPECT_NO_THROW(cell("{mine: {library: libtheirs.so}}", "mine")) << "of a processor with the high byte first";
}

TEST_F(Externals, MistakesInCodecTextsAreToldInPlainNames) {
    auto const in = [&](std::string const& codec) { return refused("{mine: " + mine + "}", codec); };
    EXPECT_EQ(in("mine, @mime"),
              "grid.codec.1: unknown stage: 'mime'; accepted: raw, fp16, bf16, int8, int, gear, delta, zstd, mine "
              "(did you mean 'mine'?)");
    EXPECT_EQ(in("@'mine:bits=3'"),
              "grid.codec.0: a codec of `codecs:` has its options in its definition: 'mine:bits=3'; accepted: mine");
    EXPECT_EQ(in("@'external:name=mine,kind=command,hash=0000000000000000'"),
              "grid.codec.0: a scenario says by name which codec of its `codecs:` it means: "
              "'external:name=mine,kind=command,hash=0000000000000000'; accepted: mine");
}

TEST_F(Externals, SetMayLeaveADefinitionUnused) {
    EXPECT_EQ(plan("{mine: " + mine + "}", "mine", {{{"grid.codec", "[fp16]"}}, {}}).cells.size(), 1);
    EXPECT_NE(plan("{mine: " + mine + "}", "mine", {{{"codecs.mine.command.3", "4"}}, {}}).cells.at(0).id, id(mine));
}

TEST(PlainNames, StandForTheStages) {
    auto const stage = [](std::string const& name) {
        return "external:name=" + name + ",kind=command,hash=0123456789abcdef";
    };
    EXPECT_EQ(with_plain_names("fp16 | zstd"), "fp16 | zstd");
    EXPECT_EQ(with_plain_names(stage("a")), "a");
    EXPECT_EQ(with_plain_names("window(4){raw} k{" + stage("a") + "} v{gear | " + stage("b") + " | zstd}"),
              "window(4){raw} k{a} v{gear | b | zstd}");
    EXPECT_EQ(with_plain_names("external:name="), "");
}

}  // namespace
}  // namespace kvstone
