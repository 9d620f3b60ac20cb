// Numbers that a scenario must not have.

#include "tests/scenarios/refusal.hpp"

namespace kvstone {
namespace {

/// Every place that takes a number, against everything that is none.
TEST(Refusals, NumbersEverywhere) {
    std::string const tokens = "expected a number of tokens up to 1000000000: '";
    std::string const time = "expected a time of at most 1000 h: '";
    std::string const size = "expected a size of at least 1 B: '";
    auto const whole = [](char const* range) { return std::string("expected a whole number from ") + range + ": '"; };
    struct Place {
        char const* slot;
        char const* path;
        std::string before;
        std::string after;
        std::string says;
    };
    std::vector<Place> const places{
        {"context", "grid.context.1", "[512, ", "]", tokens},
        {"batch", "grid.batch.0", "[", "]", whole("1 to 1000000")},
        {"measure", "measure.min_time", "{min_time: ", "}", time},
        {"measure", "measure.timeout", "{timeout: ", "}", time},
        {"measure", "measure.memory", "{memory: ", "}", size},
        {"measure", "measure.repetitions", "{repetitions: ", "}", whole("1 to 1000000")},
        {"measure", "measure.processes", "{processes: ", "}", whole("1 to 10000")},
        {"measure", "measure.threads", "{threads: ", "}", whole("0 to 65536")},
        {"sources", "sources.0.synthetic.layers", "[synthetic: {shape: gpt2, layers: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.heads", "[synthetic: {shape: gpt2, heads: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.kv_heads", "[synthetic: {shape: gpt2, kv_heads: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.head_dim", "[synthetic: {shape: gpt2, head_dim: ", "}]", whole("1 to 65536")},
        {"sources", "sources.0.synthetic.seed", "[synthetic: {shape: gpt2, seed: ", "}]",
         whole("0 to 9223372036854775807")},
        {"sources", "sources.0.synthetic.rope_base", "[synthetic: {shape: gpt2, rope_base: ", "}]",
         "expected a finite number: '"},
        {"codec", "grid.codec.0.window", "[{rest: raw, window: ", "}]", whole("1 to 1000000000")},
        {"codec", "grid.codec.0.sink", "[{rest: raw, sink: ", "}]", whole("1 to 1000000000")},
        {"", "targets.0.at_most", "targets: [{component: k, metric: mae, at_most: ", "}]",
         "expected a finite number: '"},
        {"", "published.0.value", "published: [{component: k, metric: mae, comparable: exact, value: ", "}]",
         "expected a finite number: '"}};
    std::vector<std::pair<std::string, std::string>> const values{
        {"five", "five"},         {"-1x", "-1x"},   {"0x10", "0x10"}, {"1e999", "1e999"}, {".nan", ".nan"},
        {"nan", "nan"},           {"inf", "inf"},   {"-inf", "-inf"}, {"1_000", "1_000"}, {"+1", "+1"},
        {"'five'", "five"},       {"''", ""},       {"~", "nothing"}, {"[1]", "a list"},  {"{a: 1}", "a map"},
        {"1 parsec", "1 parsec"}, {"true", "true"}, {"1 2", "1 2"},   {"\"1\\n\"", "1?"}};
    int refused = 0;
    for (auto const& place : places) {
        for (auto const& [value, shown] : values) {
            auto const said = refusal(scenario_with(place.slot, place.before + "@" + value + place.after));
            auto expected = place.path + std::string(": ") + place.says + shown + "'";
            if (shown.empty()) expected = expected.substr(0, expected.size() - 4);
            EXPECT_TRUE(said.starts_with(expected)) << said << "\nexpected " << expected;
            ++refused;
        }
    }
    EXPECT_EQ(refused, 18 * 19);
}

/// Numbers that are some, but too small, too large or no whole ones.
TEST(Refusals, NumbersOutOfRange) {
    std::vector<std::pair<std::string, std::string>> const cases{
        {"context", "[@0]"},
        {"context", "[@-5]"},
        {"context", "[@1.5]"},
        {"context", "[@1.5k]"},
        {"context", "[@1000000001]"},
        {"context", "[@99999999999999999999]"},
        {"context", "[@999999999999999999k]"},
        {"context", "[@0512]"},
        {"context", "[@1K]"},
        {"context", "[@k]"},
        {"context", "[@1000M]"},
        {"batch", "[@0]"},
        {"batch", "[@1.0]"},
        {"batch", "[@1000001]"},
        {"batch", "[@1k]"},
        {"batch", "[1]\n  page: [@0]"},
        {"batch", "[1]\n  page: [@65537]"},
        {"measure", "{repetitions: @0}"},
        {"measure", "{repetitions: @5.0}"},
        {"measure", "{repetitions: @1000001}"},
        {"measure", "{repetitions: @'5'}"},
        {"measure", "{processes: @0}"},
        {"measure", "{processes: @18446744073709551616}"},
        {"measure", "{min_time: @0.3}"},
        {"measure", "{min_time: @-0.3 s}"},
        {"measure", "{min_time: @-0 s}"},
        {"measure", "{min_time: @1001 h}"},
        {"measure", "{min_time: @1e308 h}"},
        {"measure", "{min_time: @inf s}"},
        {"measure", "{min_time: @nan s}"},
        {"measure", "{min_time: @s}"},
        {"measure", "{min_time: @1 S}"},
        {"measure", "{timeout: @600}"},
        {"measure", "{memory: @4}"},
        {"measure", "{memory: @0 GiB}"},
        {"measure", "{memory: @-1 GiB}"},
        {"measure", "{memory: @0.5 B}"},
        {"measure", "{memory: @4 gib}"},
        {"measure", "{memory: @1e300 TiB}"},
        {"sources", "[synthetic: {shape: gpt2, layers: @65537}]"},
        {"sources", "[synthetic: {shape: gpt2, seed: @9223372036854775808}]"},
        {"", "published: [{component: k, metric: mae, comparable: exact, value: @'1'}]"},
    };
    for (auto const& [slot, value] : cases) {
        auto const said = refusal(scenario_with(slot, value));
        EXPECT_NE(said.find(": expected a "), std::string::npos) << slot << ": " << value << "\n" << said;
    }
}

}  // namespace
}  // namespace kvstone
