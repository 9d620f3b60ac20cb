// The file and the program keep to the language of SQLite 3.37, CMake's minimum and the first with STRICT tables.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include <gmock/gmock.h>

#include "results/query/canned.hpp"
#include "results/store/schema.hpp"
#include "tests/places.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

struct Newer {
    std::string_view what;
    std::string_view since;
};

constexpr std::array newer_functions{
    Newer{"unixepoch", "3.38"},
    Newer{"format", "3.38"},
    Newer{"unhex", "3.41"},
    Newer{"json_error_position", "3.42"},
    Newer{"timediff", "3.43"},
    Newer{"octet_length", "3.43"},
    Newer{"concat", "3.44"},
    Newer{"concat_ws", "3.44"},
    Newer{"string_agg", "3.44"},
    Newer{"jsonb", "3.45"},
    Newer{"jsonb_array", "3.45"},
    Newer{"jsonb_extract", "3.45"},
    Newer{"jsonb_insert", "3.45"},
    Newer{"jsonb_object", "3.45"},
    Newer{"jsonb_patch", "3.45"},
    Newer{"jsonb_remove", "3.45"},
    Newer{"jsonb_replace", "3.45"},
    Newer{"jsonb_set", "3.45"},
    Newer{"jsonb_group_array", "3.45"},
    Newer{"jsonb_group_object", "3.45"},
    Newer{"json_pretty", "3.46"},
    Newer{"median", "3.47"},
    Newer{"percentile", "3.47"},
    Newer{"percentile_cont", "3.47"},
    Newer{"percentile_disc", "3.47"},
    Newer{"if", "3.48"},
    Newer{"unistr", "3.50"},
    Newer{"unistr_quote", "3.50"},
    Newer{"jsonb_each", "3.51"},
    Newer{"jsonb_tree", "3.51"},
};

/// Syntax, as a regular expression, and an example of it.
struct NewerSyntax {
    char const* pattern;
    char const* example;
    std::string_view since;
};
constexpr std::array newer_syntax{
    NewerSyntax{R"(->)", "SELECT facts -> 'name' FROM host", "3.38"},
    NewerSyntax{R"(->>)", "SELECT facts ->> 'name' FROM host", "3.38"},
    NewerSyntax{R"(\b(RIGHT|FULL)\s+(OUTER\s+)?JOIN\b)", "SELECT * FROM a FULL JOIN b", "3.39"},
    NewerSyntax{R"(\bIS\s+(NOT\s+)?DISTINCT\s+FROM\b)", "SELECT a IS NOT DISTINCT FROM b", "3.39"},
    NewerSyntax{R"(\b[0-9]+_[0-9])", "SELECT 1_000", "3.46"},
    NewerSyntax{R"(\bWITHIN\s+GROUP\b)", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x)", "3.47"},
};

/// The SQL without comments, and with nothing in its literals and quoted names.
std::string bare(std::string_view sql) {
    std::string result;
    for (std::size_t i = 0; i < sql.size(); ++i) {
        if (sql.substr(i, 2) == "--") {
            i = std::min(sql.find('\n', i), sql.size());
        } else if (sql.substr(i, 2) == "/*") {
            i = std::min(sql.find("*/", i), sql.size() - 1) + 1;
        } else if (sql[i] == '\'' || sql[i] == '"') {
            result += "''";
            i = std::min(sql.find(sql[i], i + 1), sql.size());
            continue;
        } else {
            result += sql[i];
            continue;
        }
        result += ' ';
    }
    return result;
}

bool matches(std::string const& text, std::string const& pattern) {
    return std::regex_search(text, std::regex(pattern, std::regex::icase));
}

/// The text between the parentheses that open at `open`, without inner parentheses.
std::string between(std::string const& sql, std::size_t open) {
    std::string result;
    int depth = 0;
    for (std::size_t i = open; i < sql.size(); ++i) {
        if (sql[i] == ')' && --depth == 0) break;
        if (depth == 1) result += sql[i];
        if (sql[i] == '(') ++depth;
    }
    return result;
}

/// Parts of the SQL that are younger than 3.37, each with its version.
std::vector<std::string> newer_than_3_37(std::string_view given) {
    auto const sql = bare(given);
    std::vector<std::string> found;
    static std::regex const call(R"(\b([A-Za-z_]\w*)\s*\()");
    for (std::sregex_iterator one(sql.begin(), sql.end(), call), end; one != end; ++one) {
        auto name = (*one)[1].str();
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        for (auto const& function : newer_functions)
            if (function.what == name) found.push_back(fmt::format("{}() is of {}", name, function.since));
        auto const inside = between(sql, static_cast<std::size_t>(one->position() + one->length()) - 1);
        bool const arguments = !matches(inside, R"(^\s*(SELECT|WITH|VALUES|PARTITION|ORDER)\b)") && name != "over";
        if (arguments && matches(inside, R"(\bORDER\s+BY\b)"))
            found.push_back(fmt::format("ORDER BY within {}() is of 3.44", name));
        if (name == "iif" && std::ranges::count(inside, ',') != 2)
            found.push_back("iif() of other than three arguments is of 3.48");
    }
    for (auto const& syntax : newer_syntax)
        if (matches(sql, syntax.pattern)) found.push_back(fmt::format("{} is of {}", syntax.pattern, syntax.since));
    return found;
}

/// The literals of a C++ source, those that stand beside each other as one.
std::vector<std::string> literals_of(std::string const& source) {
    static std::regex const token(
        R"re(//[^\n]*|/\*[^]*?\*/|'(?:[^'\\\n]|\\.)*'|R"(\w*)\(([^]*?)\)\1"|"((?:[^"\\]|\\.)*)"|[^\s])re");
    std::vector<std::string> literals;
    bool joined = false;
    for (std::sregex_iterator one(source.begin(), source.end(), token), end; one != end; ++one) {
        auto const text = one->str();
        if (text.starts_with("//") || text.starts_with("/*")) continue;
        bool const raw = text.starts_with("R\"") && text.size() > 2;
        if (!raw && !text.starts_with('"')) {
            joined = false;
            continue;
        }
        if (!joined) literals.emplace_back();
        literals.back() += raw ? (*one)[2].str() : (*one)[3].str();
        joined = true;
    }
    return literals;
}

TEST(SqliteLanguage, EveryRuleFindsWhatItIsFor) {
    using testing::Contains;
    using testing::HasSubstr;
    for (auto const& function : newer_functions)
        EXPECT_THAT(newer_than_3_37(fmt::format("SELECT {} (a, b)", function.what)),
                    Contains(HasSubstr(std::string(function.since))))
            << function.what;
    for (auto const& syntax : newer_syntax)
        EXPECT_THAT(newer_than_3_37(syntax.example), Contains(HasSubstr(std::string(syntax.since)))) << syntax.example;
    // The two that made files unreadable before.
    EXPECT_THAT(
        newer_than_3_37("CREATE VIEW v AS SELECT group_concat(DISTINCT coalesce(value, 1) ORDER BY value) FROM f"),
        testing::ElementsAre("ORDER BY within group_concat() is of 3.44"));
    EXPECT_THAT(newer_than_3_37("SELECT Concat_WS(' ', a)"), testing::ElementsAre("concat_ws() is of 3.44"));
    EXPECT_THAT(newer_than_3_37("SELECT iif(a, b)"), testing::SizeIs(1));
    for (auto const* old :
         {"SELECT group_concat(a, ',') OVER (PARTITION BY b ORDER BY a) FROM t",
          "SELECT x IN (SELECT a FROM t ORDER BY a) -- string_agg(a)", "SELECT 'concat(', iif(a, b, c)",
          "SELECT lag(v) OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY b)",
          "SELECT count(*) FROM a LEFT JOIN b ON a.x IS NOT b.x"})
        EXPECT_THAT(newer_than_3_37(old), testing::IsEmpty()) << old;
}

TEST(SqliteLanguage, TheFileIsReadableSince3_37) {
    test::Folder const folder;
    auto const store = Store::open(folder.file());
    int views = 0;
    for (Statement object(store.connection(),
                          "SELECT name, sql, type = 'view' FROM sqlite_schema WHERE sql IS NOT NULL");
         object.step();) {
        EXPECT_THAT(newer_than_3_37(object.text(1)), testing::IsEmpty()) << object.text(0);
        views += static_cast<int>(object.integer(2));
    }
    EXPECT_GT(views, 10);
    // A mutant: one view as an author with a newer SQLite might write it.
    std::string sql(environment_views());
    auto const at = sql.find("group_concat(value)");
    ASSERT_NE(at, std::string::npos);
    EXPECT_THAT(newer_than_3_37(sql.replace(at, 19, "group_concat(value ORDER BY value)")), testing::SizeIs(1));
}

TEST(SqliteLanguage, CannedQueriesKeepToIt) {
    for (auto const& canned : canned_queries())
        EXPECT_THAT(newer_than_3_37(canned.sql), testing::IsEmpty()) << canned.name;
}

TEST(SqliteLanguage, WhatTheProgramAsksKeepsToIt) {
    int statements = 0;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(source_folder() + "/results")) {
        auto const extension = entry.path().extension();
        if (extension != ".cpp" && extension != ".hpp") continue;
        std::ifstream in(entry.path());
        for (auto const& literal : literals_of({std::istreambuf_iterator<char>(in), {}})) {
            static std::regex const sql(R"(\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|FROM|WHERE|JOIN|AND)\b)");
            if (!std::regex_search(literal, sql)) continue;
            ++statements;
            EXPECT_THAT(newer_than_3_37(literal), testing::IsEmpty()) << entry.path() << ": " << literal.substr(0, 300);
        }
    }
    EXPECT_GT(statements, 50);
    EXPECT_THAT(literals_of("f(\"SELECT a \" // b\n  \"->> 'c'\"); g('\"', R\"sql(x \"y\")sql\")"),
                testing::ElementsAre("SELECT a ->> 'c'", "x \"y\""));
}

}  // namespace
}  // namespace kvstone
