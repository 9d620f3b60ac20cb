// Pages of the manual and completions: every verb and option of `--help` is in them, and nothing breaks their languages.

#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class ManualTest : public ProgramTest {
  protected:
    /// The verbs that `kvstone --help` lists, and the options of one.
    std::set<std::string> verbs() const {
        auto const help = shell("kvstone --help").out;
        auto const first = help.find("SUBCOMMANDS:");
        return found(help.substr(first, help.find("\n\n", first) - first), std::regex("\n  ([a-z]+(-[a-z]+)*) "));
    }
    std::set<std::string> options(std::string const& verb) const {
        return found(shell("kvstone " + verb + " --help").out, std::regex("\n  (?:-[a-z], *)?(--[a-z]+(-[a-z0-9]+)*)"));
    }

  private:
    static std::set<std::string> found(std::string const& text, std::regex const& pattern) {
        std::set<std::string> all;
        for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) all.insert((*at)[1]);
        return all;
    }
};

TEST_F(ManualTest, APageOfEachVerbHasItsOptions) {
    ASSERT_EQ(shell("kvstone manual pages").code, 0);
    auto const all = verbs();
    ASSERT_GT(all.size(), 20U);
    auto const program = read(path("pages/kvstone.1"));
    for (auto const& verb : all) {
        auto const page = read(path("pages/kvstone-" + verb + ".1"));
        EXPECT_THAT(page, testing::StartsWith(".TH KVSTONE\\-")) << verb;
        for (auto const* section : {".SH NAME\n", ".SH SYNOPSIS\n", ".SH OPTIONS\n", ".SH EXAMPLES\n"})
            EXPECT_THAT(page, HasSubstr(section)) << verb;
        for (auto const& option : options(verb)) {
            auto const escaped = std::regex_replace(option, std::regex("-"), "\\-");
            EXPECT_THAT(page, HasSubstr("\\fB" + escaped + "\\fR")) << verb << ' ' << option;
        }
        EXPECT_THAT(program, HasSubstr(std::regex_replace("kvstone-" + verb, std::regex("-"), "\\-") + "\\fR(1)"));
        // A line that begins with a dot or a quote is a request to roff.
        std::istringstream lines(page);
        for (std::string line; std::getline(lines, line);) {
            EXPECT_FALSE(line.starts_with('\'')) << verb << ": " << line;
            EXPECT_TRUE(!line.starts_with('.') ||
                        std::regex_match(line, std::regex("\\.(TH .*|SH .*|SS .*|TP|PP|nf|fi)")))
                << verb << ": " << line;
        }
    }
    EXPECT_EQ(shell("touch file && kvstone manual file/pages").code, 2);
}

TEST_F(ManualTest, CompletionsOfAllShellsHaveEveryVerb) {
    for (std::string const name : {"bash", "zsh", "fish"}) {
        auto const script = shell("kvstone completions " + name).out;
        for (auto const& verb : verbs()) EXPECT_THAT(script, HasSubstr(verb)) << name;
        for (auto const* choice : {"f16 f32", "file none"}) EXPECT_THAT(script, HasSubstr(choice)) << name;
    }
    EXPECT_EQ(shell("kvstone completions bash >script && bash -n script").code, 0);
    EXPECT_EQ(shell("command -v zsh >/dev/null || exit 0; kvstone completions zsh >script && zsh -n script").code, 0);
    EXPECT_EQ(shell("command -v fish >/dev/null || exit 0; kvstone completions fish >script && fish -n script").code,
              0);
    EXPECT_EQ(shell("kvstone completions csh").code, 2);
}

}  // namespace
}  // namespace kvstone
