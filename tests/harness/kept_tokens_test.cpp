// Stage `keep` keeps the tokens that kvpress keeps (tests/peers/golden, written by `./dev test peers kvpress_selection`).

#include "tests/peers/kept_tokens.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "scenarios/json.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

/// By text, layer and KV head.
using Kept = std::map<std::string, std::vector<std::vector<std::vector<std::uint32_t>>>>;

TEST(KeptTokens, AreThoseOfKvpress) {
    auto const golden = source_folder() + "/tests/peers/golden/kvpress_selection.";
    auto const theirs = parse_json(read_file(golden + "json")).at("kept").get<Kept>();
    auto const dump = read_dump(golden + "safetensors", {.k = true, .v = true, .k_prerope = false, .q = true});
    auto const& shape = dump.k->shape;
    ASSERT_GT(dump.q->shape.heads, shape.heads) << "several query heads have one KV head";
    std::set<std::string> policies;
    std::uint64_t tokens = 0;
    for (auto const& [keep, layers] : theirs) {
        policies.insert(keep.substr(0, keep.find(',')));
        auto const ours = kept_tokens(dump, keep);
        ASSERT_EQ(layers.size(), shape.layers);
        for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
            ASSERT_EQ(layers[layer].size(), shape.heads);
            for (std::uint64_t head = 0; head < shape.heads; ++head) {
                auto const kept = ours.kept(layer, head);
                EXPECT_EQ(std::vector<std::uint32_t>(kept.begin(), kept.end()), layers[layer][head])
                    << keep << ", layer " << layer << ", head " << head;
                tokens += kept.size();
            }
        }
    }
    std::printf("%zu texts of %zu policies: %llu kept tokens compared\n", theirs.size(), policies.size(),
                static_cast<unsigned long long>(tokens));
    EXPECT_EQ(policies.size(), 7U) << "all but random, whose generator is another";
}

}  // namespace
}  // namespace kvstone
