// Hit rates of prefix caches over their budgets.

#include "results/query/show_budgets.hpp"

#include <sstream>

#include <gmock/gmock.h>

#include "results/query/show.hpp"
#include "results/record/text.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Rate {
    char const* codec;
    Json options;
    double value;
};

std::string store_of(Store& store, std::vector<Rate> const& rates) {
    std::vector<Cell> cells;
    std::vector<Measurement> measurements;
    for (auto const& rate : rates) {
        auto cell = test::cell(rate.codec, 512);
        cell.workload = "prefix_cache";
        cell.options = rate.options;
        cell.source_name = "shape";
        cell.id = fmt::format("{:016}", cells.size());
        cell.canonical = Json{{"cell", cells.size()}, {"options", rate.options}}.dump();
        auto m = test::measurement(cell);
        m.figures = {{"kv", "token_hit_rate", rate.value, 1, {}, {}}};
        cells.push_back(std::move(cell));
        measurements.push_back(std::move(m));
    }
    auto const campaign = store.begin_campaign(test::plan(cells), test::build(), "hw", false);
    store.ingest(campaign, measurements);
    return campaign.id;
}

constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30U;

TEST(ShowBudgets, HaveALineForEachCodecAndPolicy) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const campaign = store_of(store, {{"nf4", {{"budget", 2 * gibibyte}}, 0.5},
                                           {"nf4", {{"budget", 1 * gibibyte}}, 0.25},
                                           {"fp16", {{"budget", 1 * gibibyte}}, 0.125},
                                           {"fp16", {{"budget", 2 * gibibyte}}, 0.25},
                                           {"fp16", {{"budget", 2 * gibibyte}, {"policy", "belady"}}, 0.75},
                                           {"fp16", {{"budget", 2 * gibibyte}, {"ttl", 300.0}}, 0.0625},
                                           {"fp16", {{"blocks", 7}}, 1}});
    auto const rows = budget_rows(store, campaign);
    EXPECT_THAT(rows.columns, ElementsAre("codec", "policy", "source", "1.00 GiB", "2.00 GiB"));
    using Row = std::vector<QueryValue>;
    EXPECT_THAT(rows.rows, testing::UnorderedElementsAre(Row{"fp16", "belady", "shape", nullptr, "0.7500"},
                                                         Row{"fp16", "lru", "shape", "0.1250", "0.2500"},
                                                         Row{"fp16", "lru", "shape", nullptr, "0.0625"},
                                                         Row{"nf4", "lru", "shape", "0.2500", "0.5000"}));
    std::ostringstream out;
    show_summary(store, out);
    EXPECT_THAT(out.str(), HasSubstr("\nToken hit rates of prefix caches by budget\n"));
}

TEST(ShowBudgets, MayBeNumbersOfBlocks) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    std::vector<Rate> rates;
    for (std::uint64_t blocks = 1; blocks <= 20; ++blocks)
        rates.push_back({"fp16", {{"blocks", blocks * 100'000}}, 0.5});
    auto const rows = budget_rows(store, store_of(store, rates));
    ASSERT_EQ(rows.columns.size(), 3U + 7);
    EXPECT_EQ(rows.columns[3], "100000");
    EXPECT_EQ(rows.columns.back(), "2000000");
    std::ostringstream out;
    show_summary(store, out);
    std::istringstream lines(out.str().substr(out.str().find("Token hit rates")));
    for (std::string line; std::getline(lines, line) && !line.empty();) EXPECT_LE(display_width(line), 120U) << line;
}

TEST(ShowBudgets, NeedTwo) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const campaign =
        store_of(store, {{"fp16", {{"budget", gibibyte}}, 0.5}, {"nf4", {{"budget", gibibyte}}, 0.5}});
    EXPECT_THAT(budget_rows(store, campaign).rows, IsEmpty());
    std::ostringstream out;
    show_summary(store, out);
    EXPECT_THAT(out.str(), Not(HasSubstr("by budget")));
}

}  // namespace
}  // namespace kvstone
