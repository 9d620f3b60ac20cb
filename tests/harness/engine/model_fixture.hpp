#pragma once
// The shipped model and its text, for tests that run models.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "harness/engine/engine.hpp"
#include "harness/sources/builtin.hpp"
#include "harness/workloads/model/evaluation.hpp"

namespace kvstone {

class TinyModel : public ::testing::Test {
  protected:
    static std::string model_path() { return builtin_path("tiny"); }
    static std::string text_path() { return builtin_path("builtin"); }
    /// The first tokens of the text.
    std::vector<Token> tokens(std::uint64_t count) const {
        auto all = engine_.read_tokens(text_path(), count);
        all.resize(count);
        return all;
    }
    /// Every logit behind each of the tokens, on a sequence without a codec.
    static std::vector<float> logits_of(EngineSequence& sequence, std::span<Token const> fed) {
        std::vector<float> all;
        sequence.feed(
            fed, 0, [&](std::uint64_t, std::span<float const> row) { all.insert(all.end(), row.begin(), row.end()); });
        return all;
    }
    static double mean_kld(std::vector<TokenScore> const& scores) {
        double sum = 0;
        for (auto const& score : scores) sum += score.kld;
        return sum / static_cast<double>(scores.size());
    }

    Engine engine_{model_path()};
};

}  // namespace kvstone
