// Reports, exports and looking after files, as a user does it.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class DatabaseTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        write("small.yaml", small_scenario("raw, int8"));
        ASSERT_EQ(kvstone("run small.yaml").code, 0);
    }
};

TEST_F(DatabaseTest, ReportsAndExports) {
    EXPECT_THAT(kvstone("report").out, HasSubstr("## roundtrip"));
    auto const page = kvstone("report -o page.html");
    if (page.code == 2) {
        EXPECT_THAT(page.err, HasSubstr("no chart library"));
    } else {
        EXPECT_THAT(read(path("page.html")), HasSubstr("<!DOCTYPE html>"));
    }
    EXPECT_EQ(kvstone("report --format pdf").code, 2);
    EXPECT_EQ(kvstone("report -o page.html --db nowhere.db").code, 2);
    EXPECT_THAT(kvstone("export").out, testing::StartsWith("campaign,cell,workload,"));
    EXPECT_THAT(kvstone("export --format junit -o junit.xml").out, "");
    EXPECT_THAT(read(path("junit.xml")), HasSubstr("tests=\"4\" failures=\"0\" errors=\"0\""));
    EXPECT_THAT(kvstone("export --format xml").err, HasSubstr("google-benchmark"));
    EXPECT_THAT(kvstone("list schema").out, HasSubstr("v_history"));
    EXPECT_THAT(kvstone("query @best").out, HasSubstr("int8"));
    EXPECT_EQ(kvstone("query '@history bits_per_value' --format csv").code, 0);
}

TEST_F(DatabaseTest, LooksAfterFiles) {
    EXPECT_THAT(kvstone("db check").out, HasSubstr("no problem found"));
    EXPECT_EQ(kvstone("db backup copy.db").code, 0);
    EXPECT_EQ(kvstone("db backup copy.db").code, 2);
    EXPECT_EQ(kvstone("db init --db all.db").code, 0);
    EXPECT_THAT(kvstone("db merge --db all.db copy.db kvstone.db").out,
                HasSubstr("copy.db: 4 attempts and 1 campaigns are new\nkvstone.db: 0 attempts"));
    EXPECT_THAT(kvstone("db migrate --db all.db").out, HasSubstr("schema "));
    EXPECT_EQ(kvstone("db prune").code, 2);
    EXPECT_THAT(kvstone("db prune --older-than 0").out, HasSubstr("would remove"));
    EXPECT_EQ(rows("SELECT count(*) AS n FROM attempt")[0]["n"], 4);
    EXPECT_THAT(kvstone("db prune --older-than 0 --yes").out, HasSubstr("\n1 campaigns\n"));
    EXPECT_EQ(rows("SELECT count(*) AS n FROM attempt")[0]["n"], 0);
}

}  // namespace
}  // namespace kvstone
