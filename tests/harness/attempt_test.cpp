#include "harness/attempts/attempt.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "codecs/codec.hpp"
#include "harness/attempts/roofline_probe.hpp"
#include "results/record/metrics.hpp"
#include "scenarios/errors.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

Cell cell_of(std::string const& codec) {
    Cell cell;
    cell.workload = "roundtrip";
    cell.source = {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 64}, {"seed", 7}};
    cell.locator = Json::object();
    cell.context = 100;
    cell.codec = codec;
    cell.backend = "openmp";
    cell.threads = 1;
    identify(cell);
    return cell;
}

constexpr double values_per_component = 2 * 2 * 100 * 64;

AttemptRequest request_of(std::string const& codec) {
    AttemptRequest request;
    request.cell = cell_of(codec);
    request.measure.min_time_s = 0.001;
    request.measure.timeout_s = 100;
    request.attempt_id = "0123456789abcdef0123456789abcdef";
    request.process = 3;
    return request;
}

/// Runs the program with the misbehaving stage.
class AttemptTest : public testing::Test {
  protected:
    void SetUp() override { use("kvstone-attempt-faults"); }
    void TearDown() override { unsetenv("KVSTONE_ATTEMPT"); }

    static void use(std::string const& program) {
        setenv("KVSTONE_ATTEMPT", (programs_folder() + '/' + program).c_str(), 1);
    }
    Measurement run(AttemptRequest const& request) { return run_attempt(spawner_, request); }
    Measurement run_fault(std::string const& how) { return run(request_of("fault:how=" + how)); }
    Spawner& spawner() { return spawner_; }

    static std::optional<double> value(Measurement const& measurement, std::string const& component,
                                       std::string const& metric) {
        auto const found = std::ranges::find_if(measurement.figures, [&](Figure const& figure) {
            return figure.component == component && figure.metric == metric;
        });
        if (found == measurement.figures.end()) {
            ADD_FAILURE() << "no figure " << component << ' ' << metric;
            return std::nullopt;
        }
        return found->value;
    }

  private:
    Spawner spawner_;
};

TEST_F(AttemptTest, ARawRoundtripIsExact) {
    auto const m = run(request_of("raw"));
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    EXPECT_EQ(m.cell_id, cell_of("raw").id);
    EXPECT_EQ(m.attempt_id, "0123456789abcdef0123456789abcdef");
    EXPECT_EQ(m.process, 3);
    EXPECT_EQ(m.threads, 1);
    EXPECT_EQ(m.reason, "");
    EXPECT_FALSE(m.device.empty());
    EXPECT_THAT(m.started_utc, testing::MatchesRegex("....-..-..T..:..:..[.]...Z"));
    EXPECT_GE(m.finished_utc, m.started_utc);
    EXPECT_GT(m.harness_ns, 0);
    EXPECT_GT(m.wall_ns, m.harness_ns);
    for (char const* component : {"k", "v", "kv"}) {
        EXPECT_EQ(value(m, component, "nmse"), 0);
        EXPECT_EQ(value(m, component, "max_abs_error"), 0);
        EXPECT_EQ(value(m, component, "relative_error_max"), 0);
        EXPECT_EQ(value(m, component, "cosine_min"), 1);
        EXPECT_EQ(value(m, component, "nominal_bits_per_value"), 32);
        EXPECT_EQ(value(m, component, "break_even_gbit_per_s"), 0);
        double const values = values_per_component * (component == std::string("kv") ? 2 : 1);
        EXPECT_EQ(value(m, component, "ledger_payload_bytes"), 4 * values);
        auto const stored =
            4 * values + *value(m, component, "ledger_headers_bytes") + *value(m, component, "ledger_padding_bytes");
        EXPECT_DOUBLE_EQ(*value(m, component, "bits_per_value"), 8 * stored / values);
        EXPECT_DOUBLE_EQ(*value(m, component, "ratio_vs_fp32"), 4 * values / stored);
        EXPECT_DOUBLE_EQ(*value(m, component, "ratio_vs_fp16"), 2 * values / stored);
        EXPECT_DOUBLE_EQ(*value(m, component, "ratio_without_side_data"),
                         2 * values / (stored - *value(m, component, "ledger_headers_bytes")));
        EXPECT_GT(*value(m, component, "encode_ns"), 0);
        EXPECT_DOUBLE_EQ(*value(m, component, "decode_gb_per_s"), 4 * values / *value(m, component, "decode_ns"));
    }
    EXPECT_GT(*value(m, "kv", "peak_rss_bytes"), 1e6);
    EXPECT_DOUBLE_EQ(*value(m, "kv", "encode_ns"), *value(m, "k", "encode_ns") + *value(m, "v", "encode_ns"));
}

TEST_F(AttemptTest, KnowsEveryMetricItReports) {
    auto const m = run(request_of("int8"));
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    for (auto const& figure : m.figures) EXPECT_NE(find_metric(figure.metric), nullptr) << figure.metric;
    for (auto const& samples : m.samples) EXPECT_GE(samples.values.size(), 5U);
    EXPECT_EQ(m.samples.size(), 4U);
    // nmse and cosine of 2 layers x 2 heads of k and v.
    EXPECT_EQ(m.profiles.size(), 2U * 4 * 2);
    EXPECT_TRUE(std::ranges::any_of(m.profiles, [](ProfileFigure const& p) { return p.layer == 1 && p.head == 1; }));
    EXPECT_GT(*value(m, "k", "channel_rms_max_over_median"), 2);
    EXPECT_GT(*value(m, "kv", "break_even_gbit_per_s"), 0);
}

TEST_F(AttemptTest, TablesOfCodesAreSideData) {
    auto const m = run(request_of("nuq:bits=4"));  // its levels are a codebook
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    auto const codebooks = *value(m, "kv", "ledger_codebooks_bytes");
    auto const headers = *value(m, "kv", "ledger_headers_bytes");
    EXPECT_GT(codebooks, 0);
    EXPECT_DOUBLE_EQ(*value(m, "kv", "ratio_without_side_data"),
                     4 * values_per_component / (*value(m, "kv", "stored_bytes") - codebooks - headers));
}

TEST_F(AttemptTest, TheShippedProgramHasNoFaults) {
    use("kvstone-attempt");
    EXPECT_EQ(run(request_of("fp16")).status, Status::ok);
    auto const m = run_fault("crash");
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("fault"));
}

TEST_F(AttemptTest, WithoutTimingThereAreNoSpeedFigures) {
    auto request = request_of("fp16");
    request.measure.timing = false;
    auto const m = run(request);
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    EXPECT_TRUE(m.samples.empty());
    for (auto const& figure : m.figures) {
        EXPECT_THAT(figure.metric, testing::Not(HasSubstr("_ns")));
        EXPECT_THAT(figure.metric, testing::Not(HasSubstr("gb_per_s")));
    }
}

TEST_F(AttemptTest, TimesAloneComeWithBytesAndWithoutErrors) {
    auto request = request_of("int8");
    auto const whole = run(request);
    request.measure.quality = false;
    auto const m = run(request);
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    EXPECT_EQ(m.samples.size(), 4U);
    EXPECT_TRUE(m.profiles.empty());
    EXPECT_GT(*value(m, "kv", "decode_ns"), 0);
    EXPECT_EQ(value(m, "kv", "stored_bytes"), value(whole, "kv", "stored_bytes"));
    for (auto const& figure : m.figures)
        for (char const* judged : {"error", "nmse", "mae", "cosine", "rms"})
            EXPECT_THAT(figure.metric, testing::Not(HasSubstr(judged)));
}

TEST_F(AttemptTest, DeterministicFiguresDoNotDependOnThreads) {
    auto request = request_of("int8 | zstd");
    auto const one = run(request);
    request.cell.threads = 3;
    identify(request.cell);
    auto const three = run(request);
    ASSERT_EQ(one.status, Status::ok) << one.reason;
    EXPECT_EQ(three.threads, 3);
    ASSERT_EQ(one.figures.size(), three.figures.size());
    for (std::size_t i = 0; i < one.figures.size(); ++i) {
        if (!find_metric(one.figures[i].metric)->deterministic) continue;
        EXPECT_EQ(one.figures[i].value, three.figures[i].value) << one.figures[i].metric;
    }
}

constexpr int any_signal = -1;

struct Ending {
    std::string how;
    Status status;
    std::string reason;
    int signal;
};

class EveryEnding : public AttemptTest, public testing::WithParamInterface<Ending> {};

TEST_P(EveryEnding, HasItsStatusAndReason) {
    auto const& ending = GetParam();
    auto request = request_of("fault:how=" + ending.how);
    if (ending.how == "hang" || ending.how == "stop") request.measure.timeout_s = 1;
    request.measure.memory_bytes = 400'000'000;
    auto const m = run(request);
    EXPECT_EQ(name_of(m.status), name_of(ending.status)) << m.reason << m.stderr_tail;
    EXPECT_THAT(m.reason, HasSubstr(ending.reason));
    if (ending.signal != any_signal) {
        EXPECT_EQ(m.signal, ending.signal);
    }
    EXPECT_EQ(m.cell_id, request.cell.id);
    EXPECT_EQ(m.attempt_id, request.attempt_id);
    EXPECT_EQ(m.figures.empty(), m.status != Status::verify_failed);
    EXPECT_GT(m.wall_ns, 0);
    if (ending.how == "abort") {
        EXPECT_THAT(m.stderr_tail, HasSubstr("about to abort \uFFFD"));
    }
    EXPECT_EQ(run(request_of("raw")).status, Status::ok) << "the next attempt suffers";
}

INSTANTIATE_TEST_SUITE_P(Attempt, EveryEnding,
                         testing::Values(Ending{"crash", Status::crash, "SIGSEGV", SIGSEGV},
                                         Ending{"abort", Status::crash, "SIGABRT", SIGABRT},
                                         Ending{"exit", Status::crash, "no result", 0},
                                         Ending{"hang", Status::timeout, "exceeded 1 s", SIGKILL},
                                         Ending{"stop", Status::timeout, "exceeded 1 s", SIGKILL},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
                                         Ending{"huge", Status::oom, "an allocation failed", 0},
#endif
                                         Ending{"heap", Status::oom, "", any_signal},  // either fence may be first
                                         Ending{"shared", Status::oom, "exceeded its memory limit", SIGKILL},
                                         Ending{"throw", Status::error, "thrown on purpose", 0},
                                         Ending{"forget", Status::verify_failed, "k: decoding does not depend", 0},
                                         Ending{"wrong", Status::verify_failed, "k: 1 values exceed", 0},
                                         Ending{"infinite", Status::verify_failed, "k: 1 finite values were", 0},
                                         // Behind a compressor, which detects altered bytes.
                                         Ending{"forget | zstd", Status::verify_failed, "k: decoding does not", 0}),
                         [](auto const& ending) {
                             return ending.param.how == "forget | zstd" ? "forget_behind_zstd" : ending.param.how;
                         });

TEST_F(AttemptTest, ABadSourceIsAnError) {
    auto request = request_of("raw");
    request.cell.source = {{"kind", "dump"}, {"sha256", std::string(64, '0')}};
    request.cell.locator = {{"path", "/nowhere/dump.safetensors"}};
    identify(request.cell);
    auto const m = run(request);
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("/nowhere/dump.safetensors"));
    EXPECT_TRUE(m.figures.empty());
}

TEST_F(AttemptTest, AnUnknownWorkloadIsAnErrorThatNamesTheKnown) {
    auto request = request_of("raw");
    request.cell.workload = "roundtrips";
    identify(request.cell);
    auto const m = run(request);
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("did you mean 'roundtrip'"));
}

TEST_F(AttemptTest, AProgramThatIsNotThereIsAnErrorOfTheMachine) {
    use("kvstone-attempt-of-another-name");
    EXPECT_THROW(run(request_of("raw")), SystemError);
}

TEST_F(AttemptTest, AResultThatIsNoneIsACrash) {
    auto const script = testing::TempDir() + "kvstone_attempt_script";
    setenv("KVSTONE_ATTEMPT", script.c_str(), 1);
    auto const answer = [&](std::string const& line) {
        std::ofstream(script) << "#!/bin/sh\n" << line << '\n';
        std::filesystem::permissions(script, std::filesystem::perms::owner_all);
        return run(request_of("raw"));
    };
    EXPECT_EQ(answer("echo '{\"status\":' >&3").reason, "no result");
    EXPECT_EQ(answer("echo 'nonsense' >&3").status, Status::crash);
    auto const closed = answer("exec 3>&-; exit 9");
    EXPECT_EQ(closed.status, Status::crash);
    EXPECT_EQ(closed.reason, "exit code 9");
    std::filesystem::remove(script);
}

TEST_F(AttemptTest, AttemptsSeeOnlyTheEnvironmentTheyAreGiven) {
    setenv("KVSTONE_TEST_MARK", "seen", 1);
    setenv("OMP_NUM_THREADS", "77", 1);
    setenv("SOMETHING_ELSE", "unseen", 1);
    auto const environment = attempt_command(spawner(), "openmp", 3, 0).environment;
    unsetenv("KVSTONE_TEST_MARK");
    unsetenv("OMP_NUM_THREADS");
    unsetenv("SOMETHING_ELSE");
    EXPECT_EQ(environment.at("KVSTONE_TEST_MARK"), "seen");
    EXPECT_EQ(environment.at("OMP_NUM_THREADS"), "3");
    EXPECT_EQ(environment.at("OMP_PROC_BIND"), "spread");
    EXPECT_EQ(environment.at("LC_ALL"), "C");
    EXPECT_EQ(environment.count("SOMETHING_ELSE"), 0U);
    EXPECT_EQ(attempt_command(spawner(), "openmp", 1, 0).environment.at("OMP_PROC_BIND"), "false");
    EXPECT_EQ(attempt_command(spawner(), "openmp", 0, 0).environment.at("OMP_NUM_THREADS"),
              std::to_string(spawner().cores()));
}

TEST_F(AttemptTest, WithoutAMemoryLimitTheMachineIsStillSafe) {
    auto const command = attempt_command(spawner(), "openmp", 1, 0);
    EXPECT_GT(command.memory_bytes, 0U);
    EXPECT_EQ(attempt_command(spawner(), "openmp", 1, 1'000'000'000).memory_bytes, 1'000'000'000U);
    EXPECT_EQ(attempt_command(spawner(), "cuda", 1, 1'000'000'000).data_bytes, 0U);
}

TEST_F(AttemptTest, AnAttemptOfAnotherBuildIsNotThisBuilds) {
    auto request = request_of("raw");
    request.source_hash = "f00df00df00df00d";
    auto const m = run(request);
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("than the program that asks for the attempt (f00df00df00df00d): build both"));
    EXPECT_TRUE(m.figures.empty());
}

TEST_F(AttemptTest, AProbeMeasuresARoofline) {
    auto const roofline = probe_roofline(spawner(), "openmp", 1);
    EXPECT_GT(roofline.gb_per_s(), 0.1);
    EXPECT_LT(roofline.gb_per_s(), 1e4);
    EXPECT_EQ(probe_roofline(spawner(), "nonsense", 1).gb_per_s(), 0);
}

TEST(AttemptRequestJson, ComesBack) {
    auto const request = request_of("fp16 | zstd");
    auto const back = attempt_request_from_json(Json::parse(to_json(request).dump()));
    EXPECT_EQ(back.cell, request.cell);
    EXPECT_EQ(back.cell.locator, request.cell.locator);
    EXPECT_EQ(back.measure, request.measure);
    EXPECT_EQ(back.attempt_id, request.attempt_id);
    EXPECT_EQ(back.process, request.process);
}

}  // namespace
}  // namespace kvstone
