// The script that describes a build, over small trees in scratch folders.

#include <cstdlib>
#include <fstream>
#include <regex>

#include <gmock/gmock.h>

#include "results/record/build.hpp"
#include "scenarios/content_hash.hpp"
#include "tests/places.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

namespace fs = std::filesystem;

/// A tree with two files that are compiled and two that are not.
struct Tree {
    test::Folder folder;
    fs::path root = folder / "tree";

    Tree() {
        write("CMakeLists.txt", "project(p)\n");
        write("codecs/stages/codec.cpp", "int bits = 4;\n");
        write("codecs/codec.hpp", "extern int bits;\n");
        write("scenarios/library/night.yaml", "kvstone: 1\n");
        write("README.md", "text\n");
    }
    void write(std::string const& path, std::string const& content) const {
        fs::create_directories((root / path).parent_path());
        std::ofstream(root / path) << content;
    }
    bool shell(std::string const& command) const {
        auto const line = "cd '" + root.string() + "' && { " + command + "; } >/dev/null 2>&1";
        return std::system(line.c_str()) == 0;
    }
    bool commit() const { return shell("git init && git add . && git -c user.name=n -c user.email=e commit -m m"); }
    /// The facts that the build gets about itself: git_sha and source_hash.
    std::pair<std::string, std::string> built() const {
        auto const known = folder.file("known.cmake"), output = folder.file("build.cpp");
        std::ofstream(known) << "set(version 0)\nset(compiler c)\nset(has_mpi true)\nset(has_llama true)\n"
                                "set(has_cuda false)\n";
        // A repository above the scratch folder is none of its.
        auto const command = "GIT_CEILING_DIRECTORIES='" + folder.path() + "' '" KVSTONE_CMAKE "' -D known='" + known +
                             "' -D source='" + root.string() + "' -D output='" + output + "' -P '" + source_folder() +
                             "/results/record/build_info.cmake'";
        EXPECT_EQ(std::system(command.c_str()), 0);
        std::ifstream in(output);
        std::string const text{std::istreambuf_iterator<char>(in), {}};
        std::smatch sha, hash;
        EXPECT_TRUE(std::regex_search(text, sha, std::regex("git_sha = \"([^\"]*)\"")));
        EXPECT_TRUE(std::regex_search(text, hash, std::regex("source_hash = \"([0-9a-f]{16})\"")));
        return {sha[1], hash[1]};
    }
    std::string source_hash() const { return built().second; }
};

TEST(BuildInfoTest, TheSameSourcesInAnotherFolderAreOneBuild) {
    Tree const tree, other;
    EXPECT_EQ(tree.source_hash(), other.source_hash());
    tree.write("codecs/codec.hpp", "extern int bits; // edited\n");
    EXPECT_NE(tree.source_hash(), other.source_hash());
    other.write("codecs/codec.hpp", "extern int bits; // edited\n");
    EXPECT_EQ(tree.source_hash(), other.source_hash()) << "the same edit";
}

TEST(BuildInfoTest, EveryEditOfWhatIsCompiledIsAnotherBuild) {
    Tree const tree;
    std::set<std::string> seen{tree.source_hash()};
    auto const is_new = [&] { return seen.insert(tree.source_hash()).second; };
    tree.write("codecs/stages/codec.cpp", "int bits = 3;\n");
    EXPECT_TRUE(is_new());
    tree.write("codecs/stages/another.cpp", "int more = 3;\n");
    EXPECT_TRUE(is_new()) << "a new file";
    fs::rename(tree.root / "codecs/stages/another.cpp", tree.root / "codecs/stages/renamed.cpp");
    EXPECT_TRUE(is_new()) << "a file in another place";
    fs::remove(tree.root / "codecs/stages/renamed.cpp");
    EXPECT_FALSE(is_new()) << "as it was before";
    tree.write("CMakeLists.txt", "project(p)\nadd_compile_options(-ffast-math)\n");
    EXPECT_TRUE(is_new());
    tree.write("results/report/assets/10_data.js", "1;\n");
    EXPECT_TRUE(is_new());
}

TEST(BuildInfoTest, WhatIsNotCompiledIsNoEdit) {
    Tree const tree;
    auto const before = tree.source_hash();
    tree.write("README.md", "another text\n");
    tree.write("scenarios/library/night.yaml", "kvstone: 1\nname: night\n");
    tree.write("kvstone.db", "rows\n");
    tree.write("build/release/generated.cpp", "int x;\n");
    EXPECT_EQ(tree.source_hash(), before);
}

TEST(BuildInfoTest, GitTellsTheCommitAndWhetherItIsWhatWasCompiled) {
    Tree const tree;
    EXPECT_EQ(tree.built().first, "unknown");
    auto const hash = tree.source_hash();
    if (!tree.commit()) GTEST_SKIP() << "there is no git";
    auto const clean = tree.built();
    EXPECT_THAT(clean.first, testing::MatchesRegex("[0-9a-f]{40}"));
    EXPECT_EQ(clean.second, hash);
    tree.write("scenarios/library/night.yaml", "kvstone: 1\nname: night\n");
    tree.write("notes.txt", "text\n");
    EXPECT_EQ(tree.built(), clean);
    tree.write("codecs/stages/new/stage.cpp", "int x;\n");
    EXPECT_EQ(tree.built().first, clean.first + "-dirty") << "compiled, and unknown to git";
    tree.write(".gitignore", "new/\n");
    EXPECT_EQ(tree.built().first, clean.first + "-dirty") << "compiled, and ignored by git";
    fs::remove_all(tree.root / "codecs/stages/new");
    EXPECT_EQ(tree.built(), clean);
    tree.write("codecs/stages/codec.cpp", "int bits = 3;\n");
    EXPECT_EQ(tree.built().first, clean.first + "-dirty");
}

TEST(BuildInfoTest, AnEditHasANameOfItsOwn) {
    auto const commit = std::string(40, 'a'), hash = std::string("0123456789abcdef");
    std::vector<std::tuple<std::string, std::string, std::string>> const names{
        {commit, hash, "aaaaaaaaaaaa"},
        {commit + "-dirty", hash, "aaaaaaaaaaaa-dirty-01234567"},
        {commit + "-dirty", "", "aaaaaaaaaaaa-dirty"},
        {"unknown", hash, "unknown-01234567"},
        {"unknown", "", "unknown"},
        {"f00d-dirty", hash, "f00d-dirty-01234567"}};
    test::Folder const folder;
    auto store = Store::open(folder.file());
    for (auto const& [git_sha, source_hash, name] : names) {
        EXPECT_EQ(build_name(git_sha, source_hash), name);
        auto const campaign =
            store.begin_campaign(test::plan({test::cell("raw")}), test::build(git_sha, source_hash), "hw", false);
        EXPECT_EQ(test::text(store, "SELECT " + campaign_build_sql("'" + campaign.id + "'")), name);
        EXPECT_EQ(test::text(store, "SELECT build_name FROM v_campaign WHERE campaign = '" + campaign.id + "'"), name);
    }
}

TEST(BuildInfoTest, ThisOneKnowsItsSources) {
    EXPECT_THAT(this_build().source_hash, testing::MatchesRegex("[0-9a-f]{16}"));
}

}  // namespace
}  // namespace kvstone
