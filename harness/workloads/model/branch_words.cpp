#include "harness/workloads/model/branch_words.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "harness/engine/engine_context.hpp"
#include "harness/workloads/model/token_score.hpp"

namespace kvstone {

BranchListener::BranchListener(std::span<BranchedText const> texts) : texts_(texts) {
    for (auto const& text : texts) words_.emplace_back(text.branches.size());
}

void BranchListener::take(std::size_t text, std::size_t branch, std::uint64_t index, std::span<float const> logits) {
    auto const token = texts_[text].token(branch, index + 1);
    auto const said = sum_logits(logits);
    auto const log_probability = static_cast<double>(logits[static_cast<std::size_t>(token)]) - said.log_sum;
    auto& word = words_[text][branch];
    word.log_likelihood += log_probability;
    word.greedy = word.greedy && said.top == token;
    word.lost += std::isfinite(log_probability) ? 0 : 1;
}

bool same_words(BranchWords const& a, BranchWords const& b) {
    return std::ranges::equal(a, b, [](auto const& ours, auto const& theirs) {
        return std::ranges::equal(ours, theirs, [](BranchWord const& one, BranchWord const& other) {
            return std::memcmp(&one.log_likelihood, &other.log_likelihood, sizeof(double)) == 0 &&
                   one.greedy == other.greedy && one.lost == other.lost;
        });
    });
}

std::size_t texts_of_first_group(std::span<BranchedText const> texts) {
    std::size_t count = 1;
    while (count < texts.size() &&
           group_branches(texts.first(count + 1), branch_batch_tokens, engine_branches).size() == 1)
        ++count;
    return std::min(count, texts.size());
}

}  // namespace kvstone
