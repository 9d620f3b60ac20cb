// `kvstone score`: decoded values and a number of bytes become rows like any others.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class ScoreTest : public ProgramTest {
  protected:
    void dump(std::string const& source, std::string const& name) const {
        auto const ended = kvstone("dump '" + source + "' --context 64 -o " + name);
        ASSERT_EQ(ended.code, 0) << ended.err;
    }
    double value(std::string const& metric, std::string const& component) const {
        auto const found = rows("SELECT value FROM v_latest WHERE workload <> 'attention' AND metric = '" + metric +
                                "' AND component = '" + component + "'");
        EXPECT_EQ(found.size(), 1U) << metric;
        return found.at(0).at("value").get<double>();
    }
};

/// 2 layers x 2 heads x 64 tokens x 64 values of K and as many of V: 32,768 values in 12,288 bytes are 3 bits each.
TEST_F(ScoreTest, DecodedValuesAreARowLikeAnyOther) {
    dump("synthetic: {layers: 2, kv_heads: 2, head_dim: 64}", "original.safetensors");
    auto const ended = kvstone("score original.safetensors original.safetensors --bytes 12288 --name perfect");
    EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
    EXPECT_EQ(value("ledger_payload_bytes", "kv"), 12288);
    // The container's own headers come on top, as for every codec.
    EXPECT_GT(value("bits_per_value", "kv"), 3);
    EXPECT_LT(value("bits_per_value", "kv"), 3.2);
    EXPECT_EQ(value("nmse", "k"), 0);
    auto const marked = kvstone("query \"SELECT DISTINCT codec_name, bytes_of, times_of FROM v_latest\" --format csv");
    EXPECT_EQ(marked.out, "codec_name,bytes_of,times_of\nperfect,declared,declared\n");
}

/// What the codec did to the values is a figure, however bad: values of another seed are as far as two draws are, so that
/// the mean square error is twice the variance.
TEST_F(ScoreTest, BadValuesHaveBadFigures) {
    dump("synthetic: {layers: 2, kv_heads: 2, head_dim: 64, distribution: normal}", "original.safetensors");
    dump("synthetic: {layers: 2, kv_heads: 2, head_dim: 64, seed: 9, distribution: normal}", "other.safetensors");
    auto const ended = kvstone("score original.safetensors other.safetensors --bytes 12288");
    EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
    // Of 16,384 pairs of independent normal values: 2, with a standard deviation of sqrt(8 / 16384) = 0.022.
    EXPECT_NEAR(value("nmse", "v"), 2, 0.15);
}

TEST_F(ScoreTest, AModelReadsTheDecodedCache) {
    dump("model: {gguf: tiny, text: builtin}", "original.safetensors");
    auto const ended =
        kvstone("score original.safetensors original.safetensors --bytes 1000 --name perfect --model tiny");
    EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
    EXPECT_EQ(value("kld_mean", "kv"), 0);
    EXPECT_GT(value("compressed_read_fraction", "kv"), 0.5);
}

TEST_F(ScoreTest, WhatDoesNotFitIsRefused) {
    dump("synthetic: {layers: 2, kv_heads: 2, head_dim: 64}", "original.safetensors");
    dump("synthetic: {layers: 1, kv_heads: 2, head_dim: 64}", "short.safetensors");
    auto const refused = [&](std::string const& arguments) {
        auto const ended = kvstone("score " + arguments);
        EXPECT_EQ(ended.code, 2) << ended.out << ended.err;
        return ended.err;
    };
    EXPECT_THAT(refused("original.safetensors short.safetensors --bytes 5"),
                HasSubstr("another shape than the original"));
    EXPECT_THAT(refused("original.safetensors absent.safetensors --bytes 5"), HasSubstr("absent.safetensors"));
    EXPECT_THAT(refused("original.safetensors original.safetensors"), HasSubstr("--bytes"));
    EXPECT_THAT(refused("original.safetensors original.safetensors --bytes 5 --name raw"),
                HasSubstr("a stage or preset of KVstone has this name"));
}

}  // namespace
}  // namespace kvstone
