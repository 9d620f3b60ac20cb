// The attention that queries to come are expected to pay to each token: q is taken to be normal, with the mean and covariance
// of the prompt's queries, at a position among the next ones. Then E exp(q.k / sqrt(d)) = exp(m.k / sqrt(d) + k'Ck / 2d).

#include <algorithm>
#include <cmath>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/rotation.hpp"
#include "backends/kernels/simd_target.hpp"
#include "backends/portable_math.hpp"
#include "codecs/kernels/rope_frequency.hpp"
#include "codecs/selection/policies.hpp"

namespace kvstone {
namespace {

/// The channels of RoPE's pair i, and its angle from one position to the next.
struct Pair {
    std::uint64_t first, second;
    double angle;
};

std::vector<Pair> pairs_of(Rope const& rope, std::uint64_t dim) {
    auto const dims = std::min(rope.dims, dim);
    std::vector<Pair> pairs;
    for (std::uint64_t i = 0; i < dims / 2; ++i) {
        pairs.push_back(
            {rope.interleaved ? 2 * i : i, rope.interleaved ? 2 * i + 1 : i + rope.dims / 2, rope_frequency(rope, i)});
    }
    return pairs;
}

/// Turns (x, y) of each pair of a vector by turns[i], forwards.
void turn(std::vector<Pair> const& pairs, std::vector<Rotation> const& turns, double* vector, std::uint64_t stride) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        auto& x = vector[pairs[i].first * stride];
        auto& y = vector[pairs[i].second * stride];
        double const before = x;
        x = before * turns[i].cosine - y * turns[i].sine;
        y = before * turns[i].sine + y * turns[i].cosine;
    }
}

/// The mean of the rotations at the `future` positions behind the prompt.
std::vector<Rotation> mean_turns(std::vector<Pair> const& pairs, std::uint64_t tokens, std::uint64_t future) {
    std::vector<Rotation> means;
    for (auto const& pair : pairs) {
        Rotation sum{0, 0};
        for (auto position = tokens; position < tokens + future; ++position) {
            auto const one = rotation_by(static_cast<double>(position) * pair.angle);
            sum.cosine += one.cosine;
            sum.sine += one.sine;
        }
        means.push_back({sum.cosine / static_cast<double>(future), sum.sine / static_cast<double>(future)});
    }
    return means;
}

/// Mean and covariance of queries to come, of one query head.
struct QueryStatistics {
    std::vector<double> mean;        ///< [dim]
    std::vector<double> covariance;  ///< [dim][dim]
};

class Expectation {
  public:
    Expectation(SelectionTensors const& tensors, Options const& options, std::uint64_t layer)
        : tensors_(tensors),
          layer_(layer),
          tokens_(tensors.k.shape.tokens),
          dim_(tensors.k.shape.dim),
          sink_(static_cast<std::uint64_t>(options.integer("sink"))),
          with_covariance_(options.choice("covariance") == "on"),
          pairs_(pairs_of(*tensors.rope, dim_)),
          turns_(mean_turns(pairs_, tokens_, static_cast<std::uint64_t>(options.integer("future")))) {}

    /// Statistics of the queries behind the sinks as they were before RoPE, turned to the positions to come.
    QueryStatistics statistics(std::uint64_t query_head) const {
        auto const count = tokens_ - sink_;
        auto queries = queries_before_rope(query_head);
        QueryStatistics of{std::vector<double>(dim_), {}};
        for (std::uint64_t t = 0; t < count; ++t)
            for (std::uint64_t c = 0; c < dim_; ++c) of.mean[c] += queries[t * dim_ + c];
        for (auto& value : of.mean) value /= static_cast<double>(count);
        if (with_covariance_) {
            for (std::uint64_t t = 0; t < count; ++t)
                for (std::uint64_t c = 0; c < dim_; ++c) queries[t * dim_ + c] -= of.mean[c];
            of.covariance = covariance(queries, count);
            for (std::uint64_t c = 0; c < dim_; ++c) turn(pairs_, turns_, of.covariance.data() + c * dim_, 1);
            for (std::uint64_t c = 0; c < dim_; ++c) turn(pairs_, turns_, of.covariance.data() + c, dim_);
        }
        turn(pairs_, turns_, of.mean.data(), 1);
        return of;
    }

    /// Attention to the tokens behind the sinks; it sums to 1.
    std::vector<double> weights(QueryStatistics const& of, std::vector<double> const& keys) const {
        double const root = std::sqrt(static_cast<double>(tensors_.query_dim != 0 ? tensors_.query_dim : dim_));
        std::vector<double> logits(tokens_ - sink_);
        at_simd_level([&] {
            std::vector<double> product(dim_);
            for (std::size_t t = 0; t < logits.size(); ++t) {
                auto const* const key = keys.data() + (sink_ + t) * dim_;
                double along = 0, square = 0;
                for (std::uint64_t c = 0; c < dim_; ++c) along += of.mean[c] * key[c];
                logits[t] = along / root;
                if (!with_covariance_) continue;
                std::ranges::fill(product, 0.0);
                for (std::uint64_t i = 0; i < dim_; ++i)
                    for (std::uint64_t j = 0; j < dim_; ++j) product[j] += key[i] * of.covariance[i * dim_ + j];
                for (std::uint64_t j = 0; j < dim_; ++j) square += product[j] * key[j];
                logits[t] += square / (2 * root * root);
            }
        });
        double const most = *std::ranges::max_element(logits);
        double sum = 0;
        for (auto& logit : logits) sum += logit = portable::exp(logit - most);
        for (auto& logit : logits) logit /= sum;
        return logits;
    }

  private:
    std::vector<double> queries_before_rope(std::uint64_t query_head) const {
        std::vector<double> queries((tokens_ - sink_) * dim_);
        std::vector<Rotation> back(pairs_.size());
        with_elements(*tensors_.q, [&](auto const q) {
            for (auto t = sink_; t < tokens_; ++t) {
                auto* const query = queries.data() + (t - sink_) * dim_;
                for (std::uint64_t c = 0; c < dim_; ++c) query[c] = to_float(q(layer_, query_head, t, c));
                for (std::size_t i = 0; i < pairs_.size(); ++i)
                    back[i] = rotation_by(-static_cast<double>(t) * pairs_[i].angle);
                turn(pairs_, back, query, 1);
            }
        });
        return queries;
    }
    std::vector<double> covariance(std::vector<double> const& centred, std::uint64_t count) const {
        std::vector<double> sums(dim_ * dim_);
        at_simd_level([&] {
            for (std::uint64_t t = 0; t < count; ++t) {
                auto const* const query = centred.data() + t * dim_;
                for (std::uint64_t i = 0; i < dim_; ++i)
                    for (std::uint64_t j = 0; j < dim_; ++j) sums[i * dim_ + j] += query[i] * query[j];
            }
        });
        for (auto& sum : sums) sum /= static_cast<double>(count);
        return sums;
    }

    SelectionTensors const& tensors_;
    std::uint64_t layer_, tokens_, dim_, sink_;
    bool with_covariance_;
    std::vector<Pair> pairs_;
    std::vector<Rotation> turns_;
};

}  // namespace

TokenScores score_expected_attention(SelectionTensors const& tensors, Options const& options, std::uint64_t layer,
                                     std::uint64_t head) {
    auto const [layers, heads, tokens, dim] = tensors.k.shape;
    auto const sink = static_cast<std::uint64_t>(options.integer("sink"));
    Expectation const expectation(tensors, options, layer);
    std::vector<double> keys(tokens * dim);
    std::vector<double> norms(tokens);
    with_elements(tensors.k, [&, columns = dim](auto const k) {
        for (std::uint64_t t = 0; t < k.shape.tokens; ++t)
            for (std::uint64_t c = 0; c < columns; ++c) keys[t * columns + c] = to_float(k(layer, head, t, c));
    });
    with_elements(tensors.v, [&](auto const v) {
        for (std::uint64_t t = 0; t < v.shape.tokens; ++t) {
            double squares = 0;
            for (std::uint64_t c = 0; c < v.shape.dim; ++c) {
                double const value = to_float(v(layer, head, t, c));
                squares += value * value;
            }
            norms[t] = std::sqrt(squares);
        }
    });
    auto const group = tensors.q->shape.heads / heads;
    TokenScores scores(tokens);
    for (std::uint64_t which = 0; which < group; ++which) {
        auto const weights = expectation.weights(expectation.statistics(head * group + which), keys);
        for (std::size_t t = 0; t < weights.size(); ++t) scores[sink + t] += weights[t];
    }
    bool const times_norm = options.choice("value_norm") == "on";
    double const epsilon = options.number("epsilon");
    for (auto t = sink; t < tokens; ++t) {
        scores[t] /= static_cast<double>(group);
        if (times_norm) scores[t] = (scores[t] + epsilon) * norms[t];
    }
    return scores;
}

}  // namespace kvstone
