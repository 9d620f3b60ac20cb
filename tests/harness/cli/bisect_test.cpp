// The first bad commit of a repository that is made on the spot. A commit is a program in place of a build; its figures
// are numbers in a file, so that nothing here depends on times.

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class BisectTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        if (shell("command -v git").code != 0) GTEST_SKIP() << "no git";
        write("s.yaml", small_scenario("int8"));
        policy("rules: [stored_bytes no worse than 0%]\n");
        // The program: `bytes` has the figure, and the ends of its interval where it has one. `wide` counts the runs whose
        // interval is wide.
        write("fake",
              "#!/bin/sh\ncd \"${0%/*}\"\n[ \"$1\" = doctor ] && exec echo '{\"findings\":[]}'\n"
              "read value <bytes; wide=$(cat wide 2>/dev/null || echo 0); low=null high=null\n"
              "[ \"$wide\" -gt 0 ] && echo $((wide - 1)) >wide && low=1 high=9999\n"
              "echo '{\"status\":\"ok\",\"samples\":[],\"figures\":[{\"component\":\"kv\",\"metric\":\"stored_bytes\","
              "\"value\":'$value',\"n\":5,\"ci_low\":'$low',\"ci_high\":'$high'}]}'\n");
        // The build: it tells who was built, and fails where `bytes` says so.
        write("make", "git rev-parse HEAD >>'" + path("builds").string() + "'\n[ -e '" + path("strike").string() +
                          "' ] && [ $(wc -l <'" + path("builds").string() + "') = $(cat '" + path("strike").string() +
                          "') ] && rm '" + path("strike").string() + "' && kill -9 $KVSTONE\n" +
                          "grep -q broken bytes && exit 1\nrm -f wide; [ ! -e noise ] || cp noise wide\n"
                          "cp fake built; chmod +x built\n");
        ASSERT_EQ(shell("git init -q -b main repo && cd repo && git config user.email a@b && git config user.name n && "
                        "cp ../fake ../make . && printf 'built\\nwide\\n' >.gitignore && echo 'exit 1' "
                        ">.git/hooks/post-checkout && chmod +x .git/hooks/post-checkout")
                      .code,
                  0);
    }
    void policy(std::string const& rules) const {
        write("p.yaml", "gate: 1\nscenario: s.yaml\n" + rules + "build: {command: sh ./make, program: echo built}\n");
    }
    /// A commit with this content of `bytes`; its id.
    std::string commit(std::string const& bytes, std::string const& noise = "") {
        auto const number = std::to_string(++commits_);
        auto const made = shell("cd repo && echo '" + bytes + "' >bytes && echo " + number +
                                " >number && rm -f noise && " + (noise.empty() ? "" : "echo " + noise + " >noise && ") +
                                "git add -A && git commit -qm 'commit " + number + "' && git rev-parse HEAD");
        EXPECT_EQ(made.code, 0) << made.err;
        return made.out.substr(0, 40);
    }
    Ended bisect(std::string const& arguments) const {
        return shell("cd repo && KVSTONE=$$ && export KVSTONE && exec kvstone bisect ../p.yaml --db ../kvstone.db " +
                     arguments);
    }
    std::vector<std::string> builds() const {
        std::istringstream lines(read(path("builds")));
        std::vector<std::string> ids;
        for (std::string line; std::getline(lines, line);) ids.push_back(line);
        return ids;
    }

  private:
    int commits_ = 0;
};

class ThirtyCommits : public BisectTest {
  protected:
    /// Ids of 30 commits, of which number 18 and all after it store 10% more.
    void SetUp() override {
        BisectTest::SetUp();
        if (IsSkipped()) return;
        for (int i = 1; i <= 30; ++i) ids_.push_back(commit(i < 18 ? "1000" : "1100"));
    }
    std::vector<std::string> ids_;
};

TEST_F(ThirtyCommits, ThePlantedOneIsFoundAndTheCheckoutStaysAsItIs) {
    ASSERT_EQ(shell("cd repo && git checkout -q -b mine 2>/dev/null; echo draft >draft; git status --porcelain").code,
              0);
    auto const found = bisect(ids_[0] + " main --json");
    ASSERT_EQ(found.code, 0) << found.out << found.err;
    auto const answer = json::parse(found.out);
    EXPECT_EQ(answer["first_bad"], ids_[17]);
    EXPECT_EQ(answer["subject"], "commit 18");
    EXPECT_EQ(answer["target"]["rule"], "stored_bytes no worse than 0%");
    EXPECT_EQ(answer["parent"]["commit"], ids_[16]);
    EXPECT_EQ(answer["parent"]["base"], 1000);
    EXPECT_EQ(answer["parent"]["head"], 1100);
    EXPECT_EQ(answer["parent"]["verdict"], "regression");
    // 28 commits lie between: at most ceil(log2 29) = 5 answers.
    EXPECT_LE(answer["commits"].size(), 5U);
    EXPECT_EQ(shell("cd repo && git status --porcelain --branch").out, "## mine\n?? draft\n");
    EXPECT_NE(shell("cd repo && git bisect log").code, 0) << "no bisection of the user's";
    EXPECT_THAT(shell("cd repo && git worktree list").out, testing::Not(HasSubstr("bisections")));

    auto const told = bisect(ids_[0] + " main");
    EXPECT_EQ(told.code, 0);
    EXPECT_THAT(told.out, HasSubstr(ids_[17] + " is the first bad commit: commit 18"));
    EXPECT_THAT(told.out, HasSubstr("beside its parent (" + ids_[16].substr(0, 12) + "): 1000 -> 1100 (+10%)"));
    EXPECT_EQ(kvstone("explain " + answer["target"]["gate"].get<std::string>() + ".1").code, 0)
        << "a gate of one rule is replayed as one";
}

TEST_F(ThirtyCommits, KilledInTheMiddleItGoesOn) {
    write("strike", "4");  // GOOD, BAD, the first that git asks about, and the second
    auto const killed = bisect(ids_[0] + " main --json");
    ASSERT_EQ(killed.code, 137) << killed.out << killed.err;
    ASSERT_EQ(builds().size(), 4U);
    auto const found = bisect(ids_[0] + " main --json");
    ASSERT_EQ(found.code, 0) << found.out << found.err;
    EXPECT_THAT(found.err, HasSubstr("going on: 1 commits have been judged"));
    EXPECT_EQ(json::parse(found.out)["first_bad"], ids_[17]);
    auto const all = builds();
    EXPECT_EQ(std::ranges::count(all, all[2]), 1) << "what was answered is not built again";
    EXPECT_EQ(std::ranges::count(all, all[3]), 2) << "a build that was killed is";
    // Another question begins anew; so does --fresh.
    EXPECT_THAT(bisect(ids_[1] + " main").err, testing::Not(HasSubstr("going on")));
    EXPECT_THAT(bisect(ids_[0] + " main --fresh").err, testing::Not(HasSubstr("going on")));
}

TEST_F(BisectTest, CommitsThatCannotBeBuiltOrJudgedAreSkipped) {
    std::vector<std::string> ids;
    for (auto const* bytes : {"1000", "1000", "broken", "1000", "1000", "1100", "1100", "1100"})
        ids.push_back(commit(bytes));
    auto const found = bisect(ids[0] + " main --json");
    ASSERT_EQ(found.code, 0) << found.out << found.err;
    EXPECT_EQ(json::parse(found.out)["first_bad"], ids[5]);

    // The commits before the first that is seen to be bad are broken: it may be any of them.
    for (auto const* bytes : {"1000", "broken", "null", "1200"}) ids.push_back(commit(bytes));
    auto const several = bisect(ids[8] + " main --json");
    ASSERT_EQ(several.code, 3) << several.out << several.err;
    EXPECT_EQ(json::parse(several.out)["candidates"], (std::vector<std::string>{ids[9], ids[10], ids[11]}));
    EXPECT_TRUE(json::parse(several.out)["first_bad"].is_null());
    EXPECT_THAT(bisect(ids[8] + " main").out, HasSubstr("all but the last were skipped"));
}

TEST_F(BisectTest, AnInconclusiveCommitIsMeasuredMore) {
    policy("rules: [stored_bytes <= 1050]\n");
    std::vector<std::string> ids;
    // The third gives a wide interval twice, the fourth always.
    for (auto const& [bytes, noise] :
         {std::pair{"1000", ""}, {"1000", ""}, {"1100", "2"}, {"1100", "99"}, {"1100", ""}})
        ids.push_back(commit(bytes, noise));
    auto const found = bisect(ids[0] + " main --json");
    ASSERT_EQ(found.code, 0) << found.out << found.err;
    EXPECT_THAT(found.err, HasSubstr("inconclusive: measuring again in 16 blocks"));
    auto const answer = json::parse(found.out);
    EXPECT_EQ(answer["first_bad"], ids[2]);
    EXPECT_TRUE(answer["parent"].is_null()) << "an absolute bound is not about the parent";

    auto const skipped = bisect(ids[0] + " " + ids[4] + " --fresh --json");
    for (auto const& judged : json::parse(skipped.out)["commits"])
        EXPECT_EQ(judged["judgement"] == "skip", judged["commit"] == ids[3]) << judged;
}

TEST_F(BisectTest, SeveralRulesAndTheOneThatIsAskedFor) {
    policy(
        "rules: [{name: small, rule: stored_bytes <= 1150}, {name: as small, rule: stored_bytes no worse than 5%}]\n");
    std::vector<std::string> ids;
    for (auto const* bytes : {"1000", "1040", "1080", "1120", "1160"}) ids.push_back(commit(bytes));
    auto const first = [&](std::string const& rule) {
        auto const found = bisect(ids[0] + " main --json --rule '" + rule + "'");
        EXPECT_EQ(found.code, 0) << found.err;
        return json::parse(found.out)["first_bad"];
    };
    EXPECT_EQ(first("small"), ids[4]);
    EXPECT_EQ(first("as small"), ids[2]);
    auto const creeping = bisect(ids[0] + " main --rule 'as small'");
    EXPECT_THAT(creeping.out,
                HasSubstr("beside its parent alone the rule holds: several commits made the figure worse"));
    EXPECT_THAT(bisect(ids[0] + " main").out, HasSubstr("broken at BAD, too"));
}

TEST_F(BisectTest, WrongQuestionsAreRefused) {
    auto const old = commit("1200"), good = commit("1000"), bad = commit("1100"), same = commit("1100");
    ASSERT_EQ(shell("cd repo && git branch side " + good +
                    " && git checkout -q side; echo 1000 >bytes; git commit "
                    "-qam side --allow-empty; git checkout -q main; git rev-parse --verify -q main")
                  .code,
              0);
    auto const refused = [&](std::string const& arguments, std::string const& why) {
        auto const ended = bisect(arguments);
        EXPECT_EQ(ended.code, 2) << arguments << ended.out << ended.err;
        EXPECT_THAT(ended.err, HasSubstr(why)) << arguments;
    };
    refused(good + " nosuch", "git knows no such commit");
    refused(good + " " + good, "GOOD and BAD are one commit");
    refused("side " + bad, "GOOD is no ancestor of BAD");
    refused(bad + " " + good, "GOOD is no ancestor of BAD");
    refused(bad + " " + same, "BAD is good");
    refused(good + " main --rule fast", "no rule of this name");
    auto const before = builds().size();
    refused(good + " main --set grid.kontext=[1]", "grid.kontext");
    refused(good + " main --only nosuch", "nosuch");
    refused(good + " main --scenario nosuch", "nosuch");
    EXPECT_EQ(builds().size(), before) << "nothing is built for a question that cannot be asked";
    policy("rules: [stored_bytes <= 1050]\n");
    refused(old + " main", "GOOD is bad already");
    ASSERT_EQ(shell("cd repo && echo 7 >>bytes").code, 0);
    refused(good + " main", "changes that are not committed");
    EXPECT_EQ(bisect(good + " main --committed").code, 0);
    EXPECT_EQ(bisect(good + " " + bad).code, 0) << "BAD is not what is checked out";
    auto const outside = kvstone("bisect p.yaml a b");
    EXPECT_EQ(outside.code, 2);
    EXPECT_THAT(outside.err, HasSubstr("in none"));
    write("p.yaml", "gate: 1\nscenario: s.yaml\nrules: [stored_bytes <= 1050]\n");
    refused(good + " main --committed", "does not say how to build");
}

}  // namespace
}  // namespace kvstone
