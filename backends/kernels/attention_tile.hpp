#pragma once
// Up to 64 queries of one KV head on their way through the tokens, block by block. Host only.

#include <algorithm>
#include <array>
#include <cmath>

#include "backends/kernels/attention.hpp"
#include "backends/kernels/attention_panels.hpp"
#include "backends/kernels/exponential.hpp"

namespace kvstone {

inline constexpr std::uint64_t attention_block_tokens = 64;
/// The same where queries are so few that memory is waited for: the values read stay in the first-level cache.
inline constexpr std::uint64_t small_block_tokens = 16;

/// Stands for the logit of a token that a query does not see: finite, so that differences are no NaN, and below any
/// product of floats.
inline constexpr double hidden_logit = -1e300;

/// Sums of `lanes` queries side by side. Requires a token 0 that all of them see.
template <std::uint64_t lanes>
class SoftmaxPanel {
  public:
    using Lane = std::array<double, lanes>;

    explicit SoftmaxPanel(std::array<std::uint64_t, lanes> const& last_visible) : last_visible_(last_visible) {
        for (auto* const side : {&original_, &decoded_}) {
            side->most.fill(hidden_logit);
            side->least_listed.fill(hidden_logit);
        }
    }

    /// Takes the logits [token - first][lane] of a block and leaves weights in their place, relative to the largest
    /// logit so far. What was summed with earlier weights is to be multiplied by scale_original() and scale_decoded().
    void take(double* original, double* decoded, std::uint64_t first, std::uint64_t tokens) {
        std::array<std::uint64_t, lanes> visible;
        bool all_visible = true;
        for (std::uint64_t lane = 0; lane < lanes; ++lane) {
            visible[lane] = last_visible_[lane] < first ? 0 : std::min(tokens, last_visible_[lane] - first + 1);
            all_visible = all_visible && visible[lane] == tokens;
        }
        if (!all_visible) hide(original, decoded, visible, tokens);
        count_logits(original, decoded, visible, tokens);
        original_.take_largest(original, first, tokens);
        decoded_.take_largest(decoded, first, tokens);
        weigh(original, decoded, tokens);
    }

    Lane const& scale_original() const { return original_.scale; }
    Lane const& scale_decoded() const { return decoded_.scale; }

    /// What `lane` found, less the output.
    QueryComparison result(std::uint64_t lane) const {
        QueryComparison found;
        found.tokens = count_[lane];
        found.logit_squares = squares_[lane];
        found.logit_error_squares = error_squares_[lane];
        double const divergence = weighted_difference_[lane] / original_.sum[lane] +
                                  (decoded_.most[lane] - original_.most[lane]) +
                                  std::log(decoded_.sum[lane] / original_.sum[lane]);
        found.kl = divergence < 0 ? 0 : divergence;  // a rounding below zero; NaN stays
        found.top_shared = original_.top[lane].shared_with(decoded_.top[lane]);
        return found;
    }
    double sum_original(std::uint64_t lane) const { return original_.sum[lane]; }
    double sum_decoded(std::uint64_t lane) const { return decoded_.sum[lane]; }

  private:
    /// One of the two softmaxes.
    struct Side {
        Lane most{};
        Lane sum{};
        Lane scale{};
        Lane least_listed{};  ///< a score that is not above it has no place in `top`
        std::array<TopTokens, lanes> top{};

        /// The largest logits of a block: into `most`, and into the lists of those that have larger ones.
        void take_largest(double const* logits, std::uint64_t first, std::uint64_t tokens) {
            constexpr std::uint64_t part = 8;  // so few that most parts have nothing for any list
            Lane largest;
            largest.fill(hidden_logit);
            for (std::uint64_t begin = 0; begin < tokens; begin += part) {
                auto const end = std::min(begin + part, tokens);
                Lane of_part;
                of_part.fill(hidden_logit);
                for (auto t = begin; t < end; ++t) {
#pragma omp simd
                    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                        double const logit = logits[t * lanes + lane];
                        of_part[lane] = logit > of_part[lane] ? logit : of_part[lane];
                    }
                }
                for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                    largest[lane] = of_part[lane] > largest[lane] ? of_part[lane] : largest[lane];
                    if (of_part[lane] > least_listed[lane]) list(logits, lane, first, begin, end);
                }
            }
            for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                double const higher = largest[lane] > most[lane] ? largest[lane] : most[lane];
                scale[lane] = exponential_of_nonpositive(most[lane] - higher);
                most[lane] = higher;
                sum[lane] *= scale[lane];
            }
        }

        void list(double const* logits, std::uint64_t lane, std::uint64_t first, std::uint64_t begin,
                  std::uint64_t end) {
            double least = least_listed[lane];
            for (auto t = begin; t < end; ++t) {
                double const logit = logits[t * lanes + lane];
                if (!(logit > least)) continue;
                top[lane].insert(logit, first + t);
                if (top[lane].count == top_tokens) least = top[lane].logits[top_tokens - 1];
            }
            least_listed[lane] = least;
        }
    };

    static void hide(double* original, double* decoded, std::array<std::uint64_t, lanes> const& visible,
                     std::uint64_t tokens) {
        for (std::uint64_t t = 0; t < tokens; ++t) {
#pragma omp simd
            for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                bool const seen = t < visible[lane];
                original[t * lanes + lane] = seen ? original[t * lanes + lane] : hidden_logit;
                decoded[t * lanes + lane] = seen ? decoded[t * lanes + lane] : hidden_logit;
            }
        }
    }

    /// Squares around the mean, joined from block to block as Chan, Golub and LeVeque (1979) do; nothing cancels.
    void count_logits(double const* original, double const* decoded, std::array<std::uint64_t, lanes> const& visible,
                      std::uint64_t tokens) {
        Lane sum{}, squares{};
        for (std::uint64_t t = 0; t < tokens; ++t) {
#pragma omp simd
            for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                double const error = decoded[t * lanes + lane] - original[t * lanes + lane];
                sum[lane] += t < visible[lane] ? original[t * lanes + lane] : 0;
                error_squares_[lane] += error * error;  // zero for hidden tokens
            }
        }
        Lane mean;
        for (std::uint64_t lane = 0; lane < lanes; ++lane)
            mean[lane] = visible[lane] == 0 ? 0 : sum[lane] / static_cast<double>(visible[lane]);
        for (std::uint64_t t = 0; t < tokens; ++t) {
#pragma omp simd
            for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                double const away = t < visible[lane] ? original[t * lanes + lane] - mean[lane] : 0;
                squares[lane] += away * away;
            }
        }
        for (std::uint64_t lane = 0; lane < lanes; ++lane) {
            auto const own = static_cast<double>(visible[lane]);
            double const both = count_[lane] + own;
            double const apart = mean[lane] - mean_[lane];
            squares_[lane] += squares[lane] + (both > 0 ? apart * apart * count_[lane] * own / both : 0);
            mean_[lane] += both > 0 ? apart * own / both : 0;
            count_[lane] = both;
        }
    }

    void weigh(double* original, double* decoded, std::uint64_t tokens) {
        Lane sum{}, decoded_sum{}, difference{};
        for (std::uint64_t t = 0; t < tokens; ++t) {
#pragma omp simd
            for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                double const l = original[t * lanes + lane];
                double const l_decoded = decoded[t * lanes + lane];
                double const p = exponential_of_nonpositive(l - original_.most[lane]);
                double const p_decoded = exponential_of_nonpositive(l_decoded - decoded_.most[lane]);
                sum[lane] += p;
                decoded_sum[lane] += p_decoded;
                difference[lane] += p * (l - l_decoded);
                original[t * lanes + lane] = p;
                decoded[t * lanes + lane] = p_decoded;
            }
        }
        for (std::uint64_t lane = 0; lane < lanes; ++lane) {
            original_.sum[lane] += sum[lane];
            decoded_.sum[lane] += decoded_sum[lane];
            weighted_difference_[lane] = weighted_difference_[lane] * original_.scale[lane] + difference[lane];
        }
    }

    std::array<std::uint64_t, lanes> last_visible_;
    Side original_, decoded_;
    Lane weighted_difference_{};
    Lane count_{}, mean_{}, squares_{}, error_squares_{};
};

}  // namespace kvstone
