#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/sources/layout.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The result of gather() for an array that holds 0, 1, 2, ... in the order of its file.
std::vector<std::uint16_t> gathered(std::string const& names, std::vector<std::uint64_t> const& axes,
                                    std::uint64_t tokens = 0, bool fortran_order = false) {
    auto const layout = read_layout(names, axes, fortran_order, "file");
    std::vector<std::uint16_t> source(layout.shape.values());
    std::iota(source.begin(), source.end(), std::uint16_t{0});
    if (tokens == 0) tokens = layout.shape.tokens;
    std::vector<std::uint16_t> result(layout.shape.values() / layout.shape.tokens * tokens);
    gather(layout, tokens, 2, reinterpret_cast<std::byte const*>(source.data()),
           reinterpret_cast<std::byte*>(result.data()));
    return result;
}

TEST(Layout, PermutesIntoLayerHeadTokenDim) {
    EXPECT_THAT(gathered("layer head token dim", {1, 2, 2, 2}), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
    EXPECT_THAT(gathered("token head dim", {2, 2, 2}), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
    EXPECT_THAT(gathered("layer token head dim", {1, 2, 2, 2}), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
    EXPECT_THAT(gathered("dim token", {2, 3}), ElementsAre(0, 3, 1, 4, 2, 5));
    EXPECT_THAT(gathered("token layer dim head", {2, 1, 2, 2}), ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
}

TEST(Layout, FoldsBatchesIntoHeads) {
    EXPECT_THAT(gathered("batch head token dim", {2, 2, 1, 1}), ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(gathered("head batch token dim", {2, 2, 1, 1}), ElementsAre(0, 2, 1, 3));
    EXPECT_THAT(gathered("token batch dim", {2, 2, 2}), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
    EXPECT_THAT(gathered("batch token head dim", {2, 2, 2, 1}), ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
}

TEST(Layout, TakesTheFirstTokens) {
    EXPECT_THAT(gathered("head token dim", {2, 3, 1}, 2), ElementsAre(0, 1, 3, 4));
    EXPECT_THAT(gathered("token head dim", {3, 2, 1}, 2), ElementsAre(0, 2, 1, 3));
}

TEST(Layout, FortranOrderVariesTheFirstAxisFastest) {
    // A 2x3 array of tokens x dim, stored column by column: value (t, c) is at t + 2c.
    EXPECT_THAT(gathered("token dim", {2, 3}, 0, true), ElementsAre(0, 2, 4, 1, 3, 5));
}

TEST(Layout, KnowsWhatLiesReady) {
    EXPECT_TRUE(read_layout("layer head token dim", {2, 3, 4, 5}, false, "file").packed());
    EXPECT_TRUE(read_layout("token dim", {4, 5}, false, "file").packed());
    EXPECT_TRUE(read_layout("batch head token dim", {1, 3, 4, 5}, false, "file").packed());
    EXPECT_TRUE(read_layout("batch head token dim", {2, 3, 4, 5}, false, "file").packed());
    EXPECT_TRUE(read_layout("batch token dim", {2, 4, 5}, false, "file").packed());
    EXPECT_TRUE(read_layout("token head dim", {4, 1, 5}, false, "file").packed());
    EXPECT_FALSE(read_layout("token head dim", {4, 2, 5}, false, "file").packed());
    EXPECT_FALSE(read_layout("dim token", {4, 5}, false, "file").packed());
}

TEST(Layout, RefusesNamesThatDoNotFit) {
    auto const refusal = [](std::string const& names, std::vector<std::uint64_t> const& axes) {
        return message_of<ConfigError>([&] { read_layout(names, axes, false, "file"); });
    };
    EXPECT_THAT(refusal("layer head token dim", {402, 64}), HasSubstr("a layout of 4 axes for an array of 2 (402x64)"));
    EXPECT_THAT(refusal("tokens dim", {4, 5}), HasSubstr("did you mean 'token'"));
    EXPECT_THAT(refusal("token token", {4, 5}), HasSubstr("twice"));
    EXPECT_THAT(refusal("layer head", {4, 5}), HasSubstr("token and dim at least"));
    EXPECT_THAT(message_of<CorruptData>([] { read_layout("token dim", {0, 5}, false, "file"); }),
                HasSubstr("zero tokens"));
}

}  // namespace
}  // namespace kvstone
