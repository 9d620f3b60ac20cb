#include "harness/inspection/attention_share.hpp"

#include <algorithm>
#include <cmath>

#include "backends/kernels/exponential.hpp"
#include "harness/sources/elements.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t queries_looked_at = 64;

std::vector<float> row(HostTensor const& tensor, std::uint64_t group, std::uint64_t token) {
    auto const first = (group * tensor.shape.tokens + token) * tensor.shape.dim;
    std::vector<float> values(tensor.shape.dim);
    for (std::uint64_t c = 0; c < values.size(); ++c)
        values[c] = element_value(tensor.type, tensor.bytes.get(), first + c);
    return values;
}

/// The softmax's weight of token 0 among tokens 0 to `position`.
double weight_of_first(std::vector<float> const& query, std::vector<std::vector<float>> const& keys,
                       std::uint64_t position) {
    std::vector<double> logits;
    for (std::uint64_t t = 0; t <= position; ++t) {
        double product = 0;
        for (std::size_t c = 0; c < query.size(); ++c) product += double{query[c]} * keys[t][c];
        logits.push_back(product / std::sqrt(static_cast<double>(query.size())));
    }
    auto const most = *std::ranges::max_element(logits);
    double sum = 0;
    for (auto const logit : logits) sum += exponential_of_nonpositive(logit - most);
    return exponential_of_nonpositive(logits.front() - most) / sum;
}

}  // namespace

std::vector<double> first_token_share(KvTensors const& tensors) {
    auto const& k = *tensors.k;
    auto const& q = *tensors.q;
    auto const queries = std::min(queries_looked_at, q.shape.tokens);
    auto const heads_each = q.shape.heads / k.shape.heads;
    std::vector<double> by_head(k.shape.layers * k.shape.heads);
#pragma omp parallel for schedule(dynamic)
    for (std::uint64_t group = 0; group < by_head.size(); ++group) {
        std::vector<std::vector<float>> keys;
        for (std::uint64_t t = 0; t < k.shape.tokens; ++t) keys.push_back(row(k, group, t));
        auto const layer = group / k.shape.heads;
        for (std::uint64_t i = 0; i < heads_each; ++i) {
            auto const query_group = layer * q.shape.heads + group % k.shape.heads * heads_each + i;
            for (std::uint64_t n = 0; n < queries; ++n) {
                auto const place = (n + 1) * q.shape.tokens / queries - 1;
                auto const position = tensors.q_positions.empty() ? place : tensors.q_positions[place];
                by_head[group] += weight_of_first(row(q, query_group, place), keys, position);
            }
        }
    }
    std::vector<double> shares(k.shape.layers);
    for (std::uint64_t group = 0; group < by_head.size(); ++group)
        shares[group / k.shape.heads] += by_head[group] / static_cast<double>(q.shape.heads * queries);
    return shares;
}

}  // namespace kvstone
