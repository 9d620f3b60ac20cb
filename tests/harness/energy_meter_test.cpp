// Energy of passes, by counters and a clock of the test's own.

#include "harness/workloads/energy_meter.hpp"

#include <atomic>
#include <climits>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>

#include "backends/powercap.hpp"
#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

/// A machine whose counters move in steps of `step_ns`; reading any of them, or the clock, takes 3 us.
struct Machine {
    std::int64_t now_ns = 1'000'003;
    std::int64_t step_ns = 1'000'000;
    int readings_left = INT_MAX;

    EnergyMeter::Clock clock() {
        return [this] { return now_ns += 3'000; };
    }
    /// Counts `watts`, beginning at `first_uj`.
    EnergyCounter counter(double watts, std::uint64_t first_uj = 0, std::uint64_t range_uj = 65532610987,
                          std::string domain = "package-0") {
        return {std::move(domain), range_uj, [=, this]() -> std::optional<std::uint64_t> {
                    if (readings_left-- <= 0) return std::nullopt;
                    now_ns += 3'000;
                    auto const stepped_ns = static_cast<double>(now_ns / step_ns * step_ns);
                    return (first_uj + static_cast<std::uint64_t>(watts * stepped_ns * 1e-3)) % range_uj;
                }};
    }
    void work(double ms) { now_ns += static_cast<std::int64_t>(ms * 1e6); }
};

/// Requires that there is an energy, or else that there is a problem.
std::optional<PassEnergy> of_passes(EnergyMeter const& meter, std::function<void()> const& pass) {
    std::string problem;
    auto const energy = meter.of_passes(pass, problem);
    EXPECT_EQ(energy.has_value(), problem.empty()) << problem;
    return energy;
}

// One step at either end is missed or not: 1 / 100 of the energy of as short a time as has one.
constexpr double share = 1.0 / EnergyMeter::least_updates;

TEST(EnergyMeterTest, PassesAreRepeatedForAHundredSteps) {
    for (double const pass_ms : {0.007, 0.3, 1.0, 9.1, 99.99, 100.1, 730.0}) {
        Machine machine;
        EnergyMeter const meter({machine.counter(50)}, machine.clock());
        ASSERT_TRUE(meter.tells());
        EXPECT_NEAR(static_cast<double>(meter.least_ns()), 100e6, 2e6) << "steps of a millisecond are seen as such";
        auto const energy = of_passes(meter, [&] { machine.work(pass_ms); });
        ASSERT_TRUE(energy) << pass_ms;
        // The clock is read once a pass, which is part of the work as well.
        double const joules = 50 * (pass_ms * 1e-3 + 3e-6);
        EXPECT_NEAR(energy->joules, joules, joules * share * 1.01) << pass_ms;
        EXPECT_GE(static_cast<double>(energy->passes) * (pass_ms + 0.003), 98.0) << pass_ms;
    }
}

TEST(EnergyMeterTest, SlowCountersGetLongerWork) {
    Machine machine{.step_ns = 100'000'000};  // as of devices
    EnergyMeter const meter({machine.counter(700)}, machine.clock());
    EXPECT_NEAR(static_cast<double>(meter.least_ns()), 10e9, 0.1e9);
    EXPECT_EQ(meter.joules_of([&] { machine.work(9'000); }), std::nullopt);
    auto const joules = meter.joules_of([&] { machine.work(10'200); });
    ASSERT_TRUE(joules);
    EXPECT_NEAR(*joules, 7140, 7140 * share);
}

TEST(EnergyMeterTest, DomainsAreAddedAndTheSlowestDecides) {
    Machine machine;
    auto slow = machine.counter(20, 0, 65532610987, "package-0/dram");
    slow.read_uj = [&machine]() -> std::optional<std::uint64_t> {
        return static_cast<std::uint64_t>(machine.now_ns / 4'000'000 * 80'000);
    };
    EnergyMeter const meter({machine.counter(50), slow}, machine.clock());
    EXPECT_EQ(meter.domains(), "package-0 + package-0/dram, idle power included");
    EXPECT_NEAR(static_cast<double>(meter.least_ns()), 400e6, 8e6);
    EXPECT_FALSE(meter.joules_of([&] { machine.work(390); }));
    auto const joules = meter.joules_of([&] { machine.work(500); });
    ASSERT_TRUE(joules);
    EXPECT_NEAR(*joules, 35, 35 * share);
}

TEST(EnergyMeterTest, ACounterMayBeginAgainOnce) {
    constexpr std::uint64_t range_uj = 65'532'610'987;  // 1,000 W use it up in 65.5 s
    for (std::uint64_t const before_the_end_uj : {1'000'000U, 5'000'000U, 8'000'000U}) {
        Machine machine;
        EnergyMeter const meter({machine.counter(100, range_uj - before_the_end_uj, range_uj)}, machine.clock());
        auto const joules = meter.joules_of([&] { machine.work(1'000); });
        ASSERT_TRUE(joules) << before_the_end_uj;
        EXPECT_NEAR(*joules, 100, 100 * share) << before_the_end_uj;
    }
    Machine machine;
    EnergyMeter const meter({machine.counter(100, 0, range_uj)}, machine.clock());
    EXPECT_TRUE(meter.joules_of([&] { machine.work(65'500); }));
    EXPECT_FALSE(meter.joules_of([&] { machine.work(65'600); })) << "it may have begun again twice";
    EXPECT_FALSE(of_passes(meter, [&] { machine.work(65'600); }));
}

TEST(EnergyMeterTest, ACounterThatWasSetBackIsNotBelieved) {
    Machine machine;
    std::uint64_t offset_uj = 60'000'000'000;
    auto counter = machine.counter(100);
    counter.read_uj = [&offset_uj, read = counter.read_uj] { return offset_uj + *read(); };
    EnergyMeter const meter({counter}, machine.clock());
    EXPECT_TRUE(meter.joules_of([&] { machine.work(200); }));
    EXPECT_FALSE(meter.joules_of([&] {
        machine.work(200);
        offset_uj = 0;  // seen as one that began again: 5 kJ in 0.2 s
    }));
}

TEST(EnergyMeterTest, WhatStandsStillOrVanishesTellsNothing) {
    Machine still{.step_ns = INT64_MAX};
    EnergyMeter const meter({still.counter(50)}, still.clock());
    EXPECT_FALSE(meter.tells());
    EXPECT_EQ(meter.problem(), "the counter of package-0 stands still: it took no step for 2 s");
    EXPECT_FALSE(of_passes(meter, [&] { FAIL() << "nothing is to be repeated"; }));
    EXPECT_FALSE(meter.joules_of([&] { still.work(1e6); }));

    Machine gone;
    EnergyMeter const watching({gone.counter(50)}, gone.clock());
    ASSERT_TRUE(watching.tells());
    EXPECT_FALSE(of_passes(watching, [&] {
        gone.work(10);
        gone.readings_left = 0;
    }));
    EnergyMeter const nothing({gone.counter(50)}, gone.clock());
    EXPECT_FALSE(nothing.tells());
    EXPECT_EQ(nothing.problem(), "the counter of package-0 does not tell");
    EXPECT_FALSE(EnergyMeter({}, gone.clock()).tells());
}

/// A counter that stops is no work without energy.
TEST(EnergyMeterTest, ACounterThatStopsDuringTheWorkTellsNothing) {
    Machine machine;
    auto memory = machine.counter(20, 0, 65532610987, "package-0/dram");
    std::optional<std::uint64_t> stopped;
    memory.read_uj = [&stopped, read = memory.read_uj] { return stopped ? stopped : read(); };
    EnergyMeter const meter({machine.counter(50), memory}, machine.clock());
    ASSERT_TRUE(meter.tells());
    EXPECT_TRUE(meter.joules_of([&] { machine.work(200); }));
    stopped = 7'000'000'000;
    std::string problem;
    EXPECT_FALSE(meter.of_passes([&] { machine.work(200); }, problem));
    EXPECT_EQ(problem, "the counter of package-0/dram stood still during the work");
    EXPECT_FALSE(meter.joules_of([&] { machine.work(200); }));
}

/// Attempts on a machine with one package, whose counter a thread moves every tenth of a millisecond or slower, at 40 W.
class EnergyAttemptTest : public AttemptTest {
  protected:
    void SetUp() override {
        AttemptTest::SetUp();
        setenv(powercap_variable, powercap_.path().c_str(), 1);
        write("name", "package-0");
        write("max_energy_range_uj", "65532610987");
        write("energy_uj", "0");
        mover_ = std::thread([this] {
            auto const begun = std::chrono::steady_clock::now();
            while (!stopped_) {
                auto const us =
                    std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun);
                write("energy_uj", std::to_string(us.count() * 40));
                std::this_thread::sleep_for(std::chrono::microseconds(100));
            }
        });
    }
    void TearDown() override {
        stop();
        unsetenv(powercap_variable);
        AttemptTest::TearDown();
    }
    static AttemptRequest roundtrip_request() {
        AttemptRequest request;
        auto& cell = request.cell;
        cell.workload = "roundtrip";
        cell.source = {{"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 2}, {"head_dim", 64}, {"seed", 7}};
        cell.context = 256;
        cell.codec = "fp16";
        cell.options = cell.locator = Json::object();
        cell.backend = "openmp";
        request.measure.min_time_s = 0.01;
        request.measure.energy = true;
        return request;
    }
    void stop() {
        stopped_ = true;
        if (mover_.joinable()) mover_.join();
    }
    static bool has_energy(Measurement const& measurement) {
        return measurement.host.contains("energy") ||
               std::ranges::any_of(measurement.figures, [](Figure const& figure) {
                   return figure.metric.find("joule") != std::string::npos;
               });
    }

    ScratchFolder powercap_;

  private:
    /// In place of the old file at once.
    void write(std::string const& file, std::string const& text) const {
        std::filesystem::create_directories(powercap_ / "intel-rapl:0");
        std::ofstream(powercap_ / "new") << text << '\n';
        std::filesystem::rename(powercap_ / "new", powercap_ / ("intel-rapl:0/" + file));
    }
    std::atomic<bool> stopped_ = false;
    std::thread mover_;
};

TEST_F(EnergyAttemptTest, ARoundtripHasTheEnergyOfBothDirections) {
    auto const measured = run(roundtrip_request());
    ASSERT_EQ(measured.status, Status::ok) << measured.reason;
    EXPECT_EQ(measured.host.value("energy", ""), "package-0, idle power included");
    for (auto const* metric : {"encode_joules_per_gb", "decode_joules_per_gb"}) {
        std::map<std::string, double> of;
        for (auto const& figure : measured.figures)
            if (figure.metric == metric) of[figure.component] = figure.value.value();
        ASSERT_EQ(of.size(), 3U) << metric;
        EXPECT_GT(of["k"], 0) << metric;
        EXPECT_GT(of["v"], 0) << metric;
        // K and V have equally many bytes.
        EXPECT_DOUBLE_EQ(of["kv"], (of["k"] + of["v"]) / 2) << metric;
        EXPECT_GT(figure(measured, metric).n, 1U) << "passes are repeated";
    }
}

TEST_F(EnergyAttemptTest, AModelHasTokensPerJoule) {
    // Reading and generating take many times as long as a hundred steps of the counter, and one thread leaves a core to the
    // thread that moves it. On a busy machine that thread may wait for so long that there is rightly no figure.
    auto request =
        model_request({}, "model", "fp16", {{"protocol", "decode"}, {"passages", 1}, {"continuation", 256}}, 1024);
    request.cell.threads = 1;
    request.measure.timing = request.measure.energy = true;
    Measurement measured;
    auto const has = [&](std::string const& metric) {
        return std::ranges::any_of(measured.figures, [&](Figure const& figure) { return figure.metric == metric; });
    };
    for (int trial = 0; trial < 10; ++trial) {
        measured = run(request);
        ASSERT_EQ(measured.status, Status::ok) << measured.reason;
        if (has("prefill_tokens_per_joule") && has("decode_tokens_per_joule")) break;
    }
    EXPECT_GT(value(measured, "prefill_tokens_per_joule"), 0);
    EXPECT_GT(value(measured, "decode_tokens_per_joule"), 0);
}

TEST_F(EnergyAttemptTest, ACounterThatStandsStillIsToldInTheRow) {
    stop();
    auto const measured = run(roundtrip_request());
    EXPECT_EQ(measured.status, Status::ok) << measured.reason;
    EXPECT_FALSE(has_energy(measured));
    EXPECT_EQ(measured.reason, "no_energy: the counter of package-0 stands still: it took no step for 2 s");
}

TEST_F(EnergyAttemptTest, WithoutACounterOrAWishThereIsNone) {
    auto request = roundtrip_request();
    request.measure.energy = false;
    EXPECT_FALSE(has_energy(run(request))) << "nobody asked";
    request.measure.energy = true;
    setenv(powercap_variable, (powercap_ / "none").c_str(), 1);
    auto const measured = run(request);
    EXPECT_EQ(measured.status, Status::ok);
    EXPECT_FALSE(has_energy(measured)) << "nothing is estimated";
}

}  // namespace
}  // namespace kvstone
