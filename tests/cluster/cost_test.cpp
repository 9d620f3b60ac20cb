#include "cluster/cost.hpp"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

Cell synthetic(std::uint64_t context, std::uint64_t batch = 1) {
    Cell cell;
    cell.source = {{"kind", "synthetic"}, {"layers", 32}, {"kv_heads", 8}, {"head_dim", 128}};
    cell.context = context;
    cell.batch = batch;
    return cell;
}

TEST(Cost, FollowsItsFormula) {
    // 32 x 8 x 128 x 2048 values, K and V, 4 bytes each.
    constexpr double bytes = 536'870'912;
    Measure measure;
    EXPECT_DOUBLE_EQ(planned_cost_s(synthetic(2048), measure), 0.3 + 8e-9 * bytes + 10 * bytes / 1e9 + 0.4 + 1.5);
    EXPECT_DOUBLE_EQ(planned_cost_s(synthetic(2048, 4), measure),
                     0.3 + 4 * (8e-9 * bytes + 10 * bytes / 1e9) + 0.4 + 1.5);
    measure.min_time_s = 10;
    EXPECT_DOUBLE_EQ(planned_cost_s(synthetic(2048), measure), 0.3 + 8e-9 * bytes + 40 + 0.4 + 1.5);
    measure.timing = false;
    EXPECT_DOUBLE_EQ(planned_cost_s(synthetic(2048), measure), 0.3 + 8e-9 * bytes + 2 * bytes / 1e9);
}

TEST(Cost, AFileCountsByItsSize) {
    auto const path = std::filesystem::temp_directory_path() / fmt::format("kvstone_cost_{}", getpid());
    std::ofstream(path).close();
    std::filesystem::resize_file(path, 32'768'000);
    Cell cell;
    cell.locator = {{"path", path.string()}};
    Measure measure;
    measure.timing = false;
    cell.source = {{"kind", "dump"}};
    EXPECT_DOUBLE_EQ(planned_cost_s(cell, measure), 0.3 + 1e-8 * 32'768'000);
    cell.source = {{"kind", "model"}};
    cell.context = 2000;
    EXPECT_DOUBLE_EQ(planned_cost_s(cell, measure), 0.3 + 1e-8 * 2000 * 1000);
    // Workloads that run a model cost by token: here 2.2e-11 x 32768000 s each, behind as many as take as long again.
    cell.context = 1400;
    auto const tokens_of = [&](char const* workload, Json options) {
        cell.workload = workload;
        cell.options = std::move(options);
        return (planned_cost_s(cell, measure) - 0.3 - 8e-9 * 1400 * 1000) / (2 * 2.2e-11 * 32'768'000);
    };
    EXPECT_NEAR(tokens_of("model", {{"protocol", "context"}, {"passages", 4}, {"continuation", 256}}), 832 + 1024,
                1e-6);
    EXPECT_NEAR(tokens_of("model", {{"protocol", "decode"}, {"continuation", 100}}), 832 + 8 * 100 * 6, 1e-6);
    EXPECT_NEAR(tokens_of("model", {{"protocol", "inline"}}), 832 + 8 * 1400, 1e-6);
    EXPECT_NEAR(tokens_of("tasks", {{"protocol", "context"}, {"file", "f"}, {"items", 10}}), 832 + 800, 1e-6);
    EXPECT_NEAR(tokens_of("tasks", {{"protocol", "context"}}), 832 + 96 * 16, 1e-6);
    std::filesystem::remove(path);
    cell.workload = "";
    EXPECT_DOUBLE_EQ(planned_cost_s(cell, measure), 0.3);
}

TEST(Cost, RecordedFirstThenScaledByTheWorkloadElseGuessed) {
    std::vector<WorkItem> items;
    for (int i = 0; i < 4; ++i) items.push_back(fake_item(i, "openmp", false));
    items[3].cell.workload = "attention";
    History history;
    history.cells[items[0].cell.id] = {6, "here"};
    history.cells[items[1].cell.id] = {0.6, ""};
    auto const sources = estimate_costs(items, history);
    EXPECT_EQ(sources.recorded, 2u);
    EXPECT_EQ(sources.scaled, 1u);
    EXPECT_EQ(sources.guessed, 1u);
    EXPECT_DOUBLE_EQ(items[0].estimated_s, 6);
    EXPECT_DOUBLE_EQ(items[1].estimated_s, 0.6);
    EXPECT_DOUBLE_EQ(items[2].estimated_s, 6);  // guessed 0.3, and its workload took 20 and 2 times as long
    EXPECT_DOUBLE_EQ(items[3].estimated_s, 0.3);
    EXPECT_EQ(items[0].pinned_host, "") << "placement is any";
}

TEST(Cost, PinsTimingToTheHostThatMadeItWhereAskedTo) {
    auto items = fake_items(3, true);
    for (auto& item : items) item.measure.placement = Placement::pinned;
    items[1].measure.timing = false;
    History history;
    for (auto const& item : items) history.cells[item.cell.id] = {1, "here"};
    history.cells.erase(items[2].cell.id);
    estimate_costs(items, history);
    EXPECT_EQ(items[0].pinned_host, "here");
    EXPECT_EQ(items[1].pinned_host, "");
    EXPECT_EQ(items[2].pinned_host, "");
}

}  // namespace
}  // namespace kvstone
