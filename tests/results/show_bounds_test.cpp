// Ratios beside the bounds of order-0 coding.

#include "results/query/show_bounds.hpp"

#include <sstream>

#include <gmock/gmock.h>

#include "results/query/show.hpp"
#include "results/record/text.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(GainText, NamesWhatGoesBeyondTheBoundOrCouldGo) {
    PayloadBounds bounds{1.188, 5.47, 5.47, 5.47, 0.0};
    EXPECT_EQ(gain_text(1.18, bounds), "");
    EXPECT_EQ(gain_text(1.188, bounds), "");
    EXPECT_EQ(gain_text(1.189, bounds), "above, without an explanation");
    bounds = {1.188, 5.47, 5.16, 5.04, 0.6523};
    EXPECT_EQ(gain_text(1.25, bounds), "above: channels -0.31 bit, time -0.12 bit, repeats 65.2%");
    EXPECT_EQ(gain_text(1.15, bounds), "left: channels -0.31 bit, time -0.12 bit, repeats 65.2%");
    // The past tells less than the channel does; few repeats; differences that are none.
    EXPECT_EQ(gain_text(1.25, {1.188, 5.47, 5.16, 5.3, 0.0009}), "above: channels -0.31 bit");
    EXPECT_EQ(gain_text(1.25, {1.188, 5.47, 5.4651, 5.47, 0.001}), "above: repeats 0.1%");
    EXPECT_EQ(gain_text(1.25, {1.188, 3.9, {}, {}, {}}), "above, without an explanation");
    // 0.05 bit of channels: the bias that remains with 512 tokens, and more than with 2048.
    EXPECT_EQ(gain_text(1.25, {1.188, 5.47, 5.42, {}, {}, 512}), "above, without an explanation");
    EXPECT_EQ(gain_text(1.25, {1.188, 5.47, 5.42, {}, {}, 2048}), "above: channels -0.05 bit");
}

Cell entropy_cell(Cell cell) {
    cell.workload = "entropy";
    cell.id = "e" + cell.id.substr(1);
    cell.canonical.insert(1, R"("workload":"entropy",)");
    return cell;
}

Measurement with(Cell const& cell, std::vector<Figure> figures) {
    auto m = test::measurement(cell);
    m.figures = std::move(figures);
    return m;
}

TEST(ShowBounds, JoinsWhatIsOfTheSameCodecSourceAndContext) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const coded = test::cell("fp16 | zstd"), longer = test::cell("fp16 | zstd", 2048), other = test::cell("int8");
    auto const bound = entropy_cell(coded), bound_of_longer = entropy_cell(longer);
    auto const campaign =
        store.begin_campaign(test::plan({coded, longer, other, bound, bound_of_longer}), test::build(), "hw", false);
    auto const ratios = [](double k, double v) -> std::vector<Figure> {
        return {{"k", "ratio_vs_fp16", k, 1, {}, {}}, {"v", "ratio_vs_fp16", v, 1, {}, {}}};
    };
    store.ingest(campaign, {with(coded, ratios(1.25, 1.17)), with(longer, ratios(1.5, 1.0)), with(other, ratios(2, 2)),
                            with(bound, {{"k", "entropy_ratio_bound_vs_fp16", 1.19, 1, {}, {}},
                                         {"k", "entropy_high_byte_bits", 5.5, 1, {}, {}},
                                         {"k", "entropy_per_channel_bits", 5.25, 512, {}, {}},
                                         {"k", "entropy_given_previous_token_bits", 5.0, 1, {}, {}},
                                         {"k", "duplicate_rows", 0.5, 1, {}, {}},
                                         {"v", "entropy_ratio_bound_vs_fp16", 1.18, 1, {}, {}}}),
                            with(bound_of_longer, {{"k", "entropy_ratio_bound_vs_fp16", 1.75, 1, {}, {}}})});
    auto const rows = bounds_rows(store, campaign.id).rows;
    auto const row = [](std::int64_t context, char const* component, double ratio, double most, char const* gain) {
        return std::vector<QueryValue>{"fp16 | zstd", "tiny", context, component, ratio, most, gain};
    };
    EXPECT_EQ(rows, (std::vector<std::vector<QueryValue>>{
                        row(512, "k", 1.25, 1.19, "above: channels -0.25 bit, time -0.25 bit, repeats 50%"),
                        row(512, "v", 1.17, 1.18, ""), row(2048, "k", 1.5, 1.75, "")}));
    std::ostringstream out;
    show_summary(store, out);
    EXPECT_THAT(out.str(), HasSubstr("\nRatios beside the bounds of order-0 coding\n"));
    std::istringstream lines(out.str());
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 120U) << line;
}

TEST(ShowBounds, AreOfTheValuesThatACodecCodes) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const coded = test::cell("fp16 | zstd"), planes = test::cell("fp16 | gear"), other = test::cell("int8 | zstd");
    auto const bound = entropy_cell(coded);
    auto const campaign = store.begin_campaign(test::plan({coded, planes, other, bound}), test::build(), "hw", false);
    auto const ratio = [](Cell const& cell, double value) {
        return with(cell, {{"k", "ratio_vs_fp16", value, 1, {}, {}}});
    };
    store.ingest(campaign, {ratio(coded, 1.125), ratio(planes, 1.0), ratio(other, 2.0),
                            with(bound, {{"k", "entropy_ratio_bound_vs_fp16", 1.25, 1, {}, {}}})});
    auto const row = [](char const* codec, double value) {
        return std::vector<QueryValue>{codec, "tiny", std::int64_t{512}, "k", value, 1.25, ""};
    };
    using Rows = std::vector<std::vector<QueryValue>>;
    EXPECT_EQ(bounds_rows(store, campaign.id).rows, (Rows{row("fp16 | zstd", 1.125)}));
    auto const quantiser = [](std::string const& codec) { return codec.substr(0, codec.find(" | ")); };
    EXPECT_EQ(bounds_rows(store, campaign.id, quantiser).rows,
              (Rows{row("fp16 | gear", 1.0), row("fp16 | zstd", 1.125)}));
}

TEST(ShowBounds, SaysNothingWithoutTheWorkload) {
    test::Folder folder;
    auto store = Store::open(folder.file());
    auto const cell = test::cell("fp16");
    auto const campaign = store.begin_campaign(test::plan({cell}), test::build(), "hw", false);
    store.ingest(campaign, {with(cell, {{"k", "ratio_vs_fp16", 1.0, 1, {}, {}}})});
    EXPECT_TRUE(bounds_rows(store, campaign.id).rows.empty());
    std::ostringstream out;
    show_summary(store, out);
    EXPECT_THAT(out.str(), Not(HasSubstr("order-0")));
}

}  // namespace
}  // namespace kvstone
