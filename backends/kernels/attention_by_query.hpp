#pragma once
// Attention where threads are many: each takes one query from its first token to its last.

#include <Kokkos_Core.hpp>

#include "backends/kernels/attention.hpp"
#include "backends/kernels/exponential.hpp"
#include "backends/kernels/floats.hpp"

namespace kvstone {

/// A value of a view whose element type is known at run time only.
KOKKOS_INLINE_FUNCTION double value_at(void const* data, ElementType type, std::uint64_t index) {
    switch (type) {
        case ElementType::f16:
            return static_cast<double>(to_float(static_cast<Float16 const*>(data)[index]));
        case ElementType::bf16:
            return static_cast<double>(to_float(static_cast<BFloat16 const*>(data)[index]));
        case ElementType::f32:
            break;
    }
    return static_cast<double>(static_cast<float const*>(data)[index]);
}

/// Stands for the logit of a dropped token: below any other.
inline constexpr double dropped_logit = -1e300;

/// One of a query's two softmaxes.
struct QuerySoftmax {
    double most = dropped_logit;
    double sum = 0;
    double scale = 0;  ///< what earlier weights are multiplied by
    TopTokens top;

    KOKKOS_INLINE_FUNCTION void take(double const* logits, std::uint64_t first, std::uint64_t tokens) {
        double higher = most;
        for (std::uint64_t t = 0; t < tokens; ++t) {
            if (logits[t] != dropped_logit && top.takes(logits[t])) top.insert(logits[t], first + t);
            higher = logits[t] > higher ? logits[t] : higher;
        }
        scale = exponential_of_nonpositive(most - higher);
        most = higher;
        sum *= scale;
    }
    KOKKOS_INLINE_FUNCTION double weight(double logit) {
        double const own = exponential_of_nonpositive(logit - most);
        sum += own;
        return own;
    }
};

/// Compares attention for query `index` of [layer][query head][query]. `output` has room for 2 x dim of V sums at
/// distance `stride`.
KOKKOS_INLINE_FUNCTION QueryComparison compare_query(AttentionTensors const& tensors, std::uint64_t index,
                                                     double* output, std::uint64_t stride) {
    constexpr std::uint64_t block = 8;
    auto const& q = tensors.q;
    auto const query = index % q.shape.tokens;
    auto const head = index / q.shape.tokens % q.shape.heads;
    auto const layer = index / q.shape.tokens / q.shape.heads;
    auto const kv_head = head / (q.shape.heads / tensors.k.shape.heads);
    auto const first_of = [&](KvView const& view, std::uint64_t token) -> std::uint64_t {
        return layer * view.strides.layer + kv_head * view.strides.head + token * view.strides.token;
    };
    auto const q_first = layer * q.strides.layer + head * q.strides.head + query * q.strides.token;
    auto const channels = tensors.v.shape.dim;
    auto const tokens = tensors.last_visible[query] + 1;
    auto const* const stays = tensors.stays_of(layer, kv_head);
    auto const is_kept = [stays](std::uint64_t token) -> bool { return stays == nullptr || stays[token] != 0; };
    for (std::uint64_t c = 0; c < 2 * channels; ++c) output[c * stride] = 0;

    QueryComparison found;
    QuerySoftmax original, decoded;
    double mean = 0, weighted_difference = 0, kept_weights = 0;
    for (std::uint64_t first = 0; first < tokens; first += block) {
        auto const count = tokens - first < block ? tokens - first : block;
        double logits[block] = {}, logits_decoded[block] = {};
        for (std::uint64_t c = 0; c < q.shape.dim; ++c) {
            double const factor = value_at(q.data, q.type, q_first + c) * tensors.scale;
            for (std::uint64_t t = 0; t < count; ++t) {
                logits[t] += factor * value_at(tensors.k.data, tensors.k.type, first_of(tensors.k, first + t) + c);
                logits_decoded[t] += factor * value_at(tensors.k_decoded.data, tensors.k_decoded.type,
                                                       first_of(tensors.k_decoded, first + t) + c);
            }
        }
        for (std::uint64_t t = 0; t < count; ++t) {
            if (!is_kept(first + t)) logits_decoded[t] = dropped_logit;
            double const error = is_kept(first + t) ? logits_decoded[t] - logits[t] : 0;
            double const away = logits[t] - mean;
            found.logit_error_squares += error * error;
            found.tokens += 1;
            mean += away / found.tokens;
            found.logit_squares += away * (logits[t] - mean);
        }
        original.take(logits, first, count);
        decoded.take(logits_decoded, first, count);
        weighted_difference *= original.scale;
        kept_weights *= original.scale;
        for (std::uint64_t t = 0; t < count; ++t) {
            double const difference = logits[t] - logits_decoded[t];
            logits[t] = original.weight(logits[t]);
            logits_decoded[t] = decoded.weight(logits_decoded[t]);
            weighted_difference += logits[t] * difference;
            if (is_kept(first + t)) kept_weights += logits[t];
        }
        for (std::uint64_t c = 0; c < channels; ++c) {
            double sum = output[c * stride] * original.scale;
            double sum_decoded = output[(channels + c) * stride] * decoded.scale;
            for (std::uint64_t t = 0; t < count; ++t) {
                sum += logits[t] * value_at(tensors.v.data, tensors.v.type, first_of(tensors.v, first + t) + c);
                sum_decoded += logits_decoded[t] * value_at(tensors.v_decoded.data, tensors.v_decoded.type,
                                                            first_of(tensors.v_decoded, first + t) + c);
            }
            output[c * stride] = sum;
            output[(channels + c) * stride] = sum_decoded;
        }
    }
    double const divergence =
        weighted_difference / original.sum + (decoded.most - original.most) + Kokkos::log(decoded.sum / original.sum);
    found.kl = divergence < 0 ? 0 : divergence;
    found.tokens_dropped = count_dropped(stays, tokens);
    found.mass_kept = kept_weights / original.sum;
    if (found.tokens_dropped > 0) found.kl = Kokkos::Experimental::infinity_v<double>;
    found.top_shared = original.top.shared_with(decoded.top);
    for (std::uint64_t c = 0; c < channels; ++c) {
        double const o = output[c * stride] / original.sum;
        double const away = output[(channels + c) * stride] / decoded.sum - o;
        found.output_squares += o * o;
        found.output_error_squares += away * away;
    }
    return found;
}

}  // namespace kvstone
