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
    ASSERT_EQ(presets().size(), 15U);
    for (auto const& preset : presets()) {
        EXPECT_EQ(find_preset(preset.name), &preset);
        EXPECT_FALSE(stage_registry().contains(std::string(preset.name)));
        EXPECT_FALSE(preset.summary.empty() || preset.source.empty()) << preset.name;
        if (preset.needs_bases()) continue;  // calibration_test.cpp
        auto const codec = Codec::parse(preset.name);
        if (preset.text.find('$') == std::string_view::npos) {
            EXPECT_EQ(codec.text(), preset.text) << preset.name << " is not canonical";
        }
        EXPECT_EQ(Codec::parse(codec.text()), codec) << preset.name;
        EXPECT_EQ(Codec::parse(" \n" + std::string(preset.name) + " "), codec);
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
    EXPECT_EQ(Codec::parse("gear-l").text(),
              "window(64){fp16} k{int_lowrank:bits=2,axis=channel,group=64,rank=4} "
              "v{int_lowrank:bits=2,axis=token,group=64,rank=4}");
    EXPECT_EQ(Codec::parse("gear-sl").text(),
              "window(64){fp16} k{outliers:fraction=0.02,axis=channel | "
              "int_lowrank:bits=2,axis=channel,group=64,rank=4} "
              "v{outliers:fraction=0.02 | int_lowrank:bits=2,axis=token,group=64,rank=4}");
    EXPECT_EQ(Codec::parse("kvtc").text(),
              "sink(4){fp16} window(128){fp16} k{unrope | lowrank:rank=0.5,basis=prompt,over=heads,mean=yes | "
              "bitalloc:bits=2,singles=yes | zstd} v{lowrank:rank=0.5,basis=prompt,over=heads,mean=yes | "
              "bitalloc:bits=2,singles=yes | zstd}");
    EXPECT_EQ(Codec::parse("cachegen-shipped").text(),
              "k,layers(0-9){cachegen:bins=32 | rans:context=channel,tables=layer} "
              "v,layers(0-1){cachegen:bins=32 | rans:context=channel,tables=layer} "
              "rest{cachegen:bins=16 | rans:context=channel,tables=layer}");
    EXPECT_EQ(Codec::parse("shadowkv").text(),
              "k{unrope | lowrank:rank=0.15625,basis=prompt,over=heads | fp16} v{fp16}");
    EXPECT_EQ(Codec::parse("xkv").text(),
              "k{unrope | lowrank:rank=0.125,basis=prompt,over=layers | fp16} "
              "v{lowrank:rank=0.1875,basis=prompt,over=layers | fp16}");
    EXPECT_EQ(Codec::parse("qjl-kv").text(),
              "window(128){fp16} k,layers(0-14){qjl:sketch=4,matrix=orthogonal} k{qjl:sketch=2,matrix=orthogonal} "
              "v{int:bits=2,scheme=asymmetric,axis=token,group=32}");
    EXPECT_EQ(Codec::parse("turboquant-mse").text(), "hadamard | lloydmax:bits=4");
    EXPECT_EQ(Codec::parse("turboquant-prod").text(), "hadamard | turboquant_prod:bits=4");
    EXPECT_EQ(Codec::parse("higgs-hadamard").text(), "hadamard | higgs:bits=4");
}

TEST(Presets, TakeOptions) {
    EXPECT_EQ(Codec::parse("turboquant-mse:bits=3").text(), "hadamard | lloydmax:bits=3");
    EXPECT_EQ(Codec::parse("gear-l : bits = 4, group=32,rank=2").text(),
              "window(64){fp16} k{int_lowrank:bits=4,axis=channel,group=32,rank=2} "
              "v{int_lowrank:bits=4,axis=token,group=32,rank=2}");
    EXPECT_THAT(Codec::parse("kvtc:ratio=32").text(), testing::HasSubstr("lowrank:rank=0.25,"));
    EXPECT_THAT(Codec::parse("kvtc:ratio=4").text(), testing::HasSubstr("bitalloc:bits=4,"));
    EXPECT_THAT(Codec::parse("qjl-kv:matrix=gaussian").text(), testing::HasSubstr("k{qjl:sketch=2}"));
    for (auto const* text : {"balanced:bits=4", "gear-l:bits=9", "gear-l:bits", "gear-l:", "shadowkv:rank=3",
                             "turboquant-mse:bits=4 | zstd", "k{gear-l:bits=2} v{raw}", "kvtc:bases=none.safetensors"})
        EXPECT_THROW(Codec::parse(text), ConfigError) << text;
}

// Layers that four do not go into, fewer layers than rules name, narrow heads: every preset takes them.
TEST(Presets, FitEveryModel) {
    for (KvShape const shape : {KvShape{5, 2, 200, 16}, KvShape{1, 1, 140, 64}, KvShape{6, 3, 133, 40}}) {
        TestTensor const original(shape, ElementType::f16, test_values(shape));
        for (auto const& preset : presets()) {
            if (preset.needs_bases()) continue;
            for (auto const component : {Component::k, Component::v}) {
                auto text = Codec::parse(preset.name).text();
                for (auto at = text.find("unrope |"); at != std::string::npos; at = text.find("unrope |"))
                    text.replace(at, 8, "unrope:base=10000 |");
                TensorCodec codec(Codec::parse(text), component, shape, ElementType::f16, BackendKind::openmp);
                codec.encode(original.view());
                TestTensor const back(shape, ElementType::f16);
                codec.decode(back.view());
                for (auto const value : back.values()) ASSERT_TRUE(std::isfinite(value)) << preset.name;
            }
        }
    }
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

/// 4 sinks, 320 tokens in the middle, 128 recent ones: 16 bits a value and the method's bits with its scales.
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
