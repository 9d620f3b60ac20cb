// Counts of work: read from files of callgrind, and taken of attempts.

#include "harness/attempts/work_instrument.hpp"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>

#include "harness/attempts/attempt.hpp"
#include "results/record/metrics.hpp"
#include "scenarios/errors.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// As callgrind writes it: costs that end in zeros are cut, functions are named once, and the line after calls= has the costs
// of the called function and all that it calls.
constexpr char const* file = R"(# callgrind format
version: 1
creator: callgrind-3.27.1
cmd:  ./t
part: 1

desc: Timerange: Basic block 0 - 100008
desc: Trigger: Client Request: encode k 50

positions: line
events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw Bc Bcm Bi Bim
summary: 0


ob=(1) /a/program
fl=(1) ???
fn=(2) pass(std::vector<double>&)
0 1 0 1 1 0 0 1
cfn=(4) inner(std::vector<double>&)
calls=1 0 
0 600 90 80 1 12 0 1 11 0 40 10
+3 2 2 0 0 1

fn=(0) main
0 6 1 4
cfn=(2)
calls=1 0 
0 603 92 81 2 13 0 2 12 0 40 10

fn=(4)
0 590 90 80 1 12 5 1 11 2 40 10 4 3
* 10

totals: 609 93 85 2 13 5 2 12 2 40 10 4 3
)";

TEST(CallgrindFileTest, SumsAndFunctionsOfTheirOwn) {
    auto const counts = read_callgrind(file);
    EXPECT_EQ(counts.pass.pass, "encode");
    EXPECT_EQ(counts.pass.component, "k");
    EXPECT_EQ(counts.pass.values, 50U);
    EXPECT_EQ(counts.instrument, "callgrind-3.27.1");
    EXPECT_EQ(counts.instructions, 609);
    EXPECT_EQ(counts.l1_misses, 13 + 5);
    EXPECT_EQ(counts.last_level_misses, 2 + 12 + 2);
    EXPECT_EQ(counts.branch_misses, 10 + 3);
    EXPECT_THAT(counts.functions, ElementsAre(Pair("inner(std::vector<double>&)", 600), Pair("main", 6),
                                              Pair("pass(std::vector<double>&)", 3)));
}

TEST(CallgrindFileTest, OtherFilesAreNoCounts) {
    std::string const whole = file;
    EXPECT_EQ(read_callgrind(whole.substr(0, whole.find("desc: Trigger")) + whole.substr(whole.find("positions:")))
                  .pass.values,
              0U)
        << "what was counted outside of passes has no name";
    for (auto const& cut : {std::string(), std::string("a text\n"), whole.substr(0, whole.find("totals"))})
        EXPECT_THROW(read_callgrind(cut), CorruptData);
}

TEST(CallgrindFileTest, PassesComeBackByTheirNames) {
    auto text = std::string(file);
    auto const name = counted_pass_name({"decode", "v", 18446744073709551615U});
    text.replace(text.find("encode k 50"), 11, name);
    auto const pass = read_callgrind(text).pass;
    EXPECT_EQ(counted_pass_name(pass), name);
}

bool has_valgrind() {
    return std::system("command -v valgrind >/dev/null") == 0;  // NOLINT(concurrency-mt-unsafe)
}

class WorkInstrumentTest : public testing::Test {
  protected:
    void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        GTEST_SKIP() << "an instrument cannot run a program with sanitizers";
#endif
        if (!has_valgrind()) GTEST_SKIP() << "valgrind is not in PATH";
        use(programs_folder());
    }
    void TearDown() override {
        unsetenv("KVSTONE_ATTEMPT");
        unsetenv("KVSTONE_TEST_MARK");
        for (int i = 0; i < more_variables; ++i) unsetenv(variable(i).c_str());
    }
    static constexpr int more_variables = 65;
    static std::string variable(int number) { return "KVSTONE_TEST_" + std::to_string(number); }
    static void use(std::string const& folder) {
        setenv("KVSTONE_ATTEMPT", (folder + "/kvstone-attempt-faults").c_str(), 1);
    }

    Measurement count(std::string const& codec, std::string const& workload = "roundtrip", bool start = false) {
        AttemptRequest request;
        auto& cell = request.cell;
        cell.workload = workload;
        cell.source = {{"kind", "synthetic"}, {"layers", 3}, {"kv_heads", 2}, {"head_dim", 64}, {"seed", 7}};
        cell.locator = Json::object();
        cell.context = 200;
        cell.codec = codec;
        cell.backend = "openmp";
        identify(cell);
        request.measure.work = WorkSample{2, 100, start};
        request.measure.timing = request.measure.quality = false;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return run_attempt(spawner_, request);
    }
    static std::string figures(Measurement const& m) {
        EXPECT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        return to_json(m)["figures"].dump(1);
    }
    static double value(Measurement const& m, std::string const& metric, std::string const& component = "kv") {
        EXPECT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        for (auto const& figure : m.figures)
            if (figure.component == component && figure.metric == metric) return *figure.value;
        ADD_FAILURE() << "no " << component << ' ' << metric;
        return 0;
    }

  private:
    Spawner spawner_;
};

TEST_F(WorkInstrumentTest, CountsAndNothingElse) {
    auto const m = count("fp16");
    EXPECT_EQ(m.threads, 1);
    for (auto const& figure : m.figures) EXPECT_TRUE(is_work(*find_metric(figure.metric))) << figure.metric;
    EXPECT_EQ(m.figures.size(), 3U * 2 * 4 + 1) << "of K, V and both, two passes, four counts; and of the program";
    EXPECT_EQ(value(m, "program_bytes"),
              static_cast<double>(std::filesystem::file_size(programs_folder() + "/kvstone-attempt-faults")));
    EXPECT_TRUE(m.samples.empty());
    EXPECT_FALSE(m.functions.empty());
    EXPECT_THAT(m.host.at("instrument").get<std::string>(),
                testing::AllOf(testing::StartsWith("callgrind-3"), testing::EndsWith(", 2 layers, 100 tokens")));
    EXPECT_NEAR(value(m, "encode_instructions"),
                (value(m, "encode_instructions", "k") + value(m, "encode_instructions", "v")) / 2, 1e-9);
    // Every value is read once, and no cache has it: 16 of 4 bytes are in a line. Twice as many of 2 bytes are written; the code
    // of a pass is at most 32 KiB, or 512 lines.
    double const values = 2.0 * 2 * 100 * 64;
    EXPECT_GE(value(m, "encode_last_level_misses"), 1.0 / 16);
    EXPECT_LE(value(m, "encode_last_level_misses"), 1.0 / 16 + 1.0 / 32 + 512 / values);
}

TEST_F(WorkInstrumentTest, CountsRepeatToTheDigitWhateverTheSurroundings) {
    auto const first = figures(count("int8"));
    EXPECT_EQ(figures(count("int8")), first);
    setenv("KVSTONE_TEST_MARK", std::string(5000, 'x').c_str(), 1);
    for (int i = 0; i < more_variables; ++i) setenv(variable(i).c_str(), "x", 1);
    EXPECT_EQ(figures(count("int8")), first) << "in a larger environment";
    auto const folder = std::filesystem::temp_directory_path() / "kvstone work test with quite a long name";
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
    std::filesystem::copy(programs_folder() + "/kvstone-attempt-faults", folder);
    use(folder);
    EXPECT_EQ(figures(count("int8")), first) << "in another folder";
    std::filesystem::remove_all(folder);
}

TEST_F(WorkInstrumentTest, OneMoreMultiplicationPerValueIsFound) {
    auto const plain = count("work:how=plain"), product = count("work:how=product");
    EXPECT_GT(value(product, "encode_instructions"), 1.01 * value(plain, "encode_instructions"));
    EXPECT_EQ(value(product, "decode_instructions"), value(plain, "decode_instructions"));
}

TEST_F(WorkInstrumentTest, ABadStrideShowsInMissesAndNotInInstructions) {
    auto const plain = count("work:how=plain"), stride = count("work:how=stride");
    EXPECT_LT(value(stride, "encode_instructions"), 1.01 * value(plain, "encode_instructions"));
    EXPECT_GT(value(stride, "encode_l1_misses"), 4 * value(plain, "encode_l1_misses"));
}

TEST_F(WorkInstrumentTest, AWaitIsInvisible) {
    auto const plain = count("work:how=plain"), pause = count("work:how=pause");
    for (auto const* metric : {"encode_instructions", "encode_l1_misses"})
        EXPECT_LT(value(pause, metric), 1.01 * value(plain, metric)) << "only time shows it";
}

TEST_F(WorkInstrumentTest, TheStartIsCountedWhereAsked) {
    auto const without = count("fp16"), with = count("fp16", "roundtrip", true);
    EXPECT_GT(value(with, "start_instructions"), 10000) << "a program with libraries";
    EXPECT_EQ(value(with, "encode_instructions"), value(without, "encode_instructions")) << "and passes as before";
}

TEST_F(WorkInstrumentTest, OtherWorkloadsAreCountedOrSaySo) {
    for (auto const* workload : {"append", "attention"}) {
        auto const m = count("fp16", workload);
        EXPECT_GT(value(m, "encode_instructions"), 0) << workload;
        EXPECT_GT(value(m, "decode_instructions"), 0) << workload;
    }
    auto const other = count("fp16", "inspect");
    EXPECT_EQ(other.status, Status::skipped);
    EXPECT_THAT(other.reason, HasSubstr("workload inspect has no passes whose instructions are counted"));
}

TEST_F(WorkInstrumentTest, WithoutTheInstrumentTheReasonIsTold) {
    std::string const path = std::getenv("PATH");
    setenv("PATH", "/nowhere", 1);
    auto const m = count("fp16");
    setenv("PATH", path.c_str(), 1);
    EXPECT_EQ(m.status, Status::skipped);
    EXPECT_THAT(m.reason, HasSubstr("valgrind, which is not in PATH"));
}

}  // namespace
}  // namespace kvstone
