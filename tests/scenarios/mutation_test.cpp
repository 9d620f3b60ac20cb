#include <random>

#include <gtest/gtest.h>

#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"

namespace kvstone {
namespace {

std::string const valid = R"(kvstone: 1
name: mutated
sources:
  - synthetic: {shape: llama-3.1-8b, layers: 2, seed: 7, distribution: llama}
  - {name: own, synthetic: {layers: 1, kv_heads: 2, head_dim: 8, rope_base: 1e4}}
grid:
  context: &sizes [512, 2k]
  codec:
    - raw
    - int8:scheme=asymmetric
    - {name: kivi, window: 128, layers: {"0-1": fp16 | zstd}, k: "int:bits=4", v: "int:bits=2"}
    - {name: hybrid, codec: int8, sources: {own: "layers(0){fp16} rest{int8}"}}
  backend: [openmp]
  threads: [1, all]
workloads: [roundtrip, attention]
measure: {min_time: 0.3 s, repetitions: 5, memory: 4 GiB, timing: off}
exclude: [{codec: kivi, context: *sizes}]
require: [{codec: raw}]
published: [{match: {codec: raw}, component: k, metric: mae, value: 0.5, within: 2%, comparable: "no"}]
targets: [{match: {context: 512}, component: v, metric: cosine, at_least: 0.99, from: nobody}]
)";

/// One to four bytes or pieces changed, doubled or taken away.
std::string mutated(std::mt19937& random) {
    auto text = valid;
    auto const upto = [&random](std::size_t end) { return random() % end; };
    for (auto times = 1 + upto(4); times > 0 && !text.empty(); --times) {
        auto const at = upto(text.size());
        auto const length = std::min(1 + upto(12), text.size() - at);
        constexpr std::string_view marks = "[]{}:,-&*!|>'\"%@`#? \n\t\\~0";
        switch (upto(6)) {
            case 0:
                text[at] = static_cast<char>(upto(256));
                break;
            case 1:
                text[at] = marks[upto(marks.size())];
                break;
            case 2:
                text.insert(at, 1, marks[upto(marks.size())]);
                break;
            case 3:
                text.erase(at, length);
                break;
            case 4:
                text.insert(upto(text.size()), text.substr(at, length));
                break;
            default:
                text.resize(at + 1);
                break;
        }
    }
    return text;
}

/// Only a plan or a ConfigError with a place may come of any text.
TEST(Mutations, GivePlansOrConfigErrors) {
    std::mt19937 random(20240607);
    auto const vocabulary = fake_vocabulary();
    int refused = 0;
    for (int i = 0; i < 5000; ++i) {
        auto const text = mutated(random);
        try {
            parse_plan(text, "test.yaml", "/nonexistent", vocabulary);
        } catch (ConfigError const& error) {
            ++refused;
            EXPECT_EQ(error.place().file, "test.yaml") << error.what();
            EXPECT_GT(error.place().line, 0) << error.what() << "\n" << text;
        } catch (std::exception const& error) {
            ADD_FAILURE() << error.what() << "\n" << text;
        }
    }
    // Some mutations hurt nothing, most do.
    EXPECT_GT(refused, 2500);
    EXPECT_LT(refused, 5000);
}

}  // namespace
}  // namespace kvstone
