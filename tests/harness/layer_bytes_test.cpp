// Measured ledgers: extrapolated bytes equal those of encoding everything.

#include "harness/sizing/layer_bytes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/tensor_codec.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

constexpr CachedLayer small{2, 64, 64, 0};

/// The ledger of K and V of a layer encoded whole, without the tested code.
StoredBytes encoded_whole(std::string const& text, CachedLayer const& layer, std::uint64_t tokens) {
    StoredBytes bytes;
    for (auto const component : {Component::k, Component::v}) {
        auto const dim = component == Component::k ? layer.k_dim : layer.v_dim;
        if (dim == 0) continue;
        auto const tensors = make_synthetic(
            {{"layers", 1}, {"kv_heads", layer.kv_heads}, {"head_dim", dim}, {"distribution", "normal"}, {"seed", 3}},
            tokens, {.k = true, .v = false});
        auto const& k = *tensors.k;
        TensorCodec codec(Codec::parse(text), component, k.shape, ElementType::f32, BackendKind::openmp);
        codec.encode({const_cast<std::byte*>(k.bytes.get()), k.type, k.shape, KvStrides::packed(k.shape)});
        bytes.all += codec.seal().size();
        bytes.framing += codec.ledger()[LedgerLine::headers] + codec.ledger()[LedgerLine::padding];
    }
    return bytes;
}

TEST(LayerBytes, AreThoseOfAllOfItEncoded) {
    for (std::string const codec :
         {"raw", "fp16", "int8", "q8_0", "nf4", "sink(4){fp16} window(100){raw} rest{nf4}", "balanced",
          "window(32){fp16} k{int:bits=4,axis=channel,group=32} v{int:bits=4,axis=token,group=32}",
          "k{int:bits=2,axis=channel,group=128} v{fp8:format=e4m3}", "hadamard | lloydmax:bits=3",
          "lowrank:rank=0.75,basis=prompt | fp16"}) {
        LayerBytes layer(Codec::parse(codec), small, ElementType::f32);
        EXPECT_TRUE(layer.fixed_rate()) << codec;
        EXPECT_TRUE(layer.linear()) << codec;
        // Far beyond the measured lengths, with pages open and full, and below every window.
        for (std::uint64_t const tokens : {5U, 131U, 1000U, 3072U, 4097U}) {
            EXPECT_EQ(layer.of(tokens), encoded_whole(codec, small, tokens)) << codec << " of " << tokens;
            EXPECT_EQ(layer.encoded(tokens), layer.of(tokens)) << codec << " of " << tokens;
        }
        EXPECT_GT(3072U, layer.measured_tokens()) << codec;
    }
}

TEST(LayerBytes, AreWorkedOutByHand) {
    LayerBytes half(Codec::parse("fp16"), small, ElementType::f16);
    EXPECT_EQ(half.growth_bytes(), 2.0 * 2 * 64 * 2);
    EXPECT_EQ(half.of(0), StoredBytes{});
    // 2 x 2 heads x 64 values x 2 bytes; of a container 80 bytes, the text "fp16", the formats "fp16=1", 6 to fill up to 8,
    // 8 of the one plane.
    EXPECT_EQ(half.of(1'000'000), (StoredBytes{1'000'000 * 512 + 2 * 104, 2 * 104}));
    // 34 bytes a block of 32 values.
    EXPECT_EQ(LayerBytes(Codec::parse("q8_0"), small, ElementType::f16).growth_bytes(), 2.0 * 2 * 2 * 34);
    // A latent has no V.
    EXPECT_EQ(LayerBytes(Codec::parse("fp16"), {1, 576, 0, 0}, ElementType::f16).growth_bytes(), 576.0 * 2);
    EXPECT_EQ(LayerBytes(Codec::parse("fp16"), {2, 96, 64, 0}, ElementType::f16).growth_bytes(), 2.0 * (96 + 64) * 2);
    // Stored as they came: of f32 twice as many.
    EXPECT_EQ(LayerBytes(Codec::parse("raw"), small, ElementType::f32).growth_bytes(), 1024.0);
    EXPECT_EQ(LayerBytes(Codec::parse("raw"), small, ElementType::f16).growth_bytes(), 512.0);
}

/// Bytes that depend on values are told apart, and are near those of the same values encoded.
TEST(LayerBytes, SayWhenTheyDependOnValues) {
    LayerBytes layer(Codec::parse("fp16 | gear | zstd"), small, ElementType::f32);
    EXPECT_FALSE(layer.fixed_rate());
    ASSERT_TRUE(layer.linear());
    auto const whole = layer.encoded(12'000);
    EXPECT_NEAR(static_cast<double>(layer.of(12'000).all), static_cast<double>(whole.all),
                0.02 * static_cast<double>(whole.all));
    EXPECT_EQ(layer.of(100), layer.encoded(100)) << "short ones are encoded";
}

TEST(LayerBytes, RefuseWhatDoesNotFit) {
    EXPECT_THAT(
        message_of<ConfigError>([] { LayerBytes(Codec::parse("heads(7){raw} rest{q8_0}"), small, ElementType::f16); }),
        HasSubstr("names heads that the tensor does not have"));
    EXPECT_THAT(message_of<ConfigError>([] { LayerBytes(Codec::parse("fp16"), small, ElementType::bf16); }),
                HasSubstr("f16"));
}

}  // namespace
}  // namespace kvstone
