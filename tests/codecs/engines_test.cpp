// The settings of serving engines nearest to codecs.

#include "codecs/engines.hpp"

#include <ranges>
#include <set>

#include <gmock/gmock.h>

#include "codecs/engine_limits.hpp"
#include "codecs/registry.hpp"
#include "codecs/text/presets.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

NearestSettings nearest(std::string const& codec) { return nearest_settings(Codec::parse(codec)); }

/// Every stage of the program by name.
class EnginesOfStages : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, EnginesOfStages,
                         testing::ValuesIn(std::views::keys(stage_registry()).begin(),
                                           std::views::keys(stage_registry()).end()),
                         [](auto const& stage) { return as_test_name(stage.param); });

TEST_P(EnginesOfStages, AreStated) {
    // As the engines listed in codecs/engines.hpp accept them: a name that none takes would be a guess.
    std::set<std::string> const vllm{"none",
                                     "auto",
                                     "float16",
                                     "bfloat16",
                                     "fp8_e4m3",
                                     "fp8_e5m2",
                                     "nvfp4",
                                     "int4_per_token_head",
                                     "int8_per_token_head",
                                     "turboquant_k8v4",
                                     "turboquant_4bit_nc",
                                     "turboquant_k3v4_nc",
                                     "turboquant_3bit_nc"};
    std::set<std::string> const sglang{"auto", "bf16", "fp8_e4m3", "fp8_e5m2", "mxfp8", "nvfp4", "fp4_mx_block16"};
    std::set<std::string> const llama_cpp{"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"};
    auto const& info = stage_registry().at(GetParam()).info;
    auto const& cases = info.engines;
    ASSERT_FALSE(cases.empty());
    EXPECT_TRUE(cases.back().options.empty() && cases.back().behind.empty()) << "the last case is to fit always";
    for (auto const& settings : cases) {
        EXPECT_FALSE(settings.differs.empty());
        for (auto const& value : settings.vllm) EXPECT_TRUE(vllm.contains(value)) << value;
        for (auto const& value : settings.sglang) EXPECT_TRUE(sglang.contains(value)) << value;
        for (auto const& value : settings.llama_cpp) EXPECT_TRUE(llama_cpp.contains(value)) << value;
        for (auto const& [option, value] : settings.options)
            EXPECT_TRUE(std::ranges::any_of(
                info.options,
                [&](OptionSpec const& spec) { return spec.name == option && spec.canonical(value) == value; }))
                << "it has no " << option << "=" << value;
    }
    for (auto const& example : info.examples) EXPECT_FALSE(nearest(example).differences.empty()) << example;
}

TEST(EnginesTest, PresetsStateWhatDiffers) {
    for (auto const& preset : presets()) {
        if (preset.needs_bases()) continue;
        EXPECT_FALSE(nearest(std::string(preset.name)).differences.empty()) << preset.name;
    }
}

TEST(EnginesTest, QuantisersGiveTheSetting) {
    EXPECT_EQ(
        nearest("q8_0").text(),
        "vLLM: --kv-cache-dtype int8_per_token_head; SGLang: none; LMCache: none; llama.cpp: -ctk q8_0 -ctv q8_0");
    EXPECT_THAT(nearest("q8_0").differences, Contains(HasSubstr("LLAMA_ATTN_ROT_DISABLE=1 for the same")));
    EXPECT_EQ(nearest("hadamard | q4_0").llama_cpp, "-ctk q4_0 -ctv q4_0");
    EXPECT_THAT(nearest("hadamard | q4_0").differences, Not(Contains(HasSubstr("LLAMA_ATTN_ROT_DISABLE"))));
    EXPECT_EQ(nearest("fp8:format=e5m2").sglang, "--kv-cache-dtype fp8_e5m2");
    EXPECT_EQ(nearest("fp8:format=e4m3").lmcache, R"(serde {"type": "fp8", "fp8_dtype": "float8_e4m3fn"})");
    EXPECT_EQ(nearest("int:bits=2,axis=token").text(), "vLLM: none; SGLang: none; LMCache: none; llama.cpp: none");
    EXPECT_EQ(nearest("int:bits=4,axis=token,group=32,scheme=asymmetric").llama_cpp, "-ctk q4_1 -ctv q4_1");
    EXPECT_EQ(nearest("int:bits=4,axis=token,group=32").llama_cpp, "-ctk q4_0 -ctv q4_0");
    EXPECT_EQ(nearest("lloydmax:bits=4").vllm, "none") << "not behind a rotation";
    EXPECT_EQ(nearest("engine:k=q8_0,v=q4_0").llama_cpp, "-ctk q8_0 -ctv q4_0");
    EXPECT_EQ(nearest("engine:k=f16,v=f16,flash=off,rotation=off").llama_cpp,
              "LLAMA_ATTN_ROT_DISABLE=1 -ctk f16 -ctv f16 -fa off");
}

TEST(EnginesTest, KAndVApartNeedWhatBothHave) {
    auto const kivi = nearest("balanced");
    EXPECT_EQ(kivi.llama_cpp, "-ctk q4_1 -ctv q4_1");
    EXPECT_EQ(kivi.vllm, "--kv-cache-dtype int4_per_token_head");
    EXPECT_EQ(kivi.lmcache, "none") << "TurboQuant's presets rotate K";
    EXPECT_EQ(nearest("int:bits=3,axis=token").vllm, "none");
    EXPECT_THAT(kivi.differences, Contains("sinks and windows: no engine keeps them apart"));
    auto const mixed = nearest("k{q8_0} v{q4_0}");
    EXPECT_EQ(mixed.llama_cpp, "-ctk q8_0 -ctv q4_0");
    EXPECT_EQ(mixed.vllm, "none");
    EXPECT_THAT(mixed.differences, Contains(HasSubstr("K and V are coded apart")));
    EXPECT_EQ(nearest("k{fp8:format=e4m3} v{int:bits=4,scheme=asymmetric,axis=token}").vllm,
              "--kv-cache-dtype turboquant_k8v4");
    EXPECT_EQ(nearest("first_layers(2){fp16} last_layers(2){fp16} k{hadamard | lloydmax:bits=3,norm=matched} "
                      "v{int:bits=4,scheme=asymmetric,axis=token}")
                  .lmcache,
              R"(serde {"type": "turboquant", "preset": "turboquant_k3v4_nc"})");
}

TEST(EnginesTest, WhatStandsAroundAQuantiserIsADifference) {
    EXPECT_THAT(nearest("unrope | q8_0").differences, Contains("unrope: no engine has it: keys are cached after RoPE"));
    EXPECT_EQ(nearest("unrope | q8_0").llama_cpp, nearest("q8_0").llama_cpp);
    EXPECT_THAT(nearest("fp16 | zstd").differences, Contains(HasSubstr("zstd: ")));
    EXPECT_THAT(nearest("hadamard | lloydmax:bits=4").differences, Not(Contains(HasSubstr("hadamard: "))));
    EXPECT_THAT(nearest("hadamard | int:bits=8,axis=token").differences, Contains(HasSubstr("hadamard: ")));
}

TEST(EnginesTest, NoSettingIsGivenThatTheEngineRefusesForTheHeads) {
    auto const at = [](std::string const& codec, std::uint64_t k, std::uint64_t v) {
        return nearest_settings(Codec::parse(codec), {k, v});
    };
    // ggml's blocks have 32 values: a head of 100 has no whole number of them.
    auto const refused = at("int:bits=4,axis=token", 100, 100);
    EXPECT_EQ(refused.llama_cpp, "none");
    EXPECT_THAT(refused.differences,
                Contains("llama.cpp refuses q4_0 here: it codes blocks of 32 values, and a head of K has 100"));
    EXPECT_EQ(at("int:bits=4,axis=token", 96, 64).llama_cpp, "-ctk q4_0 -ctv q4_0");
    EXPECT_EQ(at("int:bits=4,axis=token", 64, 80).llama_cpp, "none");
    EXPECT_EQ(at("int:bits=4,axis=token", 0, 0).llama_cpp, "-ctk q4_0 -ctv q4_0") << "not known";
    EXPECT_EQ(at("fp16", 100, 100).llama_cpp, "-ctk f16 -ctv f16");
    EXPECT_EQ(at("nvfp4", 80, 80).vllm, "--kv-cache-dtype nvfp4");
    EXPECT_EQ(at("nvfp4", 100, 100).vllm, "none");
    EXPECT_EQ(at("mxfp8", 80, 80).sglang, "none");
}

}  // namespace
}  // namespace kvstone
