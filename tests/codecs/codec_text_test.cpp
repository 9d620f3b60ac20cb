#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/codec.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::string canonical(std::string const& text) { return Codec::parse(text).text(); }

TEST(CodecText, PrintsOneSpelling) {
    EXPECT_EQ(canonical("raw"), "raw");
    EXPECT_EQ(canonical("  fp16|zstd "), "fp16 | zstd");
    EXPECT_EQ(canonical("int8:scheme=symmetric"), "int8");
    EXPECT_EQ(canonical("int8:clip=0.9990,scheme=asymmetric"), "int8:scheme=asymmetric,clip=0.999");
    EXPECT_EQ(canonical("int8 : clip = 1.0"), "int8");
    EXPECT_EQ(canonical("int8:samples=0128"), "int8:samples=128");
    EXPECT_EQ(canonical("int:bits=8,scale=fp32,clip=0.9"), "int8:clip=0.9");
    EXPECT_EQ(canonical("int:bits=8,axis=token"), "int:bits=8,axis=token");
    EXPECT_EQ(canonical("rest{raw}"), "raw");
    EXPECT_EQ(canonical("k { int8 }\n v{fp16|zstd:level=3}"), "k{int8} v{fp16 | zstd}");
    EXPECT_EQ(canonical("window(128),k{raw} layers(5,0-1,2,7-7){fp16} rest{int8}"),
              "k,window(128){raw} layers(0-2,5,7){fp16} rest{int8}");
    EXPECT_EQ(canonical("sink(4){raw} heads(1){bf16} rest{int8}"), "sink(4){raw} heads(1){bf16} rest{int8}");
}

/// As block scalars of YAML bring them.
TEST(CodecText, LineEndsAndTabsAreBlanks) {
    EXPECT_EQ(canonical("k{int8}\nv{fp16\t|\tzstd}\n"), "k{int8} v{fp16 | zstd}");
    EXPECT_EQ(canonical("\tbalanced\r\n"), canonical("balanced"));
}

TEST(CodecText, FirstLayersAreLayersAndLastLayersStayWhatTheyAre) {
    EXPECT_EQ(canonical("first_layers(2){fp16} rest{int8}"), "layers(0-1){fp16} rest{int8}");
    EXPECT_EQ(Codec::parse("first_layers(2){fp16} rest{int8}"), Codec::parse("layers(0,1){fp16} rest{int8}"));
    EXPECT_EQ(canonical("first_layers(1),v{fp16} rest{int8}"), "v,layers(0){fp16} rest{int8}");
    EXPECT_EQ(canonical("last_layers( 03 ) { fp16 } rest{int8}"), "last_layers(3){fp16} rest{int8}");
    EXPECT_EQ(canonical("window(9),heads(1),last_layers(3),layers(1-5),k{raw} rest{int8}"),
              "k,layers(1-5),last_layers(3),heads(1),window(9){raw} rest{int8}");
    EXPECT_NE(Codec::parse("last_layers(2){fp16} rest{int8}"), Codec::parse("last_layers(3){fp16} rest{int8}"));
}

TEST(CodecText, OptionsThatNameTheMethodAndLaterFormatsArePrinted) {
    EXPECT_EQ(canonical("test-top:bits=12"), "test-top.2:bits=12");
    EXPECT_EQ(canonical("test-top.2:bits=12"), "test-top.2:bits=12");
    EXPECT_THROW(canonical("test-top.1:bits=12"), ConfigError);
    EXPECT_THROW(canonical("raw.1"), ConfigError);
}

TEST(CodecText, WhatIsPrintedParsesToTheSame) {
    for (auto const& [name, entry] : stage_registry()) {
        for (auto const& example : entry.info.examples) {
            auto const codec = Codec::parse(example);
            EXPECT_EQ(Codec::parse(codec.text()), codec) << example;
            EXPECT_EQ(Codec::parse(codec.text()).text(), codec.text()) << example;
        }
    }
}

TEST(CodecText, AStageThatDropsTokensStandsInFrontOfAWholeCodec) {
    EXPECT_EQ(canonical("keep : share=.50,policy=snapkv,kernel=05|int:bits=4"),
              "keep:policy=snapkv,share=0.5 | int:bits=4");
    EXPECT_EQ(canonical("keep:policy=streaming,share=.25 | k{int:bits=4} v{fp16}"),
              "keep:policy=streaming,share=0.25 | k{int:bits=4} v{fp16}");
    EXPECT_EQ(canonical("keep:policy=knorm,share=1,over=all | rest{raw}"), "keep:policy=knorm,share=1,over=all | raw");
    EXPECT_EQ(canonical("keep:policy=random,share=.5,seed=3 | balanced"),
              "keep:policy=random,share=0.5,seed=3 | " + canonical("balanced"));
    auto const codec = Codec::parse("keep:policy=h2o,share=.5,sink=0,window=8 | hadamard | int:bits=4");
    EXPECT_EQ(codec.selection()->options.at("window"), "8");
    EXPECT_EQ(codec.without_selection(), Codec::parse("hadamard | int:bits=4"));
    EXPECT_NE(codec, codec.without_selection());
    EXPECT_FALSE(codec.without_selection().selection());
    EXPECT_THROW(codec.of_layer(0, 2), NotApplicable);
}

struct Refused {
    std::string text;
    std::string offending;
    std::string told;  ///< a part of the message or of the accepted names
};

class CodecTextRefused : public testing::TestWithParam<Refused> {};

TEST_P(CodecTextRefused, WithTheOffendingTextAndWhatIsAccepted) {
    try {
        auto const text = Codec::parse(GetParam().text).text();
        FAIL() << "accepted as " << text;
    } catch (ConfigError const& error) {
        EXPECT_THAT(error.offending(), testing::HasSubstr(GetParam().offending));
        EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().told));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Selections, CodecTextRefused,
    testing::Values(
        Refused{"keep:policy=knorm,share=.5", "keep", "a codec of those that stay follows it"},
        Refused{"keep:policy=knorm,share=.5 |", "keep", "| raw"},
        Refused{"keep:policy=knorm,share=.5 fp16", "fp16", "follows it"},
        Refused{"keep:policy=knorm,share=.5 | zstd", "zstd", "quantiser"},
        Refused{"keep:policy=knorm,share=.5 | keep:policy=h2o,share=.5 | raw", "keep", "in front of the whole codec"},
        Refused{"k{keep:policy=knorm,share=.5 | raw} v{raw}", "keep", "K and V lose the same"},
        Refused{"raw | keep:policy=knorm,share=.5", "keep", "in front of the whole codec"},
        Refused{"keep:policy=knorm,share=.5 | engine:k=q8_0,v=q8_0", "engine", "a whole codec"},
        Refused{"keep:share=.5 | raw", "keep", "policy=streaming|random"},
        Refused{"keep:policy=knorm | raw", "keep", "share"}, Refused{"keep | raw", "keep", "policy"},
        Refused{"keep:policy=norm,share=.5 | raw", "norm", "knorm"},
        Refused{"keep:policy=knorm,share=0 | raw", "0", "(0, 1]"},
        Refused{"keep:policy=knorm,share=1.01 | raw", "1.01", "(0, 1]"},
        Refused{"keep:policy=streaming,share=.5,window=64 | raw", "window", "policy streaming does not use"},
        Refused{"keep:policy=streaming,share=.5,over=all | raw", "over", "policy, share, sink"},
        Refused{"keep:policy=knorm,share=.5,kernel=5 | raw", "kernel", "policy knorm does not use"},
        Refused{"keep:policy=h2o,share=.5,seed=0 | raw", "seed", "policy h2o does not use"},
        Refused{"keep:policy=snapkv,share=.5,beta=20 | raw", "beta", "policy snapkv does not use"},
        Refused{"keep:policy=tova,share=.5,future=9 | raw", "future", "policy tova does not use"},
        Refused{"keep:policy=random,share=.5,covariance=on | raw", "covariance", "policy random does not use"},
        Refused{"keep:policy=pyramid,share=.5,value_norm=on | raw", "value_norm", "policy pyramid does not use"},
        Refused{"keep:policy=knorm,share=.5,epsilon=0 | raw", "epsilon", "policy knorm does not use"},
        Refused{"keep:policy=pyramid,share=.5,over=all | raw", "all", "fewer tokens in higher layers"},
        Refused{"keep:policy=snapkv,share=.5,kernel=4 | raw", "4", "odd"},
        Refused{"keep:policy=snapkv,share=.5,window=0 | raw", "0", "at least 1"},
        Refused{"keep:policy=tova,share=.5,window=0 | raw", "0", "at least 1"},
        Refused{"keep:policy=knorm,share=.5,sinks=4 | raw", "sinks", "sink"}));
INSTANTIATE_TEST_SUITE_P(
    All, CodecTextRefused,
    testing::Values(
        Refused{"", "", "empty"}, Refused{"  ", "", "empty"}, Refused{"fp17", "fp17", "did you mean 'fp16'"},
        Refused{"f16", "f16", "accepted: fp16"}, Refused{"f32 | zstd", "f32", "accepted: raw"},
        Refused{"k{float16} v{fp16}", "float16", "accepted: fp16"}, Refused{"fp32", "fp32", "accepted: raw"},
        Refused{"balance", "balance", "did you mean 'balanced'"}, Refused{"int9", "int9", "balanced, aggressive"},
        Refused{"int8:shceme=symmetric", "shceme", "did you mean 'scheme'"},
        Refused{"int8:scheme=sym", "sym", "asymmetric"}, Refused{"int8:clip=1.5", "1.5", "(0.5, 1]"},
        Refused{"int8:clip=0.5", "0.5", "(0.5, 1]"}, Refused{"int8:clip=nan", "nan", "clip"},
        Refused{"int8:clip=inf", "inf", "clip"}, Refused{"int8:samples=1.5", "1.5", "whole number"},
        Refused{"int8:samples=-1", "-1", "0..1048576"},
        Refused{"int8:samples=99999999999999999999", "9999", "whole number"},
        Refused{"int8:clip=1,clip=1", "clip", "twice"}, Refused{"int8:clip", "end of text", "'='"},
        Refused{"int8:", "end of text", "option"}, Refused{"int8:clip=", "end of text", "value"},
        Refused{"test-top", "test-top", "bits=10..16"}, Refused{"fp16 | zstd:level=0", "0", "1..19"},
        Refused{"zstd", "zstd", "quantiser"}, Refused{"fp16 | fp16", "fp16", "second"},
        Refused{"test-offset", "test-offset", "no quantiser"},
        Refused{"raw | test-offset", "test-offset", "before the quantiser"},
        Refused{"zstd | raw", "zstd", "after a quantiser"}, Refused{"raw |", "end of text", "a stage"},
        Refused{"| raw", "| raw", "a stage"}, Refused{"raw raw", "raw", "after the pipeline"},
        Refused{"raw}", "}", "after the pipeline"}, Refused{"k{raw}", "v", "no rule takes the rest of v"},
        Refused{"layers(0-3){raw}", "k", "no rule takes"}, Refused{"window(9){raw}", "k", "no rule takes"},
        Refused{"k{raw} v{raw} rest{raw}", "rule 3", "never reached"},
        Refused{"rest{raw} k{fp16}", "rule 2", "never reached"}, Refused{"k,v{raw} rest{raw}", "v", "twice"},
        Refused{"rest,k{raw} rest{raw}", "rest", "alone"}, Refused{"q{raw} rest{raw}", "q", "window(128)"},
        Refused{"layers{raw} rest{raw}", "{raw}", "'('"}, Refused{"layers(){raw} rest{raw}", ")", "range of indices"},
        Refused{"layers(3-1){raw} rest{raw}", "3-1", "before it starts"},
        Refused{"layers(1-2-3){raw} rest{raw}", "2-3", "whole number"},
        Refused{"layers(-1){raw} rest{raw}", "", "whole number"},
        Refused{"layers(4294967296){raw} rest{raw}", "4294967296", "whole number"},
        Refused{"sink(x){raw} rest{raw}", "x", "whole number"}, Refused{"first_layers(0){raw} rest{raw}", "0", "1.."},
        Refused{"last_layers(0){raw} rest{raw}", "0", "1.."},
        Refused{"last_layers(1-2){raw} rest{raw}", "1-2", "whole number"},
        Refused{"layers(7),first_layers(2){raw} rest{raw}", "first_layers", "twice"},
        Refused{"last_layers(1),last_layers(2){raw} rest{raw}", "last_layers", "twice"},
        Refused{"last_layers(3){raw}", "k", "no rule takes"},
        Refused{"last_layer(3){raw} rest{raw}", "last_layer", "last_layers(2)"},
        Refused{"sink(4{raw} rest{raw}", "{raw}", "')'"}, Refused{"k{raw", "end of text", "'}'"},
        Refused{"k{} v{raw}", "}", "a stage"}, Refused{"k{raw}} v{raw}", "}", "a selector"},
        Refused{"k{{raw}} v{raw}", "{raw", "a stage"}, Refused{"raw\x01", "\x01", "after the pipeline"}));

TEST(CodecText, TooLongOrTooDeepIsRefused) {
    EXPECT_THROW(Codec::parse(std::string(70000, 'k')), ConfigError);
    EXPECT_THROW(Codec::parse(std::string(60000, '{')), ConfigError);
    EXPECT_THROW(Codec::parse(std::string(60000, ' ')), ConfigError);
    std::string many = "raw";
    while (many.size() < 1000) many += " | zstd";
    EXPECT_THROW(Codec::parse(many), ConfigError);
    std::string rules;
    for (int i = 0; i < 1100; ++i) rules += "sink(1){raw} ";
    EXPECT_THROW(Codec::parse(rules + "rest{raw}"), ConfigError);
}

TEST(CodecText, NonsenseNeverDoesMoreThanThrow) {
    std::mt19937 random(7);
    std::string const letters = "kv{}(),:=|- .0159restwindowfirst_layerslast_int8clipzstdraw\n";
    std::string const valid =
        "first_layers(2),k{int8:clip=0.999 | zstd} last_layers(1){raw} window(128){raw} rest{fp16}";
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        if (i % 2 == 0) {
            auto const length = random() % 40;
            for (std::size_t c = 0; c < length; ++c) text += letters[random() % letters.size()];
        } else {
            text = valid;
            text[random() % text.size()] = letters[random() % letters.size()];
            text.erase(random() % text.size(), random() % 3);
        }
        try {
            auto const codec = Codec::parse(text);
            EXPECT_EQ(Codec::parse(codec.text()), codec) << text;
        } catch (ConfigError const&) {
        }
    }
}

TEST(Registry, SummariesTellWhatListShows) {
    auto const stages = registered_stages();
    EXPECT_GE(stages.size(), 5U);
    for (auto const& stage : stages) {
        EXPECT_FALSE(stage.summary.empty()) << stage.name;
        EXPECT_NO_THROW(Codec::parse(stage.example)) << stage.name;
    }
    auto const int8 = std::ranges::find(stages, "int8", &StageSummary::name);
    ASSERT_NE(int8, stages.end());
    EXPECT_EQ(int8->kind, "quantiser");
    EXPECT_EQ(int8->access, "whole");
    EXPECT_THAT(int8->options, testing::HasSubstr("scheme=symmetric|asymmetric (symmetric)"));
}

TEST(Registry, ATakenNameIsRefused) { EXPECT_THROW(register_stage(stage_registry().at("raw")), std::logic_error); }

}  // namespace
}  // namespace kvstone
