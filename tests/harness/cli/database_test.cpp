// Reports, exports and looking after files, as a user does it.

#include <algorithm>
#include <set>

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
    for (std::string const verb : {"report --format md", "report --format html", "export --format jsonl"}) {
        auto const plain = kvstone(verb), dash = kvstone(verb + " -o -");
        EXPECT_EQ(dash.code, plain.code) << verb;
        EXPECT_EQ(dash.out.size(), plain.out.size()) << verb << ": equal but for the time at which it was made";
    }
    EXPECT_EQ(kvstone("bundle small.yaml -o -").code, 2) << "an archive has to be a file";
    EXPECT_FALSE(std::filesystem::exists(path("-")));
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

TEST_F(DatabaseTest, AnExportReplacesItsFileWholeOrNotAtAll) {
    auto const printed = kvstone("export --format csv").out;
    write("rows.csv", "old");
    EXPECT_EQ(kvstone("export --format csv -o rows.csv").code, 0);
    EXPECT_EQ(read(path("rows.csv")), printed);
    EXPECT_EQ(std::ranges::count(printed, '\n'), 1 + rows("select count(*) as n from v_latest")[0]["n"].get<int>());
    auto const refused = kvstone("export --format csv --campaign nosuch -o rows.csv");
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("no campaign has this id: 'nosuch'; accepted: "));
    EXPECT_EQ(read(path("rows.csv")), printed);
    EXPECT_EQ(shell("kvstone export --format csv -o /dev/stdout | cat").out, printed);
    EXPECT_EQ(shell("ls rows.csv* | wc -l").out, "1\n") << "no half-made file stays";
    for (auto const* output : {" -o /dev/full", " -o no/such/folder.csv", " -o .", " > /dev/full"}) {
        auto const full = kvstone(std::string("export") + output);
        EXPECT_EQ(full.code, 2) << output;
        EXPECT_THAT(full.err, HasSubstr("output")) << output;
    }
}

TEST_F(DatabaseTest, ShowTellsOfTheCampaignThatIsNamed) {
    auto const first = rows("select campaign from v_newest")[0]["campaign"].get<std::string>();
    write("other.yaml",
          small_scenario("fp16") + "targets: [{match: {codec: fp16}, component: k, metric: cosine, at_least: 0.5}]\n");
    ASSERT_EQ(kvstone("run other.yaml").code, 0);
    auto const codecs = [&](std::string const& arguments) {
        std::set<std::string> names;
        auto const ended = kvstone("show --json " + arguments);
        EXPECT_EQ(ended.code, 0) << arguments << ended.err;
        for (auto const& row : nlohmann::json::parse(ended.out))
            names.insert(row.contains("codec") ? row["codec"] : row["codec_name"]);
        return names;
    };
    using Names = std::set<std::string>;
    auto const of_first = " --campaign " + first.substr(0, 8);
    EXPECT_EQ(codecs("cells"), Names{"fp16"});
    EXPECT_EQ(codecs("cells" + of_first), (Names{"raw", "int8"}));
    EXPECT_EQ(codecs("summary" + of_first), (Names{"raw", "int8"}));
    EXPECT_EQ(codecs("targets"), Names{"fp16"});
    EXPECT_EQ(codecs("targets" + of_first), Names{});
    EXPECT_EQ(codecs("--history bits_per_value"), (Names{"raw", "int8", "fp16"}));
    EXPECT_EQ(codecs("--history bits_per_value" + of_first), (Names{"raw", "int8"}));
    for (auto const* subject : {"cells", "failures", "missing", "published", "targets", "campaigns", "summary",
                                "--history mae", "--pareto", "--best 'mae < 1'"}) {
        auto const ended = kvstone(std::string("show ") + subject + " --campaign nosuch");
        EXPECT_EQ(ended.code, 2) << subject;
        EXPECT_THAT(ended.err, HasSubstr("accepted: ")) << subject;
        EXPECT_THAT(ended.err, HasSubstr(first)) << subject;
        EXPECT_EQ(kvstone(std::string("show ") + subject + of_first).code, 0) << subject;
    }
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
