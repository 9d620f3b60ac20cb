// Workloads with options: accepted texts, their meaning, and errors.

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

Vocabulary words() {
    auto vocabulary = fake_vocabulary();
    vocabulary.workloads.emplace_back("model");
    using enum WorkloadOption::Kind;
    vocabulary.workload_options["model"] = {{"protocol", choice, {}, {"context", "inline"}, 0, 0, ""},
                                            {"continuation", tokens, 0, {}, 0, 4096, ""},
                                            {"passages", number, 8, {}, 1, 100, ""},
                                            {"document", text, "", {}, 0, 0, ""}};
    return vocabulary;
}

Plan plan_of(std::string const& workloads, std::string const& more = {}) {
    return parse_plan(
        "kvstone: 1\nsources: [synthetic: {shape: gpt2}]\ngrid: {context: [64], codec: [raw, fp16]}\n"
        "workloads: " +
            workloads + "\n" + more,
        "s.yaml", ".", words());
}

std::vector<std::string> options_of(Plan const& plan) {
    std::vector<std::string> all;
    for (auto const& cell : plan.cells)
        if (cell.codec == "raw") all.push_back(cell.workload + cell.options.dump());
    return all;
}

TEST(WorkloadEntries, SpanTheirOptions) {
    EXPECT_THAT(
        options_of(plan_of("[roundtrip, {model: {protocol: [context, inline], passages: [2, 8]}}]")),
        ElementsAre("roundtrip{}", R"(model{"passages":2,"protocol":"context"})", R"(model{"protocol":"context"})",
                    R"(model{"passages":2,"protocol":"inline"})", R"(model{"protocol":"inline"})"));
    EXPECT_THAT(options_of(plan_of("[{model: {protocol: context}}, {model: {protocol: context, passages: 8}}]")),
                ElementsAre(R"(model{"protocol":"context"})"))
        << "what is at its default makes no other cell";
    EXPECT_THAT(options_of(plan_of("[{model: {protocol: inline, continuation: 1k, document: Once upon}}]")),
                ElementsAre(R"(model{"continuation":1024,"document":"Once upon","protocol":"inline"})"));
}

TEST(WorkloadEntries, AreInTheIdentityWhereNotAtTheirDefaults) {
    auto const cell = plan_of("[{model: {protocol: context, passages: 3}}]").cells[0];
    EXPECT_THAT(cell.canonical, HasSubstr(R"("context":64,"options":{"passages":3,"protocol":"context"},"source":)"));
    EXPECT_EQ(cell_from_canonical(cell.canonical).options, cell.options);
    EXPECT_EQ(to_json(cell_from_json(to_json(cell))), to_json(cell));
    std::set<std::string> ids;
    for (auto const& one : plan_of("[roundtrip, {model: {protocol: [context, inline], passages: [2, 8]}}]").cells)
        ids.insert(one.id);
    EXPECT_EQ(ids.size(), 10U);
}

TEST(WorkloadEntries, TakeSizesTimesAndNumbers) {
    using enum WorkloadOption::Kind;
    auto vocabulary = words();
    vocabulary.workload_options["model"] = {
        {"budget", bytes, 0, {}, 0, 0, ""}, {"ttl", duration, 0, {}, 0, 0, ""}, {"exponent", real, 1, {}, 0, 10, ""}};
    auto const told = [&](std::string const& options) -> std::string {
        try {
            auto const plan = parse_plan(
                "kvstone: 1\nsources: [synthetic: {shape: gpt2}]\ngrid: {context: [64], codec: [raw]}\n"
                "workloads: [{model: {" +
                    options + "}}]",
                "s.yaml", ".", vocabulary);
            std::string all;
            for (auto const& cell : plan.cells) all += cell.options.dump();
            return all;
        } catch (ConfigError const& error) {
            return error.what();
        }
    };
    EXPECT_EQ(told("budget: [64 GiB, 1 kB], ttl: 300 s"),
              R"({"budget":68719476736,"ttl":300.0}{"budget":1000,"ttl":300.0})");
    EXPECT_EQ(told("ttl: 5 min"), told("ttl: 300 s")) << "another spelling is no other cell";
    EXPECT_EQ(told("exponent: [0.5, 1.0]"), R"({"exponent":0.5}{})");
    EXPECT_THAT(told("budget: 64"), HasSubstr("s.yaml:4:30: workloads.0.model.budget: expected a size"));
    EXPECT_THAT(told("ttl: soon"), HasSubstr("expected a time"));
    EXPECT_THAT(told("exponent: 11"), HasSubstr("a number out of range: '11'; accepted: 0 to 10"));
    EXPECT_THAT(told("exponent: -1"), HasSubstr("a number out of range"));
    EXPECT_THAT(told("exponent: x"), HasSubstr("expected a finite number"));
}

TEST(WorkloadEntries, FilesAreIdentifiedByWhatIsInThem) {
    ScratchFolder const folder;
    auto const first = folder.write("a.jsonl", "one");
    auto vocabulary = words();
    vocabulary.workload_options["model"].push_back({"file", WorkloadOption::Kind::file, "", {}, 0, 0, ""});
    std::vector<std::string> checked;
    vocabulary.check_workload = [&](std::string const& name, Json const& options, Json const& locator) {
        if (!options.contains("file")) return;
        checked.push_back(name + " " + locator.at("files").at("file").get<std::string>());
        if (options.value("passages", 0) == 66) throw ConfigError("no", "line", {}, {"a.jsonl", 7, 0});
        if (options.value("passages", 0) == 77) throw ConfigError("not so");
    };
    auto const plan = [&](std::string const& options) {
        return parse_plan(
            "kvstone: 1\nsources: [synthetic: {shape: gpt2}]\ngrid: {context: [64], codec: [raw]}\n"
            "workloads: [{model: {protocol: context" +
                options + "}}]",
            "s.yaml", folder.path(), vocabulary);
    };
    auto const cell = plan(", file: a.jsonl").cells[0];
    EXPECT_EQ(cell.options.at("file").get<std::string>().size(), 64U);
    EXPECT_EQ(cell.locator.at("files").at("file"), first);
    EXPECT_THAT(checked, ElementsAre("model " + first));
    folder.write("b.jsonl", "one");
    EXPECT_EQ(plan(", file: b.jsonl").cells[0].id, cell.id) << "another path is no other file";
    folder.write("b.jsonl", "two");
    EXPECT_NE(plan(", file: b.jsonl").cells[0].id, cell.id);
    auto const refusal = [&](std::string const& options) -> std::string {
        try {
            plan(options);
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "not refused";
    };
    EXPECT_THAT(refusal(", file: c.jsonl"), AllOf(HasSubstr("s.yaml:4:"), HasSubstr("c.jsonl")));
    EXPECT_EQ(refusal(", file: a.jsonl, passages: 66"), "a.jsonl:7: no: 'line'");
    EXPECT_EQ(refusal(", file: a.jsonl, passages: 77"), "s.yaml:4:13: not so");
}

TEST(WorkloadEntries, MatchByProtocol) {
    auto const plan = plan_of("[roundtrip, {model: {protocol: [context, inline]}}]",
                              "exclude: [{protocol: inline, codec: fp16}]\n"
                              "targets: [{match: {protocol: context}, component: k, metric: mae, at_most: 1}]\n");
    EXPECT_EQ(plan.cells.size(), 5U);
    int taken = 0;
    for (auto const& cell : plan.cells) taken += matches(plan.targets[0].match, cell) ? 1 : 0;
    EXPECT_EQ(taken, 2);
}

TEST(WorkloadEntries, AreRefusedWithThePlaceAndWhatIsAccepted) {
    auto const refusal = [](std::string const& workloads, std::string const& more = {}) {
        try {
            plan_of(workloads, more);
        } catch (ConfigError const& error) {
            return std::string(error.what());
        }
        return std::string("not refused");
    };
    EXPECT_THAT(refusal("[model]"),
                HasSubstr("s.yaml:4:13: workloads.0: workload model needs 'protocol': 'model'; accepted: "
                          "model: {protocol: context}, model: {protocol: inline}"));
    EXPECT_THAT(
        refusal("[{model: {protocol: contex}}]"),
        HasSubstr("s.yaml:4:32: workloads.0.model.protocol: unknown protocol: 'contex'; accepted: context, inline (did "
                  "you mean 'context'?)"));
    EXPECT_THAT(refusal("[{model: {protocol: inline, passage: 3}}]"), HasSubstr("did you mean 'passages'?"));
    EXPECT_THAT(refusal("[{model: {protocol: inline, passages: 0}}]"), HasSubstr("a whole number from 1 to 100: '0'"));
    EXPECT_THAT(refusal("[{model: {protocol: inline, continuation: 5k}}]"),
                HasSubstr("out of range: '5k'; accepted: 0 to 4096"));
    EXPECT_THAT(refusal("[{roundtrip: {protocol: inline}}]"), HasSubstr("protocol"));
    EXPECT_THAT(refusal("[{modell: {protocol: inline}}]"), HasSubstr("unknown workload: 'modell'"));
    EXPECT_THAT(refusal("[{model: {protocol: inline}, roundtrip: {}}]"), HasSubstr("expected one workload"));
    EXPECT_THAT(refusal("[{model: {protocol: context}}]", "exclude: [{protocol: inline}]\n"),
                HasSubstr("no such protocol in this scenario: 'inline'; accepted: context"));
    EXPECT_THAT(refusal("[{model: {protocol: context, passages: [2, 4]}}]", "exclude: [{protocol: inline}]\n"),
                EndsWith("accepted: context"));
    EXPECT_THAT(refusal("[{model: {protocol: [context, inline]}}]", "exclude: [{workload: roundtrip}]\n"),
                EndsWith("accepted: model"));
}

TEST(WorkloadEntries, AreMatchedByTheirOptions) {
    std::string const all = "[roundtrip, {model: {protocol: [context, inline], passages: [2, 8]}}]";
    auto const left = [&](std::string const& match) { return options_of(plan_of(all, "exclude: [" + match + "]\n")); };
    EXPECT_THAT(left("{workload: model}"), ElementsAre("roundtrip{}"));
    EXPECT_THAT(left("{workload: {model: {passages: 2}}}"),
                ElementsAre("roundtrip{}", R"(model{"protocol":"context"})", R"(model{"protocol":"inline"})"));
    EXPECT_THAT(left("{workload: {model: {passages: 8, protocol: context}}}"),
                ElementsAre("roundtrip{}", R"(model{"passages":2,"protocol":"context"})",
                            R"(model{"passages":2,"protocol":"inline"})", R"(model{"protocol":"inline"})"))
        << "a default is matched where a cell leaves it out";
    EXPECT_THAT(left("{workload: [roundtrip, {model: {protocol: inline}}]}"),
                ElementsAre(R"(model{"passages":2,"protocol":"context"})", R"(model{"protocol":"context"})"));
    EXPECT_EQ(plan_of(all, "require: [{workload: {model: {passages: 2}}}]\n").require.size(), 4U);
    auto const refusal = [&](std::string const& match) {
        try {
            left(match);
        } catch (ConfigError const& error) {
            return std::string(error.what());
        }
        return std::string("not refused");
    };
    EXPECT_THAT(refusal("{workload: {model: {passages: none}}}"),
                HasSubstr("exclude.0.workload.model.passages: expected a whole number from 1 to 100: 'none'"));
    EXPECT_THAT(refusal("{workload: {model: {queries: 2}}}"), HasSubstr("unknown key: 'queries'"));
    EXPECT_THAT(refusal("{workload: {model: {passages: 3}}}"), HasSubstr("no such workload in this scenario"));
    EXPECT_THAT(refusal("{workload: {model: {}, roundtrip: {}}}"), HasSubstr("expected one workload"));
}

}  // namespace
}  // namespace kvstone
