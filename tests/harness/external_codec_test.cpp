// Codecs that are commands, in attempts: what they code, and each way to misbehave as a row of its own.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>

#include "harness/external/external_codecs.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/harness/python_codec.hpp"

namespace kvstone {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t values_of_a_component = 2 * 2 * 48 * 16;

class ExternalCommand : public AttemptTest {
  protected:
    void SetUp() override {
        AttemptTest::SetUp();
        if (python_with("json").empty()) GTEST_SKIP() << "no Python with json";
    }
    static AttemptRequest request_of(ExternalDefinition const& definition, std::string const& text = "mine",
                                     std::string const& workload = "roundtrip") {
        AttemptRequest request;
        auto& cell = request.cell;
        cell.workload = workload;
        cell.source = {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"head_dim", 16}, {"seed", 7}};
        cell.locator = {{"codecs", {to_json(definition)}}};
        cell.context = 48;
        cell.codec = with_external_stages(text, {definition});
        cell.backend = "openmp";
        cell.threads = 1;
        request.measure.timing = false;
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return request;
    }
    Measurement behave(std::vector<std::string> const& how) { return run(request_of(codec_py(how))); }
    static double value_of(Measurement const& measurement, std::string const& component, std::string const& metric) {
        for (auto const& one : measurement.figures)
            if (one.component == component && one.metric == metric && one.value) return *one.value;
        ADD_FAILURE() << "no figure " << component << ' ' << metric;
        return std::nan("");
    }
    static bool has(Measurement const& measurement, std::string const& metric) {
        return std::ranges::any_of(measurement.figures,
                                   [&](Figure const& one) { return one.metric == metric && one.value; });
    }
};

TEST_F(ExternalCommand, BytesAndErrorsAreThoseOfWhatCameBack) {
    auto const theirs = behave({"half"});
    ASSERT_EQ(theirs.status, Status::ok) << theirs.reason << theirs.stderr_tail;
    auto ours = request_of(codec_py({"half"}));
    ours.cell.codec = "fp16";
    auto const half = run(ours);
    ASSERT_EQ(half.status, Status::ok);
    for (auto const* component : {"k", "v"}) {
        EXPECT_EQ(value_of(theirs, component, "ledger_payload_bytes"), 2.0 * values_of_a_component);
        for (auto const* metric : {"nmse", "max_abs_error", "cosine_min"})
            EXPECT_EQ(value_of(theirs, component, metric), value_of(half, component, metric)) << metric;
    }
    // Half of a binary16's last place of each value at most: (2^-11)^2.
    EXPECT_LT(value_of(theirs, "kv", "spot_check_error"), 0x1p-22);
    // Of two processes of Python, beside the attempt's own.
    EXPECT_GT(value_of(theirs, "kv", "peak_rss_bytes"), value_of(half, "kv", "peak_rss_bytes") + 4e6);
    EXPECT_FALSE(has(theirs, "nominal_bits_per_value"));
    auto stated = codec_py({"half"});
    stated.bits = 16;
    EXPECT_EQ(value_of(run(request_of(stated)), "kv", "nominal_bits_per_value"), 16);
}

TEST_F(ExternalCommand, StandsInPipelinesAndRules) {
    auto const rules = run(request_of(codec_py({"half"}), "window(16){raw} k{hadamard | mine} v{mine | zstd}"));
    ASSERT_EQ(rules.status, Status::ok) << rules.reason << rules.stderr_tail;
    EXPECT_EQ(value_of(rules, "k", "ledger_window_bytes"), 4.0 * 2 * 2 * 16 * 16);
    EXPECT_EQ(value_of(rules, "k", "ledger_payload_bytes"), 2.0 * 2 * 2 * 32 * 16);
    EXPECT_LT(value_of(rules, "k", "nmse"), 1e-5);
}

TEST_F(ExternalCommand, AProgramThatImportsTorchIsGivenItsTensors) {
    auto const python = python_with("torch");
    if (python.empty()) GTEST_SKIP() << "no Python with torch (KVSTONE_TEST_PYTHON can name one)";
    auto const m = run(request_of(python_codec(python, "tests/harness/external", "torch_codec.py")));
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    EXPECT_EQ(value_of(m, "k", "ledger_payload_bytes"), 2.0 * values_of_a_component);
    EXPECT_LT(value_of(m, "kv", "spot_check_error"), 0x1p-22);
}

struct Misbehaviour {
    char const* how;
    Status status;
    char const* reason;
    char const* said = "";
};

class Misbehaving : public ExternalCommand, public testing::WithParamInterface<Misbehaviour> {};

TEST_P(Misbehaving, IsARowOfItsOwn) {
    auto const& [how, status, reason, said] = GetParam();
    auto request = request_of(codec_py({how}));
    if (status == Status::timeout)
        request.measure.timeout_s = 10;  // a second of it for ends that the program tells itself
    auto const m = run(request);
    EXPECT_EQ(m.status, status) << m.reason << m.stderr_tail;
    EXPECT_THAT(m.reason, HasSubstr(reason));
    EXPECT_THAT(m.stderr_tail, HasSubstr(said));
    EXPECT_LE(m.stderr_tail.size(), 4000);
    EXPECT_EQ(m.figures.empty(), status != Status::ok);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Misbehaving,
    testing::Values(
        Misbehaviour{
            "encode.exit", Status::crash,
            "mine: encode: its process ended (exit code 3) after the first 0 bytes of its answer: the last words",
            "the last words"},
        Misbehaviour{
            "decode.exit", Status::crash,
            "mine: decode: its process ended (exit code 3) after the first 0 bytes of its answer: the last words",
            "the last words"},
        Misbehaviour{"decode.segv", Status::crash, "mine: decode: its process ended (SIGSEGV)"},
        Misbehaviour{"encode.hang", Status::timeout,
                     "mine: encode: no answer within the time limit of the attempt: waiting for ever",
                     "waiting for ever"},
        Misbehaviour{"decode.hang", Status::timeout, "mine: decode: no answer within the time limit of the attempt"},
        Misbehaviour{"encode.garbage", Status::error,
                     "mine: encode: the answer is no frame of the protocol, but 'Hello, this is my codec?'"},
        Misbehaviour{"decode.partial", Status::crash,
                     "mine: decode: its process ended (exit code 0) after the first 28 of 1018 bytes of its answer"},
        Misbehaviour{"encode.noise", Status::ok, "", "end of the noise"},
        // Proofs that decoding reads the bytes alter some: they take it for what it is, and go on.
        Misbehaviour{"fragile", Status::ok, ""},
        Misbehaviour{"encode.error", Status::error, "mine: encode: ValueError: no such thing"},
        Misbehaviour{"decode.error", Status::error, "mine: decode: ValueError: no such thing"},
        Misbehaviour{"large", Status::error, "mine: encode: the answer has 77825 bytes; at most 77824 are accepted"},
        Misbehaviour{"size", Status::error, "mine: decode: the tensor is 2x2x47x16 of f32, not 2x2x48x16 of f32"},
        Misbehaviour{"nan", Status::error, "mine: decode: 1 of 3072 values are NaN or infinite"}),
    [](auto const& test) {
        std::string name = test.param.how;
        std::ranges::replace(name, '.', '_');
        return name;
    });

bool gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

TEST_F(ExternalCommand, WhatItForkedEndsWithTheAttempt) {
    for (auto const* how : {"encode.fork", "decode.fork", "encode.helper"}) {
        ScratchFolder const folder;
        auto const start = std::chrono::steady_clock::now();
        auto const m = behave({how, folder / "pid"});
        EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60)) << how;
        if (std::string_view(how).ends_with("fork")) {
            EXPECT_EQ(m.status, Status::crash) << how << m.reason;
            EXPECT_THAT(m.reason, HasSubstr("its process ended (exit code 0)"));
        } else {
            EXPECT_EQ(m.status, Status::ok) << how << m.reason;
        }
        std::ifstream file(folder / "pid");
        pid_t pid = 0;
        ASSERT_TRUE(file >> pid) << how;
        EXPECT_TRUE(gone(pid)) << how;
    }
}

TEST_F(ExternalCommand, AProgramThatCannotRunIsToldByName) {
    auto definition = codec_py({});
    definition.command = {"no-such-program"};
    auto const m = run(request_of(definition));
    EXPECT_EQ(m.status, Status::error);
    EXPECT_EQ(m.reason, "mine: cannot run no-such-program: No such file or directory");
    definition.command = {"/bin/true"};
    auto const silent = run(request_of(definition));
    EXPECT_EQ(silent.status, Status::crash);
    EXPECT_THAT(silent.reason, StartsWith("mine: encode: its process ended (exit code 0)"));
}

TEST_F(ExternalCommand, ACellWithoutTheDefinitionSaysSo) {
    auto request = request_of(codec_py({"half"}));
    request.cell.locator = Json::object();
    auto const m = run(request);
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("the cell does not say what this codec is"));
}

TEST_F(ExternalCommand, FilesThatChangedSinceThePlanAreRefused) {
    auto definition = codec_py({"half"});
    definition.files[0].sha256 = sha256_of("another");
    auto const m = run(request_of(definition));
    EXPECT_EQ(m.status, Status::error);
    EXPECT_THAT(m.reason, HasSubstr("no longer the file that was planned"));
}

/// A codec that keeps the tensor in memory and returns one byte, and one that returns nothing at all.
class Cheater : public ExternalCommand, public testing::WithParamInterface<std::pair<char const*, char const*>> {
  protected:
    static void expect_found_out(Measurement const& m) {
        EXPECT_EQ(m.status, Status::verify_failed) << m.reason << m.stderr_tail;
        EXPECT_THAT(m.reason,
                    AllOf(HasSubstr("no nearer to its values than zeros are"), HasSubstr("bytes do not hold")));
        EXPECT_TRUE(m.figures.empty());
    }
};

TEST_P(Cheater, IsFoundOut) {
    auto const& [workload, options] = GetParam();
    for (auto const* how : {"cheat", "empty"}) {
        auto request = request_of(codec_py({how}), "mine", workload);
        request.cell.options = parse_json(options);
        expect_found_out(run(request));
        expect_found_out(run(request));  // nothing of the first time is kept and believed
        // The same cell of an honest codec.
        auto honest = request_of(codec_py({"half"}), "mine", workload);
        honest.cell.options = request.cell.options;
        auto const m = run(honest);
        EXPECT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        EXPECT_LT(value_of(m, "kv", "spot_check_error"), 0x1p-22);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Workloads, Cheater,
    testing::Values(
        std::pair{"roundtrip", "{}"}, std::pair{"attention", "{}"}, std::pair{"entropy", "{}"},
        std::pair{"prefix_cache", "{}"},
        std::pair{
            "tier",
            R"({"generate": "zipf", "prompts": 4, "prompt_tokens": 96, "requests": 12, "hot_budget": 100000, "cold_budget": 100000})"}),
    [](auto const& test) { return std::string(test.param.first); });

}  // namespace
}  // namespace kvstone
