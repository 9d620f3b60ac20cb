// Verbs that only read: their output suits programs and people.

#include <map>
#include <set>

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class VerbsTest : public ProgramTest {
  protected:
    json json_of(std::string const& arguments) const {
        auto const ended = kvstone(arguments + " --json");
        EXPECT_EQ(ended.code, 0) << arguments << ended.err;
        return json::parse(ended.out);
    }
};

TEST_F(VerbsTest, PlanShowsTheCellsOfTheShippedScenarioWithoutMeasuring) {
    auto const plans = json_of("plan quickstart");
    ASSERT_EQ(plans.size(), 1U);
    EXPECT_EQ(plans[0]["scenario"], "quickstart");
    EXPECT_GE(plans[0]["cells"].size(), 14U);
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    auto const only = json_of("plan quickstart --only zstd --set 'grid.context=[256]'");
    for (auto const& cell : only[0]["cells"]) {
        EXPECT_THAT(cell["codec"].get<std::string>(), HasSubstr("zstd"));
        EXPECT_EQ(cell["context"], 256);
    }
    EXPECT_EQ(kvstone("plan quickstart --set grid.kontext=[1]").code, 2);
}

TEST_F(VerbsTest, PlanEstimatesByTheDatabaseAndSimulates) {
    write("s.yaml", small_scenario("raw, int8", "timing: off"));
    auto const guessed = json_of("plan s.yaml")[0];
    EXPECT_EQ(guessed["estimates"], json({{"guessed", 4}, {"recorded", 0}, {"scaled", 0}}));
    EXPECT_GT(guessed["estimated_s_by_nodes"]["1"], guessed["estimated_s_by_nodes"]["2"]);
    // Five equal attempts on two nodes: one of them makes three. Their sum over two would be 0.5.
    auto const five =
        json_of("plan s.yaml --set 'grid.context=[64]' --set 'grid.codec=[raw]' --set measure.processes=5");
    auto const& on = five[0]["estimated_s_by_nodes"];
    EXPECT_NEAR(on["2"].get<double>() / on["1"].get<double>(), 0.6, 0.05);
    ASSERT_EQ(kvstone("run s.yaml").code, 0);
    auto const recorded = json_of("plan s.yaml")[0];
    EXPECT_EQ(recorded["estimates"]["recorded"], 4);
    auto const walls = rows("select sum(wall_ns) / 1e9 as s from attempt");
    EXPECT_NEAR(recorded["estimated_s"].get<double>(), walls[0]["s"].get<double>(), 1e-9);
    EXPECT_THAT(kvstone("plan s.yaml").out, HasSubstr("4 from attempts at the same cell"));

    auto const simulated =
        json_of("plan s.yaml --simulate nodes=1,2,spread=0,attempt=0,transaction=0")[0]["simulation"]["results"];
    ASSERT_EQ(simulated.size(), 2U);
    EXPECT_NEAR(simulated[0]["makespan_s"].get<double>(), recorded["estimated_s"].get<double>(), 1e-9);
    EXPECT_LT(simulated[1]["makespan_s"], simulated[0]["makespan_s"]);
    EXPECT_EQ(simulated[1]["measured"], 4);
    auto const table = kvstone("plan s.yaml --simulate nodes=3,mtbf=500,back=10");
    EXPECT_THAT(table.out, HasSubstr("a node fails every 500 h and is back after 10 min"));
    EXPECT_THAT(table.out, HasSubstr("makespan"));
    EXPECT_THAT(table.out, Not(HasSubstr("on one node"))) << "one answer";
    auto const plain = json_of("plan s.yaml --simulate nodes=1,2,16,spread=0");
    for (auto const& at_its_word : plain[0]["simulation"]["results"])
        EXPECT_EQ(at_its_word["makespan_s"],
                  recorded["estimated_s_by_nodes"][std::to_string(at_its_word["nodes"].get<int>())]);
    for (std::string const bad :
         {"nodes=0", "nodes=1.5", "nodes=1,mtbf=0", "mtbf=x", "nodes", "what=1", "seed=1,2", "nodes=1,,2"}) {
        auto const refused = kvstone("plan s.yaml --simulate " + bad);
        EXPECT_EQ(refused.code, 2) << bad;
        EXPECT_THAT(refused.err, HasSubstr("mtbf=HOURS")) << bad;
    }
}

TEST_F(VerbsTest, PlanTellsWhatWillBeSkipped) {
    write("s.yaml", R"(kvstone: 1
sources: [{model: {gguf: tiny}}]
grid: {context: [512], codec: [fp16, {name: packed, codec: fp16 | zstd}]}
workloads: [roundtrip, append, model: {protocol: [context, inline, decode]}]
)");
    auto const plan = json_of("plan s.yaml")[0];
    std::map<std::string, std::string> skipped;
    for (auto const& cell : plan["cells"])
        if (cell.contains("skipped"))
            skipped[cell["workload"].get<std::string>() + cell["options"].value("protocol", "")] =
                cell["skipped"].get<std::string>();
    ASSERT_EQ(skipped.size(), 3U);
    EXPECT_THAT(skipped["append"], HasSubstr("stage zstd needs whole tensors (variable rate), and workload append"));
    EXPECT_THAT(skipped["modelinline"], HasSubstr("protocol inline"));
    EXPECT_THAT(skipped["modeldecode"], HasSubstr("protocol decode"));
    EXPECT_EQ(plan["cells"].size(), 10U);
    EXPECT_EQ(plan["estimates"]["guessed"], 7) << "of those that are measured";
    auto const text = kvstone("plan s.yaml").out;
    EXPECT_THAT(text, HasSubstr("skipped: packed append: stage zstd needs whole tensors"));
    EXPECT_THAT(text, HasSubstr("10 cells x 1 process(es), 3 cells skipped (plan "));
    // The run skips the cells that the plan names, and that is no failure.
    ASSERT_EQ(kvstone("run s.yaml --only packed --only decode --set measure.timing=off").code, 0);
    EXPECT_EQ(rows("select reason from v_latest where status = 'skipped'")[0]["reason"], skipped["modeldecode"]);
}

/// Those of a model that has to be fetched are asked of the shipped one, and of items in the place of the user's files.
TEST_F(VerbsTest, EveryShippedScenarioIsValid) {
    write(
        "items.jsonl",
        R"({"activity_label": "Baking", "ctx": "She stirs it", "endings": ["eats.", "sings.", "runs.", "sits."], "label": 1})");
    write("piqa.jsonl", R"({"goal": "Open it", "sol1": "push", "sol2": "pull"})");
    write("labels.lst", "0\n");
    write("arc.jsonl", R"({"question": {"stem": "Why?", "choices": [{"text": "so", "label": "A"}, {"text": "no", )"
                       R"("label": "B"}]}, "answerKey": "B"})");
    std::map<std::string, std::string> const instead{
        {"real-model", " --only short --set sources.0.model.gguf=tiny"},  // which takes 4096 tokens
        {"real-model-tasks",
         " --set sources.0.model.gguf=tiny --set workloads.0.tasks.file=$PWD/items.jsonl --set "
         "workloads.1.tasks.file=$PWD/piqa.jsonl --set workloads.1.tasks.labels=$PWD/labels.lst --set "
         "workloads.2.tasks.file=$PWD/arc.jsonl"}};
    auto const scenarios = json_of("list scenarios");
    EXPECT_GE(scenarios.size(), 2U);
    for (auto const& scenario : scenarios) {
        auto const name = scenario["scenario"].get<std::string>();
        auto const other = instead.find(name);
        EXPECT_EQ(json_of("plan " + name + (other != instead.end() ? other->second : ""))[0]["scenario"], name);
    }
}

TEST_F(VerbsTest, ListsHaveWhatTheRegistriesHave) {
    for (auto const* subject : {"codecs", "stages", "backends", "sources", "workloads", "metrics", "scenarios"})
        EXPECT_FALSE(json_of(std::string("list ") + subject).empty()) << subject;
    EXPECT_EQ(kvstone("list nothing").code, 2);
}

TEST_F(VerbsTest, DumpsAreReadBackAsTheyWere) {
    auto const source =
        std::string("'synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 64, seed: 3}' --context 40");
    auto const dumped = json_of("dump " + source + " -o d.safetensors");
    EXPECT_EQ(dumped["tensors"]["k"]["shape"], json({2, 2, 40, 64}));
    auto const before = json_of("inspect " + source);
    auto const after = json_of("inspect d.safetensors");
    EXPECT_EQ(before["k"], after["k"]);
    EXPECT_EQ(before["v"], after["v"]);
    EXPECT_EQ(kvstone("dump 'synthetic: {layers: 0}' -o x").code, 2);
}

TEST_F(VerbsTest, AttemptMeasuresOneCellAndStoresNothing) {
    write("s.yaml", small_scenario("raw, int8"));
    auto const cell = json_of("plan s.yaml")[0]["cells"][2]["id"].get<std::string>();
    auto const measurement = json_of("attempt " + cell + " s.yaml");
    EXPECT_EQ(measurement["status"], "ok");
    EXPECT_EQ(measurement["cell_id"], cell);
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    EXPECT_EQ(kvstone("attempt ffffffffffffffff0 s.yaml").code, 2);
}

TEST_F(VerbsTest, AttentionRunsOnWhatDumpWrote) {
    ASSERT_EQ(
        kvstone("dump 'synthetic: {layers: 1, kv_heads: 1, heads: 2, head_dim: 16}' --context 64 -o d.safetensors")
            .code,
        0);
    write("s.yaml",
          "kvstone: 1\nname: dumped\nsources: [dump: {path: d.safetensors}]\n"
          "grid: {codec: [raw, int8]}\nworkloads: [{attention: {queries: 4}}]\nmeasure: {timing: off}\n");
    auto const ended = kvstone("run s.yaml");
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    EXPECT_THAT(ended.out, HasSubstr("attention {\"queries\":4}  d"));
    EXPECT_THAT(ended.out, HasSubstr("att KL"));
    auto const rows =
        json_of("query \"select codec, value from v_latest where metric = 'attention_kl' order by value\"");
    EXPECT_EQ(rows[0]["value"], 0.0);
    EXPECT_GT(rows[1]["value"], 0.0);
    write("s.yaml",
          "kvstone: 1\nsources: [dump: {path: d.safetensors}]\ngrid: {codec: [raw]}\n"
          "workloads: [attention, {attention: {queries: [64, 4], spread: [half, last]}}]\n");
    auto const planned = json_of("plan s.yaml")[0]["cells"];
    EXPECT_EQ(planned.size(), 4U) << "options at their defaults are the workload alone: " << planned;
    write("s.yaml",
          "kvstone: 1\nsources: [dump: {path: d.safetensors}]\n"
          "grid: {codec: [raw]}\nworkloads: [attention: {queries: none}]\n");
    auto const refused = kvstone("run s.yaml");
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(
        refused.err,
        HasSubstr("s.yaml:4:34: workloads.0.attention.queries: expected a whole number from 1 to 65536: 'none'"));
}

TEST_F(VerbsTest, DoctorNamesWhatIsThereAndWhatIsMissing) {
    auto const found = json_of("doctor");
    std::set<std::string> subjects;
    for (auto const& finding : found["findings"]) subjects.insert(finding["subject"].get<std::string>());
    for (auto const* subject :
         {"machine", "MPI", "libllama", "CUDA", "sources", "processor", "built-in 'tiny'", "backend openmp"})
        EXPECT_TRUE(subjects.contains(subject)) << subject;
}

TEST_F(VerbsTest, ProgramsRefuseAProcessorTheyWereNotCompiledFor) {
    for (std::string const program : {"kvstone-unfit --version", "kvstone-attempt-unfit"}) {
        auto const refused = shell(program);
        EXPECT_EQ(refused.code, 2) << program;
        EXPECT_THAT(refused.err, testing::StartsWith("kvstone")) << "before any constructor";
        EXPECT_THAT(refused.err, HasSubstr("compiled for a processor with "));
        EXPECT_THAT(refused.err, HasSubstr("-DKVSTONE_NATIVE=OFF"));
        EXPECT_EQ(refused.out, "");
    }
    EXPECT_EQ(shell("kvstone --version").code, 0);
}

TEST_F(VerbsTest, RealModelAndRealDumpsRun) {
    auto const model = test_data("models/stories260K.gguf");
    auto const text = test_data("text/tinystories_val_794k.txt");
    auto const dump = test_data("dumps/slices_l2h5k.npz");
    if (!model || !text || !dump) GTEST_SKIP() << "needs the test data: models, text and dumps";
    write("s.yaml",
          "kvstone: 1\nname: real\nsources:\n  - model: {gguf: '" + model->string() + "', text: '" + text->string() +
              "'}\n  - dump: {path: '" + dump->string() +
              "', k: values, scale: scale, dtype: i8, layout: token dim}\n"
              "grid: {context: [256], codec: [raw, fp16, int8]}\nworkloads: [roundtrip]\nmeasure: {timing: off}\n");
    auto const ended = kvstone("run s.yaml");
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    EXPECT_THAT(ended.out, HasSubstr("6/6 cells ok"));
}

TEST_F(VerbsTest, PrunesCaptures) {
    auto const folder = path("cache") / "kvstone" / "captures";
    std::filesystem::create_directories(folder);
    for (auto const* name : {"a.safetensors", "b.baseline", "notes.txt"}) write(folder / name, std::string(1000, 'x'));
    auto const dry = json_of("prune captures --max-bytes 1500 --dry-run");
    EXPECT_EQ(dry["removed"].size(), 1U);
    EXPECT_EQ(dry["kept_bytes"], 1000);
    EXPECT_TRUE(std::filesystem::exists(folder / "a.safetensors"));
    auto const kept = shell("KVSTONE_CAPTURES_BYTES=2000 kvstone prune captures");
    EXPECT_EQ(kept.code, 0) << kept.err;
    EXPECT_EQ(kept.out, folder.string() + ": 2000 bytes of at most 2000\n");
    EXPECT_EQ(json_of("prune captures --max-bytes 0")["removed"].size(), 2U);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.safetensors"));
    EXPECT_TRUE(std::filesystem::exists(folder / "notes.txt")) << "not ours";
    EXPECT_EQ(kvstone("prune").code, 2);
    EXPECT_EQ(shell("KVSTONE_CAPTURES_BYTES=much kvstone prune captures").code, 2);
}

}  // namespace
}  // namespace kvstone
