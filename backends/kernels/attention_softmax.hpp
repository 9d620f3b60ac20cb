// Two softmaxes of a panel of queries, block by block of tokens: over the keys, and over the decoded ones. Highway's
// foreach_target.h includes it once for each target.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <hwy/highway.h>

#include "backends/kernels/attention_products.hpp"
#include "backends/portable_math.hpp"

#if defined(KVSTONE_ATTENTION_SOFTMAX) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_ATTENTION_SOFTMAX
#undef KVSTONE_ATTENTION_SOFTMAX
#else
#define KVSTONE_ATTENTION_SOFTMAX
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Stands for the logit of a token that a query does not see: finite, so that differences are no NaN, and below any
/// product of floats.
inline constexpr double hidden_logit = -1e300;

/// What lies below weighs nothing: products of smaller weights and floats might be denormal, and no longer exact.
inline constexpr double least_exponent = -600;

/// exponential_of_nonpositive() (exponential.hpp) of `count` vectors, to the last bit, but 0 below least_exponent. Steps of
/// all stand side by side, because each waits for the one before.
template <int count, class D>
HWY_INLINE void exponentials_of_nonpositive(D d, hn::Vec<D>* x) {
    static constexpr double terms[] = {
        1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
        1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1,           1};
    auto const shift = hn::Set(d, 0x1.8p52);
    hn::Vec<D> shifted[count], r[count], sum[count];
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) {
        shifted[i] = hn::Add(hn::Mul(x[i], hn::Set(d, 0x1.71547652b82fep0)), shift);
        auto const whole = hn::Sub(shifted[i], shift);
        r[i] = hn::Sub(hn::Sub(x[i], hn::Mul(whole, hn::Set(d, 0x1.62e42fee00000p-1))),
                       hn::Mul(whole, hn::Set(d, 0x1.a39ef35793c76p-33)));
        sum[i] = hn::Set(d, 1.0 / 6227020800);
    }
#pragma GCC unroll 13
    for (auto const term : terms) {
#pragma GCC unroll 4
        for (int i = 0; i < count; ++i) sum[i] = hn::Add(hn::Mul(sum[i], r[i]), hn::Set(d, term));
    }
    hn::RebindToUnsigned<D> const bits;
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) {
        auto const power =
            hn::BitCast(d, hn::Add(hn::BitCast(bits, sum[i]), hn::ShiftLeft<52>(hn::BitCast(bits, shifted[i]))));
        x[i] = hn::IfThenZeroElse(hn::Lt(x[i], hn::Set(d, least_exponent)), power);
    }
}

/// To 29 bits, so that a product with a float, which has 24, is exact. An output is off by 2^-29 of itself at the most.
template <class D>
HWY_INLINE hn::Vec<D> shortened(D d, hn::Vec<D> weights) {
    hn::RebindToUnsigned<D> const bits;
    auto const half = hn::Add(hn::BitCast(bits, weights), hn::Set(bits, std::uint64_t{1} << 23));
    return hn::BitCast(d, hn::And(half, hn::Set(bits, ~std::uint64_t{0} << 24)));
}

/// Sums of `rows` queries side by side in `lanes`. Where lanes are more than queries, neighbouring tokens share them: lane
/// [token % together][query]. Requires a token 0 that all queries see.
template <std::size_t lanes, std::size_t rows = lanes>
class SoftmaxPanel {
  public:
    static constexpr std::size_t together = lanes / rows;

    struct alignas(64) Lane {
        double at[lanes] = {};
    };

    SoftmaxPanel(std::uint64_t const* last_visible, double scale) : scale_(scale) {
        std::copy_n(last_visible, rows, last_visible_);
        for (auto* const side : {&original_, &decoded_}) {
            std::fill_n(side->most.at, lanes, hidden_logit);
            std::fill_n(side->least_listed.at, lanes, hidden_logit);
        }
    }

    /// Tokens up to the last that any of the queries sees.
    std::uint64_t tokens() const { return *std::max_element(last_visible_, last_visible_ + rows) + 1; }

    /// Takes products of queries and keys [token - first][query] of a block and leaves weights in their place, relative to
    /// the largest logit so far. What was summed with earlier weights is to be multiplied by kept_original() and
    /// kept_decoded(). Memory behind the block's last token, up to a whole register, holds finite numbers and is written.
    /// `some_dropped`: decoded products of dropped tokens are -infinity; they weigh nothing.
    void take(double* original, double* decoded, std::uint64_t first, std::uint64_t tokens, bool some_dropped) {
        auto const steps = (tokens + together - 1) / together;
        bool all_visible = true;
        for (std::size_t lane = 0; lane < lanes; ++lane) {
            auto const last = last_visible_[lane % rows];
            auto const seen = last < first ? 0 : std::min(tokens, last - first + 1);
            auto const of_lane = (seen + together - 1 - lane / rows) / together;
            visible_.at[lane] = static_cast<double>(of_lane);
            all_visible = all_visible && of_lane == steps;
        }
        for (std::size_t lane = 0; lane < lanes; lane += hn::MaxLanes(d)) {
            if (some_dropped) {
                look_at_logits<Sight::some_kept>(original, decoded, first, steps, lane);
            } else if (all_visible) {
                look_at_logits<Sight::all>(original, decoded, first, steps, lane);
            } else {
                look_at_logits<Sight::some>(original, decoded, first, steps, lane);
            }
        }
        original_.rise();
        decoded_.rise();
        for (std::size_t lane = 0; lane < lanes; lane += hn::MaxLanes(d)) {
            if (some_dropped) {
                weigh<Sight::some_kept>(original, decoded, steps, lane);
            } else if (all_visible) {
                weigh<Sight::all>(original, decoded, steps, lane);
            } else {
                weigh<Sight::some>(original, decoded, steps, lane);
            }
        }
    }

    double const* kept_original() const { return original_.kept.at; }
    double const* kept_decoded() const { return decoded_.kept.at; }

    /// What query `row` found, less the output.
    QueryComparison result(std::size_t row) const {
        QueryComparison found;
        double mean = 0, weighted_difference = 0;
        for (auto lane = row; lane < lanes; lane += rows) {
            double const own = count_.at[lane], both = found.tokens + own, apart = mean_.at[lane] - mean;
            if (own == 0) continue;
            found.logit_squares += squares_.at[lane] + apart * apart * found.tokens * own / both;
            found.logit_error_squares += error_squares_.at[lane];
            mean += apart * own / both;
            found.tokens = both;
            weighted_difference += weighted_difference_.at[lane];
        }
        double const divergence = weighted_difference / sum_original(row) +
                                  (decoded_.most.at[row] - original_.most.at[row]) +
                                  portable::log(sum_decoded(row) / sum_original(row));
        found.kl = divergence < 0 ? 0 : divergence;  // a rounding below zero; NaN stays
        found.top_shared = original_.top_of(row).shared_with(decoded_.top_of(row));
        return found;
    }
    double sum_original(std::size_t row) const { return original_.sum_of(row); }
    double sum_decoded(std::size_t row) const { return decoded_.sum_of(row); }

    /// The sum of a query's weights of tokens that stay, where some were dropped.
    double sum_kept(std::size_t row) const {
        double all = kept_weights_.at[row];
        for (auto lane = row + rows; lane < lanes; lane += rows) all += kept_weights_.at[lane];
        return all;
    }

  private:
    static constexpr Doubles<lanes> d{};
    using Vector = hn::Vec<Doubles<lanes>>;

    /// The tokens of a block that queries see: all of them, some, or some of which some were dropped.
    enum class Sight { all, some, some_kept };

    /// One of the two softmaxes.
    struct Side {
        Lane most;
        Lane sum;
        Lane kept;
        Lane largest;       ///< of the block
        Lane least_listed;  ///< a logit that is not above it has no place in `top`
        TopTokens top[lanes];

        double sum_of(std::size_t row) const {
            double all = sum.at[row];
            for (auto lane = row + rows; lane < lanes; lane += rows) all += sum.at[lane];
            return all;
        }
        TopTokens top_of(std::size_t row) const {
            if constexpr (together == 1) return top[row];
            TopTokens of_all;
            std::uint64_t taken[together] = {};
            while (of_all.count < top_tokens) {
                std::size_t best = together;
                for (std::size_t i = 0; i < together; ++i) {
                    if (taken[i] < top[i * rows + row].count && (best == together || comes_first(i, best, row, taken)))
                        best = i;
                }
                if (best == together) break;
                auto const& from = top[best * rows + row];
                of_all.logits[of_all.count] = from.logits[taken[best]];
                of_all.tokens[of_all.count++] = from.tokens[taken[best]++];
            }
            return of_all;
        }
        bool comes_first(std::size_t i, std::size_t than, std::size_t row, std::uint64_t const* taken) const {
            auto const& a = top[i * rows + row];
            auto const& b = top[than * rows + row];
            double const x = a.logits[taken[i]], y = b.logits[taken[than]];
            return x > y || (x == y && a.tokens[taken[i]] < b.tokens[taken[than]]);
        }

        void list(double const* logits, std::size_t lane, std::uint64_t first, std::uint64_t begin, std::uint64_t end) {
            double least = least_listed.at[lane];
            for (auto t = begin; t < end; ++t) {
                double const logit = logits[t * lanes + lane];
                if (!(logit > least)) continue;
                top[lane].insert(logit, first + t * together + lane / rows);
                if (top[lane].count == top_tokens) least = top[lane].logits[top_tokens - 1];
            }
            least_listed.at[lane] = least;
        }
        /// Looks through tokens [begin, end) where `most_of_them` has a place in a list.
        HWY_INLINE void list_lanes(Vector most_of_them, double const* logits, std::size_t lane, std::uint64_t first,
                                   std::uint64_t begin, std::uint64_t end) {
            if (hn::AllFalse(d, hn::Gt(most_of_them, hn::Load(d, least_listed.at + lane)))) return;
            for (std::size_t i = lane; i < lane + hn::MaxLanes(d); ++i) list(logits, i, first, begin, end);
        }
        /// `largest` of a block to the largest so far, the same for all lanes of a query.
        HWY_INLINE void rise() {
            for (std::size_t row = 0; row < rows; ++row) {
                for (auto lane = row + rows; lane < lanes; lane += rows) {
                    largest.at[row] = largest.at[lane] > largest.at[row] ? largest.at[lane] : largest.at[row];
                }
                for (auto lane = row + rows; lane < lanes; lane += rows) largest.at[lane] = largest.at[row];
            }
            for (std::size_t lane = 0; lane < lanes; lane += hn::MaxLanes(d)) {
                auto const before = hn::Load(d, most.at + lane);
                auto const higher = larger(hn::Load(d, largest.at + lane), before);
                Vector scale[1] = {hn::Sub(before, higher)};
                exponentials_of_nonpositive<1>(d, scale);
                hn::Store(higher, d, most.at + lane);
                hn::Store(scale[0], d, kept.at + lane);
            }
        }
        HWY_INLINE void add(Vector weights, std::size_t lane) {
            auto const before = hn::Mul(hn::Load(d, sum.at + lane), hn::Load(d, kept.at + lane));
            hn::Store(hn::Add(before, weights), d, sum.at + lane);
        }
    };

    /// `value` where it is above `than`; NaN is not.
    static HWY_INLINE Vector larger(Vector value, Vector than) {
        return hn::IfThenElse(hn::Gt(value, than), value, than);
    }

    HWY_INLINE auto seen(std::uint64_t t, std::size_t lane) const {
        return hn::Lt(hn::Set(d, static_cast<double>(t)), hn::Load(d, visible_.at + lane));
    }

    template <Sight sight>
    HWY_INLINE void look_at_logits(double* original, double* decoded, std::uint64_t first, std::uint64_t tokens,
                                   std::size_t lane) {
        constexpr std::uint64_t part = 8;  // so few that most parts have nothing for any list
        auto const hidden = hn::Set(d, hidden_logit);
        auto const scale = hn::Set(d, scale_);
        auto sum = hn::Zero(d);
        auto error_squares = hn::Load(d, error_squares_.at + lane);
        auto largest = hidden, largest_decoded = hidden;
        for (std::uint64_t begin = 0; begin < tokens; begin += part) {
            auto const end = std::min(begin + part, tokens);
            auto of_part = hidden, of_part_decoded = hidden;
            for (auto t = begin; t < end; ++t) {
                auto const place = t * lanes + lane;
                auto l = hn::Mul(hn::Load(d, original + place), scale);
                auto l_decoded = hn::Mul(hn::Load(d, decoded + place), scale);
                if constexpr (sight == Sight::all) {
                    sum = hn::Add(sum, l);
                } else {
                    sum = hn::Add(sum, hn::IfThenElseZero(seen(t, lane), l));
                    l = hn::IfThenElse(seen(t, lane), l, hidden);
                    l_decoded = hn::IfThenElse(seen(t, lane), l_decoded, hidden);
                }
                auto error = hn::Sub(l_decoded, l);  // zero of hidden tokens
                if constexpr (sight == Sight::some_kept) {
                    auto const dropped = hn::Eq(l_decoded, hn::Set(d, -std::numeric_limits<double>::infinity()));
                    l_decoded = hn::IfThenElse(dropped, hidden, l_decoded);
                    error = hn::IfThenZeroElse(dropped, error);
                }
                hn::Store(l, d, original + place);
                hn::Store(l_decoded, d, decoded + place);
                error_squares = hn::Add(error_squares, hn::Mul(error, error));
                of_part = larger(l, of_part);
                of_part_decoded = larger(l_decoded, of_part_decoded);
            }
            largest = larger(of_part, largest);
            largest_decoded = larger(of_part_decoded, largest_decoded);
            original_.list_lanes(of_part, original, lane, first, begin, end);
            decoded_.list_lanes(of_part_decoded, decoded, lane, first, begin, end);
        }
        hn::Store(error_squares, d, error_squares_.at + lane);
        hn::Store(largest, d, original_.largest.at + lane);
        hn::Store(largest_decoded, d, decoded_.largest.at + lane);
        auto const visible = hn::Load(d, visible_.at + lane);
        hn::Store(hn::IfThenElseZero(hn::Gt(visible, hn::Zero(d)), hn::Div(sum, visible)), d, block_mean_.at + lane);
    }

    template <Sight sight>
    HWY_INLINE void weigh(double* original, double* decoded, std::uint64_t tokens, std::size_t lane) {
        auto const mean = hn::Load(d, block_mean_.at + lane);
        auto const most = hn::Load(d, original_.most.at + lane);
        auto const most_decoded = hn::Load(d, decoded_.most.at + lane);
        auto squares = hn::Zero(d), weights = hn::Zero(d), weights_decoded = hn::Zero(d), difference = hn::Zero(d);
        auto weights_kept = hn::Zero(d);
        auto const some = [&]<int count>(std::uint64_t t) HWY_ATTR {
            Vector x[2 * count], apart[count];
#pragma GCC unroll 2
            for (int i = 0; i < count; ++i) {
                auto const place = (t + static_cast<std::uint64_t>(i)) * lanes + lane;
                auto const l = hn::Load(d, original + place);
                auto const l_decoded = hn::Load(d, decoded + place);
                auto away = hn::Sub(l, mean);
                if constexpr (sight != Sight::all)
                    away = hn::IfThenElseZero(seen(t + static_cast<std::uint64_t>(i), lane), away);
                squares = hn::Add(squares, hn::Mul(away, away));
                apart[i] = hn::Sub(l, l_decoded);
                x[2 * i] = hn::Sub(l, most);
                x[2 * i + 1] = hn::Sub(l_decoded, most_decoded);
            }
            exponentials_of_nonpositive<2 * count>(d, x);
#pragma GCC unroll 2
            for (int i = 0; i < count; ++i) {
                auto const place = (t + static_cast<std::uint64_t>(i)) * lanes + lane;
                weights = hn::Add(weights, x[2 * i]);
                weights_decoded = hn::Add(weights_decoded, x[2 * i + 1]);
                difference = hn::Add(difference, hn::Mul(x[2 * i], apart[i]));
                if constexpr (sight == Sight::some_kept) {
                    auto const dropped = hn::Eq(hn::Load(d, decoded + place), hn::Set(d, hidden_logit));
                    weights_kept = hn::Add(weights_kept, hn::IfThenZeroElse(dropped, x[2 * i]));
                }
                hn::Store(shortened(d, x[2 * i]), d, original + place);
                hn::Store(shortened(d, x[2 * i + 1]), d, decoded + place);
            }
        };
        std::uint64_t t = 0;
        for (; t + 2 <= tokens; t += 2) some.template operator()<2>(t);
        if (t < tokens) some.template operator()<1>(t);
        original_.add(weights, lane);
        decoded_.add(weights_decoded, lane);
        if constexpr (sight == Sight::some_kept) {
            auto const kept = hn::Mul(hn::Load(d, kept_weights_.at + lane), hn::Load(d, original_.kept.at + lane));
            hn::Store(hn::Add(kept, weights_kept), d, kept_weights_.at + lane);
        }
        auto const before = hn::Mul(hn::Load(d, weighted_difference_.at + lane), hn::Load(d, original_.kept.at + lane));
        hn::Store(hn::Add(before, difference), d, weighted_difference_.at + lane);
        join_squares(mean, squares, lane);
    }

    /// Squares around the mean, joined from block to block as Chan, Golub and LeVeque (1979) do; nothing cancels.
    HWY_INLINE void join_squares(Vector mean, Vector squares, std::size_t lane) {
        auto const own = hn::Load(d, visible_.at + lane);
        auto const before = hn::Load(d, count_.at + lane);
        auto const both = hn::Max(hn::Add(before, own), hn::Set(d, 1.0));  // 1: of lanes without a token yet
        auto const mean_before = hn::Load(d, mean_.at + lane);
        auto const apart = hn::Sub(mean, mean_before);
        auto const joint = hn::Div(hn::Mul(hn::Mul(hn::Mul(apart, apart), before), own), both);
        hn::Store(hn::Add(hn::Load(d, squares_.at + lane), hn::Add(squares, joint)), d, squares_.at + lane);
        hn::Store(hn::Add(mean_before, hn::Div(hn::Mul(apart, own), both)), d, mean_.at + lane);
        hn::Store(hn::Add(before, own), d, count_.at + lane);
    }

    double scale_;
    std::uint64_t last_visible_[rows];
    Lane visible_;  ///< tokens of the block
    Lane block_mean_;
    Side original_, decoded_;
    Lane weighted_difference_, kept_weights_, count_, mean_, squares_, error_squares_;
};

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
