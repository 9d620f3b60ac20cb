// Nodes that drift.

#include "results/store/drift.hpp"

#include <random>
#include <sstream>

#include "results/query/show.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

struct Rates {
    double ours = 0, plain = 0;  ///< plain: more than 5% below the median, whatever the noise
};

/// How many of the nodes with normal noise are flagged that are `drop` slower than they were.
Rates flagged(double noise, std::size_t attempts, double drop) {
    std::mt19937_64 random(7);
    std::normal_distribution<double> value(1, noise);
    constexpr int nodes = 4000;
    Rates rates;
    for (int node = 0; node < nodes; ++node) {
        std::vector<double> history(attempts);
        for (auto& earlier : history) earlier = value(random);
        double const now = value(random) * (1 - drop);
        auto sorted = history;
        std::ranges::sort(sorted);
        rates.plain += now < 0.95 * sorted[attempts / 2];
        rates.ours += drift_below(history, now).has_value();
    }
    return {rates.ours / nodes, rates.plain / nodes};
}

TEST(Drift, UndisturbedNodesAreRarelyFlagged) {
    for (double const noise : {0.001, 0.01, 0.03, 0.1}) {
        EXPECT_LE(flagged(noise, drift_history_least, 0).ours, 0.007) << noise;
        EXPECT_LE(flagged(noise, drift_history_most, 0).ours, 0.002) << noise;
    }
    EXPECT_GT(flagged(0.1, drift_history_most, 0).plain, 0.25) << "5% alone would do, too";
}

TEST(Drift, SlowerNodesAreFlaggedWhereNoiseLetsThemBeSeen) {
    EXPECT_GT(flagged(0.01, drift_history_least, 0.1).ours, 0.98);
    EXPECT_GT(flagged(0.03, drift_history_most, 0.25).ours, 0.98);
    EXPECT_EQ(flagged(0.001, drift_history_most, 0.04).ours, 0) << "less than 5%";
}

class DriftInAStore : public testing::Test {
  protected:
    Measurement made(double roofline, double clock = 3000, double load = 0.5, std::string const& node = "node1",
                     int threads = 2) {
        auto m = test::measurement(raw_, Status::ok, 0.75, process_++);
        m.roofline_gb_per_s = roofline;
        m.threads = threads;
        m.host["name"] = node;
        m.host["clock_mhz"] = clock;
        m.host["load_average"] = load;
        m.host["threads"] = 4;
        m.host["kernel"] = process_ / 10;  // it is upgraded now and then, and stays the same node
        return m;
    }
    /// Stores an attempt; returns its mark, or nothing.
    template <class... Facts>
    std::string attempt(Facts const&... facts) {
        store_.ingest(campaign_, {made(facts...)});
        return test::text(store_, "SELECT coalesce(drift, '') FROM attempt ORDER BY id DESC LIMIT 1");
    }
    void usual(std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) EXPECT_EQ(attempt(20 + 0.01 * static_cast<double>(i % 5)), "") << i;
    }

    test::Folder folder_;
    Store store_ = Store::open(folder_.file());
    Cell raw_ = test::cell("raw");
    Campaign campaign_ = store_.begin_campaign(test::plan({raw_}, 200), test::build(), "hw", false);
    int process_ = 0;
};

TEST_F(DriftInAStore, IsToldInWordsAgainstTheSameNodesHistoryAlone) {
    usual(drift_history_least - 1);
    EXPECT_EQ(attempt(10), "") << "too little is known yet";
    usual(1);
    EXPECT_EQ(attempt(18), "roofline 18 GB/s is 10% below this host's");
    EXPECT_EQ(attempt(19.5), "") << "2.5%";
    EXPECT_EQ(attempt(40, 2700), "clock 2700 MHz is 10% below this host's");
    EXPECT_EQ(attempt(20, 3000, 1.5), "load 1.50 is 25% of its threads above this host's");
    EXPECT_EQ(attempt(10, 3000, 0.5, "node2"), "");
    EXPECT_EQ(attempt(10, 3000, 0.5, "node1", 1), "") << "one thread has another roofline";
}

TEST_F(DriftInAStore, NeverBecomesTheUsual) {
    usual(drift_history_least);
    for (std::size_t i = 0; i < 2 * drift_history_least; ++i) EXPECT_NE(attempt(15), "") << i;
}

TEST_F(DriftInAStore, ABatchIsMarkedAsItsAttemptsOneByOne) {
    std::vector<Measurement> batch;
    for (int i = 0; i < 170; ++i) {
        // Levels that fall slowly enough to be usual by and by, so that how far one looks back counts; kernels take turns.
        batch.push_back(made(20 - 0.005 * i - (i % 9 == 8 ? 1.5 : 0), 3000, 0.5, i % 5 == 4 ? "node2" : "node1",
                             i % 17 == 16 ? 1 : 2));
        batch.back().host["kernel"] = i / 3 % 2;
    }
    auto const marks = [&](std::string const& file, std::size_t at_once) {
        auto store = Store::open(folder_.file(file));
        auto const campaign = store.begin_campaign(test::plan({raw_}, 200), test::build(), "hw", false);
        for (auto first = batch.begin(); first != batch.end(); first += static_cast<std::ptrdiff_t>(at_once))
            store.ingest(campaign, {first, first + static_cast<std::ptrdiff_t>(at_once)});
        return test::text(store, "SELECT group_concat(id || ' ' || drift, char(10)) FROM attempt");
    };
    auto const singly = marks("singly", 1);
    EXPECT_NE(singly, "");
    EXPECT_EQ(marks("at_once", batch.size()), singly);
    EXPECT_EQ(marks("tens", 10), singly);
}

TEST_F(DriftInAStore, WhatWasRolledBackIsNoHistory) {
    usual(drift_history_least);
    std::vector<Measurement> batch;
    for (std::size_t i = 0; i < 2 * drift_history_least; ++i) {
        batch.push_back(made(19.2));
        batch.back().host["kernel"] = 1;  // known already
    }
    batch.back().cell_id = "of another plan";
    EXPECT_THROW(store_.ingest(campaign_, batch), CorruptData);
    EXPECT_EQ(attempt(18), "roofline 18 GB/s is 10% below this host's");
}

TEST_F(DriftInAStore, IsShownAndLeavesNothingOut) {
    auto const told = [&] {
        std::ostringstream out;
        show_summary(store_, out, {});
        return out.str().find("slower or busier than before") != std::string::npos;
    };
    usual(drift_history_least);
    attempt(15);
    EXPECT_EQ(test::number(store_, "SELECT count(*) FROM v_drift WHERE host = 'node1'"), 1);
    EXPECT_EQ(test::number(store_, "SELECT count(*) FROM attempt WHERE stands"), drift_history_least + 1);
    EXPECT_FALSE(told()) << "a node's first campaign has nothing but itself to compare with";
    campaign_ = store_.begin_campaign(test::plan({raw_}, 200), test::build(), "hw", true);
    process_ = 0;
    attempt(15);
    EXPECT_TRUE(told());
}

}  // namespace
}  // namespace kvstone
