// What is stored of a cache without the tokens that a codec drops.

#include "codecs/selection/selected_codec.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/container.hpp"
#include "codecs/not_applicable.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

using Tokens = std::vector<std::uint32_t>;

constexpr KvShape k_shape{2, 2, 13, 8};
constexpr KvShape v_shape{2, 2, 13, 6};
constexpr auto codec_text = "keep:policy=knorm,share=.4,sink=0,window=0 | k{int:bits=4,axis=token,group=8} v{fp16}";

/// Ten tokens of a prompt and three later ones; four stay of each head.
struct Fixture {
    TestTensor k{k_shape, ElementType::f32, test_values(k_shape), true};
    TestTensor v{v_shape, ElementType::f16, test_values(v_shape, 2)};
    TestTensor k_decoded{k_shape, ElementType::f32, std::vector<float>(k_shape.values(), 9.0F), true};
    TestTensor v_decoded{v_shape, ElementType::f16, std::vector<float>(v_shape.values(), 9.0F)};
    Selection selection{SameTokens::head, 2, 2, 10, {{0, 1, 2, 9}, {3, 4, 5, 6}, {0, 2, 4, 6}, {6, 7, 8, 9}}};

    CacheViews cache() const { return {k.view(), v.view()}; }
    CacheViews decoded() const { return {k_decoded.view(), v_decoded.view()}; }
};

/// The bytes of a stage's lists in a sealed selection.
std::vector<std::byte> mask_of(std::vector<std::byte> const& sealed, std::size_t bytes) {
    std::uint32_t text = 0;
    std::memcpy(&text, sealed.data() + 12, sizeof text);
    auto const first = sealed.begin() + 72 + (text + 7) / 8 * 8;
    return {first, first + static_cast<std::ptrdiff_t>(bytes)};
}

/// Values of the tokens that stay, in the order of heads, as a tensor of their own.
std::vector<float> gathered(std::vector<float> const& values, KvShape const& shape, Selection const& selection) {
    std::vector<float> some;
    for (std::uint64_t l = 0; l < shape.layers; ++l)
        for (std::uint64_t h = 0; h < shape.heads; ++h)
            for (std::uint64_t t = 0; t < shape.tokens; ++t) {
                auto const kept = selection.kept(l, h);
                if (t < selection.tokens() && std::ranges::find(kept, t) == kept.end()) continue;
                for (std::uint64_t c = 0; c < shape.dim; ++c)
                    some.push_back(values[((l * shape.heads + h) * shape.tokens + t) * shape.dim + c]);
            }
    return some;
}

TEST(SelectedCodec, StoresABitForEachTokenOfEachList) {
    Fixture of;
    SelectedCodec const codec(Codec::parse(codec_text), BackendKind::openmp);
    auto const sealed = codec.encode(of.cache(), of.selection);
    // Tokens 0, 1, 2 and 9; 3 to 6; 0, 2, 4 and 6; 6 to 9.
    std::vector<std::byte> expected;
    for (auto const byte : {0x07, 0x02, 0x78, 0x00, 0x55, 0x00, 0xc0, 0x03}) expected.push_back(std::byte(byte));
    EXPECT_EQ(mask_of(sealed.bytes, 8), expected);
    EXPECT_EQ(sealed.k[LedgerLine::mask], 8U);
    EXPECT_EQ(sealed.v[LedgerLine::mask], 0U);
    EXPECT_EQ(sealed.k.stored_bytes() + sealed.v.stored_bytes(), sealed.bytes.size());
    // Seven tokens of four heads: 4 bits a value of K, 16 of V.
    EXPECT_EQ(sealed.k[LedgerLine::payload], 4U * 7 * 8 / 2);
    EXPECT_EQ(sealed.v[LedgerLine::payload], 4U * 7 * 6 * 2);
}

/// The example of the stage's format page.
TEST(StageBytes, keep__TheEndsOfTenTokens) {
    KvShape const shape{1, 1, 10, 1};
    TestTensor const k(shape, ElementType::f32, test_values(shape));
    auto const text = Codec::parse("keep:policy=streaming,share=.5,sink=1 | raw");
    auto const selection = select_tokens(*text.selection(), {.k = k.view(), .v = k.view()});
    auto const sealed = SelectedCodec(text, BackendKind::openmp).encode({k.view(), k.view()}, selection);
    EXPECT_EQ(mask_of(sealed.bytes, 2), (std::vector{std::byte{0xc1}, std::byte{0x03}}));
}

TEST(SelectedCodec, DecodesWhatTheCodecBehindItDecodes) {
    Fixture of;
    SelectedCodec const codec(Codec::parse(codec_text), BackendKind::openmp);
    EXPECT_EQ(codec.decode(codec.encode(of.cache(), of.selection).bytes, of.decoded()), of.selection);
    for (auto const& [from, to, shape, component] :
         {std::tuple{&of.k, &of.k_decoded, k_shape, Component::k}, {&of.v, &of.v_decoded, v_shape, Component::v}}) {
        auto some = shape;
        some.tokens = 7;
        auto const type = from->view().type;
        TestTensor const kept(some, type, gathered(from->values(), shape, of.selection));
        TensorCodec alone(Codec::parse(codec_text).without_selection(), component, some, type, BackendKind::openmp);
        alone.encode(kept.view());
        TestTensor const expected(some, type);
        alone.decode(expected.view());
        EXPECT_EQ(gathered(to->values(), shape, of.selection), expected.values());
        // The others are zeros, and none of the kept vectors is.
        EXPECT_EQ(std::ranges::count(to->values(), 9.0F), 0);
        EXPECT_GE(std::ranges::count(to->values(), 0.0F), std::int64_t(4 * 6 * shape.dim));
    }
}

TEST(SelectedCodec, LayersThatKeepDifferentNumbersAreStoredApart) {
    Fixture of;
    Selection const uneven(SameTokens::layer, 2, 2, 10, {{1, 2, 3, 4, 5, 6}, {8}});
    SelectedCodec const codec(
        Codec::parse("keep:policy=pyramid,share=.4,window=1,over=layer | layers(0){fp16} rest{raw}"),
        BackendKind::openmp);
    auto const sealed = codec.encode(of.cache(), uneven);
    EXPECT_EQ(sealed.k[LedgerLine::mask], 4U);
    EXPECT_EQ(sealed.k[LedgerLine::payload], 2U * 9 * 8 * 2 + 2U * 4 * 8 * 4);
    EXPECT_EQ(codec.decode(sealed.bytes, of.decoded()), uneven);
    auto const values = of.k.values(), decoded = of.k_decoded.values();
    for (std::uint64_t h = 0; h < 2; ++h)
        for (std::uint64_t t = 0; t < 13; ++t)
            for (std::uint64_t c = 0; c < 8; ++c) {
                auto const place = ((2 + h) * 13 + t) * 8 + c;
                EXPECT_EQ(decoded[place], t == 8 || t >= 10 ? values[place] : 0) << "token " << t;
            }
}

TEST(SelectedCodec, WithoutVOneTensorIsStored) {
    Fixture of;
    SelectedCodec const codec(Codec::parse("keep:policy=knorm,share=.4,over=all | raw"), BackendKind::openmp);
    Selection const all(SameTokens::all, 2, 2, 13, {{0, 5, 12}});
    auto const sealed = codec.encode({of.k.view()}, all);
    EXPECT_EQ(sealed.k[LedgerLine::mask], 2U);
    EXPECT_EQ(sealed.v, ByteLedger());
    EXPECT_EQ(codec.decode(sealed.bytes, {of.k_decoded.view()}), all);
    EXPECT_EQ(gathered(of.k_decoded.values(), k_shape, all), gathered(of.k.values(), k_shape, all));
    EXPECT_THROW(codec.decode(sealed.bytes, of.decoded()), CorruptData) << "V is wanted";
}

TEST(SelectedCodec, DamagedBytesAreRefused) {
    Fixture of;
    SelectedCodec const codec(Codec::parse(codec_text), BackendKind::openmp);
    auto const sealed = codec.encode(of.cache(), of.selection).bytes;
    for (std::size_t bytes = 0; bytes < sealed.size(); ++bytes)
        EXPECT_THROW(codec.decode(std::span(sealed).first(bytes), of.decoded()), CorruptData) << bytes;
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        auto damaged = sealed;
        damaged[at] ^= std::byte{0x10};
        EXPECT_THROW(codec.decode(damaged, of.decoded()), CorruptData) << "byte " << at;
    }
    auto longer = sealed;
    longer.push_back(std::byte{0});
    EXPECT_THROW(codec.decode(longer, of.decoded()), CorruptData);
}

/// Below the checksum: every byte of the header, the text and the lists is looked at.
TEST(SelectedCodec, FalseNumbersBelowTheChecksumAreRefused) {
    Fixture of;
    SelectedCodec const codec(Codec::parse(codec_text), BackendKind::openmp);
    auto const sealed = codec.encode(of.cache(), of.selection).bytes;
    auto const mask_at =
        static_cast<std::size_t>(std::ranges::search(sealed, mask_of(sealed, 8)).begin() - sealed.begin());
    for (std::size_t at = 0; at < mask_at + 8; ++at) {
        if (at >= 24 && at < 32) continue;  // the checksum
        for (auto const bit : {0x01, 0x40, 0x80}) {
            auto damaged = sealed;
            damaged[at] ^= std::byte(bit);
            reseal_container(damaged);
            EXPECT_THROW(codec.decode(damaged, of.decoded()), CorruptData) << "byte " << at << ", bit " << bit;
        }
    }
    auto const without = [&](std::size_t first, std::size_t last) {
        auto damaged = sealed;
        for (auto i = first; i <= last; ++i) damaged[mask_at + i] = std::byte{0};
        reseal_container(damaged);
        return damaged;
    };
    EXPECT_THROW(codec.decode(without(0, 1), of.decoded()), CorruptData) << "a head without tokens";
    EXPECT_THROW(codec.decode(without(0, 7), of.decoded()), CorruptData);
}

TEST(SelectedCodec, StagesThatNeedPositionsDoNotGoWithGaps) {
    try {
        SelectedCodec const codec(Codec::parse("keep:policy=knorm,share=.5 | k{unrope:base=10000 | raw} v{raw}"),
                                  BackendKind::openmp);
        FAIL();
    } catch (NotApplicable const& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("unrope"));
    }
    EXPECT_THROW(SelectedCodec(Codec::parse("raw"), BackendKind::openmp), std::invalid_argument);
}

TEST(SelectedCodec, ASelectionOfAnotherCacheIsRefused) {
    Fixture of;
    SelectedCodec const codec(Codec::parse(codec_text), BackendKind::openmp);
    Selection const longer(SameTokens::all, 2, 2, 14, {{0}});
    EXPECT_THROW(codec.encode(of.cache(), longer), std::invalid_argument);
    Selection const fewer(SameTokens::all, 1, 2, 10, {{0}});
    EXPECT_THROW(codec.encode(of.cache(), fewer), std::invalid_argument);
}

/// A tensor by itself cannot lose tokens.
TEST(SelectedCodec, OtherCodersOfTensorsRefuseItsCodecs) {
    EXPECT_THROW(TensorCodec(Codec::parse(codec_text), Component::k, k_shape, ElementType::f32, BackendKind::openmp),
                 NotApplicable);
}

}  // namespace
}  // namespace kvstone
