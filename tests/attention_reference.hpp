#pragma once
// Attention as its definition has it: every logit and weight of a query in memory, double precision, nothing streamed.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "backends/kernels/attention.hpp"
#include "backends/kernels/floats.hpp"

namespace kvstone {

/// Ways to get it wrong; none: as it should be.
enum class AttentionFault {
    none,
    no_scale,
    swapped_kl,
    no_maximum,
    sees_the_next_token,
    other_kv_head,
    original_values
};

inline double value_of(KvView const& view, std::uint64_t layer, std::uint64_t head, std::uint64_t token,
                       std::uint64_t channel) {
    return with_elements(
        view, [&](auto const span) { return static_cast<double>(to_float(span(layer, head, token, channel))); });
}

inline std::vector<double> softmax_reference(std::vector<double> const& logits, AttentionFault fault) {
    double const most = fault == AttentionFault::no_maximum ? 0 : *std::ranges::max_element(logits);
    std::vector<double> weights;
    for (auto const logit : logits) weights.push_back(std::exp(logit - most));
    double const sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (auto& weight : weights) weight /= sum;
    return weights;
}

inline std::vector<std::uint64_t> top_reference(std::vector<double> const& logits) {
    std::vector<std::uint64_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](auto a, auto b) { return logits[a] > logits[b]; });
    order.resize(std::min<std::size_t>(order.size(), 8));
    return order;
}

inline QueryComparison query_reference(AttentionTensors const& tensors, std::uint64_t layer, std::uint64_t head,
                                       std::uint64_t query, AttentionFault fault) {
    auto const group = tensors.q.shape.heads / tensors.k.shape.heads;
    auto const kv_head = fault == AttentionFault::other_kv_head ? head % tensors.k.shape.heads : head / group;
    auto tokens = tensors.last_visible[query] + 1;
    if (fault == AttentionFault::sees_the_next_token) tokens = std::min(tokens + 1, tensors.k.shape.tokens);
    auto const logits_of = [&](KvView const& k) {
        std::vector<double> logits;
        for (std::uint64_t t = 0; t < tokens; ++t) {
            double sum = 0;
            for (std::uint64_t c = 0; c < k.shape.dim; ++c)
                sum += value_of(tensors.q, layer, head, query, c) * value_of(k, layer, kv_head, t, c);
            logits.push_back(fault == AttentionFault::no_scale ? sum : sum * tensors.scale);
        }
        return logits;
    };
    auto const stays = [&](std::uint64_t token) {
        return tensors.stays == nullptr ||
               tensors.stays[(layer * tensors.k.shape.heads + kv_head) * tensors.k.shape.tokens + token] != 0;
    };
    auto const l = logits_of(tensors.k);
    auto l_decoded = logits_of(tensors.k_decoded);
    for (std::uint64_t t = 0; t < tokens; ++t)
        if (!stays(t)) l_decoded[t] = -INFINITY;
    auto const p = softmax_reference(l, fault);
    auto const p_decoded = softmax_reference(l_decoded, fault);

    QueryComparison found;
    found.tokens = static_cast<double>(tokens);
    found.mass_kept = 0;
    double const mean = std::accumulate(l.begin(), l.end(), 0.0) / found.tokens;
    for (std::uint64_t t = 0; t < tokens; ++t) {
        found.logit_squares += (l[t] - mean) * (l[t] - mean);
        if (stays(t)) {
            found.logit_error_squares += (l_decoded[t] - l[t]) * (l_decoded[t] - l[t]);
            found.mass_kept += p[t];
        } else {
            found.tokens_dropped += 1;
        }
        auto const& from = fault == AttentionFault::swapped_kl ? p_decoded : p;
        auto const& to = fault == AttentionFault::swapped_kl ? p : p_decoded;
        if (from[t] > 0 && stays(t)) found.kl += from[t] * std::log(from[t] / to[t]);
    }
    if (found.tokens_dropped > 0) found.kl = INFINITY;
    auto const& v_decoded = fault == AttentionFault::original_values ? tensors.v : tensors.v_decoded;
    for (std::uint64_t c = 0; c < tensors.v.shape.dim; ++c) {
        double o = 0, o_decoded = 0;
        for (std::uint64_t t = 0; t < tokens; ++t) {
            o += p[t] * value_of(tensors.v, layer, kv_head, t, c);
            o_decoded += p_decoded[t] * value_of(v_decoded, layer, kv_head, t, c);
        }
        found.output_squares += o * o;
        found.output_error_squares += (o_decoded - o) * (o_decoded - o);
    }
    auto const top = top_reference(l);
    for (auto const token : top_reference(l_decoded))
        if (stays(token))
            found.top_shared += std::ranges::count(top, token) > 0 ? 1.0 / static_cast<double>(top.size()) : 0;
    return found;
}

inline std::vector<QueryComparison> attention_reference(AttentionTensors const& tensors,
                                                        AttentionFault fault = AttentionFault::none) {
    std::vector<QueryComparison> all;
    auto const& shape = tensors.q.shape;
    for (std::uint64_t layer = 0; layer < shape.layers; ++layer)
        for (std::uint64_t head = 0; head < shape.heads; ++head)
            for (std::uint64_t query = 0; query < shape.tokens; ++query)
                all.push_back(query_reference(tensors, layer, head, query, fault));
    return all;
}

/// The largest relative difference between two sets of results; infinite where one is not finite and the other differs.
inline double departure(std::vector<QueryComparison> const& found, std::vector<QueryComparison> const& expected) {
    double most = found.size() == expected.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i)
        for (auto const member :
             {&QueryComparison::tokens, &QueryComparison::logit_squares, &QueryComparison::logit_error_squares,
              &QueryComparison::kl, &QueryComparison::output_squares, &QueryComparison::output_error_squares,
              &QueryComparison::top_shared, &QueryComparison::tokens_dropped, &QueryComparison::mass_kept}) {
            double const x = found[i].*member, y = expected[i].*member;
            if (x == y) continue;
            if (!std::isfinite(x) || !std::isfinite(y)) return INFINITY;
            double const size = std::max(std::fabs(x), std::fabs(y));
            if (size > 0) most = std::max(most, std::fabs(x - y) / size);
        }
    return most;
}

}  // namespace kvstone
