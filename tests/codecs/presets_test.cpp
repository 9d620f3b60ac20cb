#include "codecs/text/presets.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/codec.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

TEST(Presets, StandForTheirTextAndPrintAsIt) {
    ASSERT_EQ(presets().size(), 3U);
    for (auto const& preset : presets()) {
        auto const codec = Codec::parse(preset.name);
        EXPECT_EQ(codec, Codec::parse(preset.text)) << preset.name;
        EXPECT_EQ(codec.text(), preset.text) << preset.name << " is not canonical";
        EXPECT_EQ(Codec::parse(" \n" + std::string(preset.name) + " "), codec);
        EXPECT_EQ(find_preset(preset.name), &preset);
        EXPECT_FALSE(stage_registry().contains(std::string(preset.name)));
    }
    EXPECT_EQ(find_preset("balance"), nullptr);
    EXPECT_EQ(find_preset(""), nullptr);
}

/// Cells that have run under a preset are found by these texts.
TEST(Presets, NeverChange) {
    EXPECT_EQ(Codec::parse("conservative").text(),
              "sink(4){fp16} window(128){fp16} rest{int:bits=8,axis=token,group=64}");
    EXPECT_EQ(Codec::parse("balanced").text(),
              "sink(4){fp16} window(128){fp16} k{int:bits=4,scheme=asymmetric,axis=channel,group=32} "
              "v{int:bits=4,scheme=asymmetric,axis=token,group=32}");
    EXPECT_EQ(Codec::parse("aggressive").text(),
              "sink(4){fp16} window(128){fp16} k{int:bits=2,scheme=asymmetric,axis=channel,group=32} "
              "v{int:bits=2,scheme=asymmetric,axis=token,group=32}");
}

TEST(Presets, StandAlone) {
    for (auto const* text : {"k{balanced} v{raw}", "balanced | zstd", "balanced conservative", "rest{aggressive}"}) {
        try {
            Codec::parse(text);
            ADD_FAILURE() << text;
        } catch (ConfigError const& error) {
            EXPECT_THAT(error.what(), testing::HasSubstr("stands alone")) << text;
        }
    }
}

/// 4 sinks, 320 tokens in the middle, 128 recent ones: 16 bits a value and what the method promises with its scales.
TEST(Presets, StoreWhatTheySay) {
    KvShape const shape{2, 2, 4 + 320 + 128, 64};
    TestTensor const original(shape, ElementType::f32, test_values(shape));
    double const middle = 2 * 2 * 320 * 64, kept = 2 * 2 * 132 * 64;
    double error_before = 0;
    for (auto const& [name, bits] :
         {std::pair{"conservative", 8 + 16.0 / 64}, {"balanced", 4 + 32.0 / 32}, {"aggressive", 2 + 32.0 / 32}}) {
        for (auto const component : {Component::k, Component::v}) {
            TensorCodec codec(Codec::parse(name), component, shape, ElementType::f32, BackendKind::openmp);
            codec.encode(original.view());
            auto const ledger = codec.ledger();
            auto const coded = ledger.stored_bytes() - ledger[LedgerLine::headers] - ledger[LedgerLine::padding];
            EXPECT_EQ(static_cast<double>(coded), middle * bits / 8 + kept * 2) << name;
        }
        TensorCodec codec(Codec::parse(name), Component::k, shape, ElementType::f32, BackendKind::openmp);
        TestTensor const decoded(shape, ElementType::f32);
        codec.encode(original.view());
        codec.decode(decoded.view());
        auto const x = original.values(), y = decoded.values();
        double error = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            auto const token = i / shape.dim % shape.tokens;
            double const e = std::fabs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
            bool const kept_as_is = token < 4 || token >= 324;
            EXPECT_LE(e, kept_as_is ? std::fabs(x[i]) / 2048 + 1e-7F : 20.0F) << name << ' ' << i;
            error += e;
        }
        EXPECT_GT(error, 2 * error_before) << name;
        error_before = error;
    }
}

}  // namespace
}  // namespace kvstone
