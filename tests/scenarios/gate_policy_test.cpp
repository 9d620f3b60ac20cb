// Policies: accepted texts, and errors with their places.

#include "scenarios/gate_policy.hpp"

#include <gmock/gmock.h>

namespace kvstone {
namespace {

TEST(GatePolicyTest, ReadsRulesWithTheirCellsAndWaivers) {
    auto const policy = parse_policy(
        "gate: 1\nerror_budget: 2%\nbase: main\nrequire: [{codec: int8}]\nset: [\"measure.min_time=50 ms\"]\n"
        "rules:\n  - relative_error_l1 <= 0.05\n"
        "  - {name: fast, rule: decode_ns no worse than 5%, match: {context: [512, 32k]}, except: {codec: raw}, "
        "margin: 1%, suspected_by: encode_instructions no worse than 1%}\n"
        "joint: [{gain: decode_ns, not_with: relative_error_l1}]\n"
        "waivers: [{rule: fast, match: {codec: int8}, until: 2026-12-31, reason: known}]\n",
        "folder/night.yaml");
    EXPECT_EQ(policy.name, "night");
    EXPECT_EQ(policy.error_budget, 0.02);
    EXPECT_FALSE(policy.require.all);
    ASSERT_EQ(policy.rules.size(), 2U);
    EXPECT_EQ(policy.rules[0].name, "relative_error_l1 <= 0.05");
    EXPECT_EQ(policy.rules[1].place.line, 8);
    EXPECT_TRUE(policy.rules[0].suspected_by.empty());
    EXPECT_EQ(policy.rules[1].suspected_by, std::vector<std::string>{"encode_instructions no worse than 1%"});
    EXPECT_EQ(policy.set, std::vector<std::string>{"measure.min_time=50 ms"});
    Cell cell;
    cell.context = 32768;
    cell.codec = "int8";
    EXPECT_TRUE(policy.rules[1].cells.takes(cell));
    EXPECT_TRUE(policy.waivers[0].cells.takes(cell));
    cell.codec = "raw";
    EXPECT_FALSE(policy.rules[1].cells.takes(cell));
    cell.codec = "int8";
    cell.context = 1024;
    EXPECT_FALSE(policy.rules[1].cells.takes(cell));
}

TEST(GatePolicyTest, RefusesWithPlaceAndWhatIsAccepted) {
    struct Wrong {
        std::string yaml, told;
    };
    for (auto const& [yaml, told] : std::vector<Wrong>{
             {"rules: [a < 1]", "gate.yaml:1:1: missing key: 'gate'; accepted: gate: 1"},
             {"gate: 2\nrules: [a < 1]", "gate.yaml:1:7: gate: unknown version of policies: '2'; accepted: 1"},
             {"gate: 1\nrulez: [a]", "gate.yaml:2:1: unknown key: 'rulez'; accepted: gate, "},
             {"gate: 1\nrules: []", "gate.yaml:2"},
             {"gate: 1\nrules: [a < 1]\nset: [measure]", "expected a list of settings"},
             {"gate: 1\nrules: [{rule: a < 1, level: panic}]", "'panic'; accepted: fail, warn"},
             {"gate: 1\nrules: [{rule: a < 1, match: {codek: raw}}]", "unknown key: 'codek'"},
             {"gate: 1\nrules: [a < 1, a < 1]", "two rules have one name: 'a < 1'"},
             {"gate: 1\nrules: [a < 1]\nwaivers: [{until: tomorrow, reason: x}]", "expected a day: 'tomorrow'"},
             {"gate: 1\nrules: [a < 1]\nwaivers: [{rule: b, until: 2026-01-01, reason: x}]", "'b'; accepted: a < 1"},
             {"gate: 1\nrules: [a < 1]\nmargin: 200%", "expected a share below 1: '200%'"}}) {
        try {
            parse_policy(yaml, "gate.yaml");
            ADD_FAILURE() << "taken: " << yaml;
        } catch (ConfigError const& error) {
            EXPECT_THAT(error.what(), testing::HasSubstr(told)) << yaml;
        }
    }
}

}  // namespace
}  // namespace kvstone
