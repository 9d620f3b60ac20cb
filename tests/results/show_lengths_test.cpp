// Ratios over the length of the context.

#include "results/query/show_lengths.hpp"

#include <sstream>

#include <gmock/gmock.h>

#include "results/query/show.hpp"
#include "results/record/text.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Ratio {
    char const* codec;
    char const* source;
    std::uint64_t length;
    double k;
    double v;
    double both;  ///< 0: none
};

/// A campaign with these ratios, and no others.
std::string store_of(Store& store, std::vector<Ratio> const& ratios) {
    std::vector<Cell> cells;
    std::vector<Measurement> measurements;
    for (auto const& ratio : ratios) {
        auto cell = test::cell(ratio.codec, ratio.length);
        cell.source_name = ratio.source;
        cell.source["text_sha256"] = ratio.source;
        cell.id = fmt::format("{:016}", cells.size());
        cell.canonical = fmt::format(R"({{"cell":{}}})", cells.size());
        auto m = test::measurement(cell);
        m.figures = {{"k", "ratio_vs_fp16", ratio.k, 1, {}, {}}, {"v", "ratio_vs_fp16", ratio.v, 1, {}, {}}};
        if (ratio.both > 0) m.figures.push_back({"kv", "ratio_vs_fp16", ratio.both, 1, {}, {}});
        cells.push_back(std::move(cell));
        measurements.push_back(std::move(m));
    }
    auto const campaign = store.begin_campaign(test::plan(cells), test::build(), "hw", false);
    store.ingest(campaign, measurements);
    return campaign.id;
}

TEST(ShowLengths, HaveALineForEachCodecAndSource) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const campaign = store_of(store, {{"zstd", "stories", 4096, 1.5, 1.3, 1.375},
                                           {"zstd", "stories", 128, 1.5, 1.1, 1.25},
                                           {"zstd", "code", 128, 1, 1, 1.125},
                                           {"zstd", "code", 1024, 1, 1, 1.0625},
                                           {"gear", "code", 128, 1.5, 1.25, 0},
                                           {"gear", "code", 1024, 1.5, 1.75, 0},
                                           {"gear", "code", 4096, 1.5, 1.25, 0},
                                           {"gear", "stories", 1024, 1, 1, 1}});
    auto const rows = length_rows(store, campaign);
    EXPECT_THAT(rows.columns, ElementsAre("codec", "source", "128", "1024", "4096", "change"));
    using Row = std::vector<QueryValue>;
    EXPECT_THAT(rows.rows, ElementsAre(Row{"gear", "code", "1.5000", "1.7500", "1.5000", "+0.0%"},
                                       Row{"zstd", "code", "1.1250", "1.0625", nullptr, "-5.6%"},
                                       Row{"zstd", "stories", "1.2500", nullptr, "1.3750", "+10.0%"}));
    std::ostringstream out;
    show_summary(store, out);
    EXPECT_THAT(out.str(), HasSubstr("\nRatios over fp16 by tokens of the context\n"));
}

TEST(ShowLengths, NeedThreeLengths) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const campaign = store_of(store, {{"zstd", "code", 128, 1, 1, 1}, {"zstd", "code", 1024, 1, 1, 1}});
    EXPECT_TRUE(length_rows(store, campaign).rows.empty());
    std::ostringstream out;
    show_summary(store, out);
    EXPECT_THAT(out.str(), Not(HasSubstr("by tokens of the context")));
}

TEST(ShowLengths, AreAsManyAsALineHoldsWithTheFirstAndTheLast) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    std::vector<Ratio> ratios;
    for (std::uint64_t i = 1; i <= 20; ++i)
        ratios.push_back(
            {"a codec whose name has no end that anybody sees", "a source with a long name", 100'000 * i, 1, 1, 2});
    auto const rows = length_rows(store, store_of(store, ratios));
    ASSERT_EQ(rows.columns.size(), 2 + 8 + 1);
    EXPECT_EQ(rows.columns[2], "100000");
    EXPECT_EQ(rows.columns[9], "2000000");
    std::ostringstream out;
    show_summary(store, out);
    std::istringstream lines(out.str().substr(out.str().find("Ratios over")));
    for (std::string line; std::getline(lines, line) && !line.empty();) EXPECT_LE(display_width(line), 120U) << line;
}

}  // namespace
}  // namespace kvstone
