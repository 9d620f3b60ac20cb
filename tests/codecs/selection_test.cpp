// Which tokens policies keep, against their definitions: written out with whole matrices in double precision.

#include "codecs/selection/selection.hpp"

#include <cmath>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/not_applicable.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

using Matrix = std::vector<std::vector<double>>;
using Tokens = std::vector<std::uint32_t>;

constexpr std::uint64_t layers = 2, kv_heads = 2, group = 3, tokens = 45, dim = 12;
constexpr KvShape k_shape{layers, kv_heads, tokens, dim};
constexpr KvShape q_shape{layers, kv_heads* group, tokens, dim};

StageText keep(std::string const& options) { return *Codec::parse("keep:" + options + " | raw").selection(); }

/// Small enough for exponentials without a maximum taken away.
std::vector<float> small_values(KvShape const& shape, unsigned seed) {
    auto values = test_values(shape, seed);
    for (auto& value : values) value *= 0.25F;
    return values;
}

/// A prompt with three query heads a KV head. RoPE turns 8 of 12 channels, in pairs of halves.
class Prompt {
  public:
    explicit Prompt(ElementType type = ElementType::f32)
        : k_(k_shape, type, small_values(k_shape, 1), true),
          v_(k_shape, type, small_values(k_shape, 2)),
          q_(q_shape, type, small_values(q_shape, 3), true) {
        rope_.base = 100;
        rope_.dims = 8;
        rope_.interleaved = false;
        rope_.scale = 0.5;
        rope_.frequency_factors = {1, 2, 1, 4};
    }
    SelectionTensors tensors() const { return {.k = k_.view(), .v = v_.view(), .q = q_.view(), .rope = &rope_}; }
    Rope const& rope() const { return rope_; }
    void set_rope(Rope const& rope) { rope_ = rope; }

    double k(std::uint64_t l, std::uint64_t h, std::uint64_t t, std::uint64_t c) const { return at(k_, l, h, t, c); }
    double v(std::uint64_t l, std::uint64_t h, std::uint64_t t, std::uint64_t c) const { return at(v_, l, h, t, c); }
    double q(std::uint64_t l, std::uint64_t h, std::uint64_t t, std::uint64_t c) const { return at(q_, l, h, t, c); }

    /// p[query][token] of a query head, zero where the query does not see the token.
    Matrix attention(std::uint64_t layer, std::uint64_t query_head) const {
        Matrix p(tokens, std::vector<double>(tokens));
        for (std::uint64_t i = 0; i < tokens; ++i) {
            double sum = 0;
            for (std::uint64_t t = 0; t <= i; ++t) {
                double product = 0;
                for (std::uint64_t c = 0; c < dim; ++c)
                    product += q(layer, query_head, i, c) * k(layer, query_head / group, t, c);
                sum += p[i][t] = std::exp(product / std::sqrt(double{dim}));
            }
            for (auto& weight : p[i]) weight /= sum;
        }
        return p;
    }

  private:
    static double at(TestTensor const& tensor, std::uint64_t l, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
        double value = 0;
        with_elements(tensor.view(), [&](auto span) { value = to_float(span(l, h, t, c)); });
        return value;
    }

    TestTensor k_, v_, q_;
    Rope rope_;
};

/// The `count` best, where `first` and `last` tokens are best of all: by repeated search, not by sorting.
Tokens best(std::vector<double> scores, std::uint64_t count, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t t = 0; t < scores.size(); ++t)
        if (t < first || t + last >= scores.size()) scores[t] = 1e300;
    std::set<std::uint32_t> kept;
    while (kept.size() < count) {
        std::uint32_t top = 0;
        bool found = false;
        for (std::uint32_t t = 0; t < scores.size(); ++t) {
            if (kept.contains(t) || (found && scores[t] <= scores[top])) continue;
            top = t;
            found = true;
        }
        kept.insert(top);
    }
    return {kept.begin(), kept.end()};
}

Tokens kept(Selection const& selection, std::uint64_t layer, std::uint64_t head) {
    auto const span = selection.kept(layer, head);
    return {span.begin(), span.end()};
}

/// `score(layer, KV head)` gives the scores of all tokens.
template <class Score>
void expect_kept(std::string const& options, SelectionTensors const& tensors, std::uint64_t count, std::uint64_t sink,
                 std::uint64_t window, Score const& score) {
    auto const selection = select_tokens(keep(options), tensors);
    for (std::uint64_t layer = 0; layer < layers; ++layer)
        for (std::uint64_t head = 0; head < kv_heads; ++head)
            EXPECT_EQ(kept(selection, layer, head), best(score(layer, head), count, sink, window))
                << options << ", layer " << layer << ", head " << head;
}

TEST(Selection, CountsTokensAsKvpressDoes) {
    EXPECT_EQ(kept_count(0.5, 10), 5U);
    EXPECT_EQ(kept_count(0.29, 100), 29U);  // 100 x .29 is 28.999999999999996
    EXPECT_EQ(kept_count(0.1, 100), 9U);    // 100 x (1 - .9) is 9.999999999999998
    EXPECT_EQ(kept_count(0.001, 100), 1U);
    EXPECT_EQ(kept_count(1, 4097), 4097U);
}

TEST(Selection, StreamingKeepsTheEnds) {
    Prompt const prompt;
    auto const selection = select_tokens(keep("policy=streaming,share=.3,sink=2"), prompt.tensors());
    // 45 x .3 is 13.5: 13 tokens, of which 11 are the last.
    Tokens expected{0, 1};
    for (std::uint32_t t = 34; t < 45; ++t) expected.push_back(t);
    EXPECT_EQ(selection.same(), SameTokens::all);
    EXPECT_EQ(selection.lists(), (std::vector<Tokens>{expected}));
    EXPECT_THROW(select_tokens(keep("policy=streaming,share=.1,sink=5"), prompt.tensors()), NotApplicable);
}

TEST(Selection, KnormKeepsTheSmallestKeys) {
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        Prompt const prompt(type);
        expect_kept("policy=knorm,share=.4,sink=0,window=0", prompt.tensors(), 18, 0, 0,
                    [&](std::uint64_t layer, std::uint64_t head) {
                        std::vector<double> scores(tokens);
                        for (std::uint64_t t = 0; t < tokens; ++t) {
                            for (std::uint64_t c = 0; c < dim; ++c)
                                scores[t] -= prompt.k(layer, head, t, c) * prompt.k(layer, head, t, c);
                        }
                        return scores;
                    });
    }
}

/// Of norms 3, 2, 2, 1, 2 the three smallest: the earlier of equal ones.
TEST(Selection, OfEqualScoresTheEarlierTokenStays) {
    std::vector<float> const norms{3, 2, 2, 1, 2};
    TestTensor const k({1, 1, 5, 1}, ElementType::f32, norms);
    auto const selection = select_tokens(keep("policy=knorm,share=.6,sink=0,window=0"), {.k = k.view(), .v = k.view()});
    EXPECT_EQ(selection.lists(), (std::vector<Tokens>{{1, 2, 3}}));
    auto const with_nan = std::vector<float>{3, NAN, 2, NAN, 2};
    TestTensor const unclear({1, 1, 5, 1}, ElementType::f32, with_nan);
    EXPECT_EQ(
        select_tokens(keep("policy=knorm,share=.8,sink=0,window=0"), {.k = unclear.view(), .v = k.view()}).lists(),
        (std::vector<Tokens>{{0, 1, 2, 4}}));
}

TEST(Selection, RandomKeepsAsManyAndSeedsDiffer) {
    Prompt const prompt;
    auto const with_seed = [&](char const* seed) {
        return select_tokens(keep(std::string("policy=random,share=.5,sink=3,window=5,seed=") + seed),
                             prompt.tensors());
    };
    auto const first = with_seed("1");
    EXPECT_EQ(first, with_seed("1"));
    EXPECT_NE(first, with_seed("2"));
    EXPECT_NE(kept(first, 0, 0), kept(first, 0, 1));
    EXPECT_NE(kept(first, 0, 0), kept(first, 1, 0));
    for (auto const& list : first.lists()) {
        EXPECT_EQ(list.size(), 22U);
        EXPECT_TRUE(std::ranges::includes(list, Tokens{0, 1, 2, 40, 41, 42, 43, 44}));
    }
}

std::vector<double> h2o_scores(Prompt const& prompt, std::uint64_t layer, std::uint64_t head) {
    std::vector<double> scores(tokens);
    for (std::uint64_t which = 0; which < group; ++which) {
        auto const p = prompt.attention(layer, head * group + which);
        for (std::uint64_t t = 0; t < tokens; ++t) {
            double sum = 0;
            for (std::uint64_t i = 0; i < tokens; ++i) sum += p[i][t];
            scores[t] += sum / static_cast<double>(tokens - t) / group;
        }
    }
    return scores;
}

TEST(Selection, H2oKeepsTheMostAttended) {
    Prompt const prompt;
    auto const score = [&](std::uint64_t layer, std::uint64_t head) { return h2o_scores(prompt, layer, head); };
    expect_kept("policy=h2o,share=.4,sink=0,window=0", prompt.tensors(), 18, 0, 0, score);
    expect_kept("policy=h2o,share=.4,sink=2,window=6", prompt.tensors(), 18, 2, 6, score);
}

TEST(Selection, ScoresAreAveragedOverWhatKeepsTheSameTokens) {
    Prompt const prompt;
    auto const mean_of_layer = [&](std::uint64_t layer) {
        auto scores = h2o_scores(prompt, layer, 0);
        auto const other = h2o_scores(prompt, layer, 1);
        for (std::uint64_t t = 0; t < tokens; ++t) scores[t] = (scores[t] + other[t]) / 2;
        return scores;
    };
    expect_kept("policy=h2o,share=.4,over=layer,sink=1,window=3", prompt.tensors(), 18, 1, 3,
                [&](std::uint64_t layer, std::uint64_t) { return mean_of_layer(layer); });
    auto const all = select_tokens(keep("policy=h2o,share=.4,over=all,sink=1,window=3"), prompt.tensors());
    auto scores = mean_of_layer(0);
    auto const other = mean_of_layer(1);
    for (std::uint64_t t = 0; t < tokens; ++t) scores[t] = (scores[t] + other[t]) / 2;
    EXPECT_EQ(all.lists(), (std::vector<Tokens>{best(scores, 18, 1, 3)}));
}

std::vector<double> snapkv_scores(Prompt const& prompt, std::uint64_t layer, std::uint64_t head, std::int64_t window,
                                  std::int64_t kernel) {
    auto const before = std::int64_t{tokens} - window;
    std::vector<double> scores(tokens);
    for (std::uint64_t which = 0; which < group; ++which) {
        auto const p = prompt.attention(layer, head * group + which);
        std::vector<double> means;
        for (std::int64_t t = 0; t < before; ++t) {
            double sum = 0;
            for (auto i = before; i < std::int64_t{tokens}; ++i)
                sum += p[static_cast<std::size_t>(i)][static_cast<std::size_t>(t)];
            means.push_back(sum / static_cast<double>(window));
        }
        for (std::int64_t t = 0; t < before; ++t) {
            double pooled = 0;
            for (auto near = t - kernel / 2; near <= t + kernel / 2; ++near)
                if (near >= 0 && near < before) pooled += means[static_cast<std::size_t>(near)];
            scores[static_cast<std::size_t>(t)] += pooled / static_cast<double>(kernel) / group;
        }
    }
    return scores;
}

TEST(Selection, SnapkvKeepsTheMostAttendedByTheWindow) {
    Prompt const prompt;
    for (auto const kernel : {1, 5, 7})
        expect_kept(
            "policy=snapkv,share=.5,sink=0,window=9,kernel=" + std::to_string(kernel), prompt.tensors(), 22, 0, 9,
            [&](std::uint64_t layer, std::uint64_t head) { return snapkv_scores(prompt, layer, head, 9, kernel); });
}

TEST(Selection, TovaKeepsTheMostAttendedByTheLastQuery) {
    Prompt const prompt;
    auto const score = [&](std::uint64_t layer, std::uint64_t) {
        std::vector<double> scores(tokens);
        for (std::uint64_t head = 0; head < kv_heads * group; ++head) {
            auto const p = prompt.attention(layer, head);
            for (std::uint64_t t = 0; t < tokens; ++t) scores[t] += p[tokens - 1][t] / (kv_heads * group);
        }
        return scores;
    };
    expect_kept("policy=tova,share=.3,sink=0,window=1", prompt.tensors(), 13, 0, 1, score);
    EXPECT_EQ(select_tokens(keep("policy=tova,share=.3,sink=0,window=1"), prompt.tensors()).same(), SameTokens::layer);
}

/// A rotation by the angles of RoPE at `position` as a matrix; the mean of several is made of these.
Matrix rotation_matrix(Rope const& rope, double position) {
    Matrix turned(dim, std::vector<double>(dim));
    for (std::uint64_t c = 0; c < dim; ++c) turned[c][c] = 1;
    for (std::uint64_t i = 0; i < rope.dims / 2; ++i) {
        double const angle = position * rope.scale *
                             std::pow(rope.base, -2.0 * static_cast<double>(i) / static_cast<double>(rope.dims)) /
                             (rope.frequency_factors.empty() ? 1 : rope.frequency_factors[i]);
        auto const x = rope.interleaved ? 2 * i : i, y = rope.interleaved ? 2 * i + 1 : i + rope.dims / 2;
        turned[x][x] = turned[y][y] = std::cos(angle);
        turned[x][y] = -std::sin(angle);
        turned[y][x] = std::sin(angle);
    }
    return turned;
}

Matrix product(Matrix const& a, Matrix const& b) {
    Matrix c(a.size(), std::vector<double>(b[0].size()));
    for (std::size_t i = 0; i < a.size(); ++i)
        for (std::size_t j = 0; j < b[0].size(); ++j)
            for (std::size_t k = 0; k < b.size(); ++k) c[i][j] += a[i][k] * b[k][j];
    return c;
}
Matrix transposed(Matrix const& a) {
    Matrix t(a[0].size(), std::vector<double>(a.size()));
    for (std::size_t i = 0; i < a.size(); ++i)
        for (std::size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
    return t;
}

struct Expected {
    std::uint64_t sink = 4, future = 512;
    bool covariance = true, norm = true;
    double epsilon = 0;
};

std::vector<double> expected_scores(Prompt const& prompt, Expected const& how, std::uint64_t layer,
                                    std::uint64_t head) {
    Matrix mean_rotation(dim, std::vector<double>(dim));
    for (std::uint64_t i = 0; i < how.future; ++i) {
        auto const one = rotation_matrix(prompt.rope(), static_cast<double>(tokens + i));
        for (std::uint64_t r = 0; r < dim; ++r)
            for (std::uint64_t c = 0; c < dim; ++c) mean_rotation[r][c] += one[r][c] / static_cast<double>(how.future);
    }
    std::vector<double> scores(tokens);
    for (std::uint64_t which = 0; which < group; ++which) {
        Matrix queries;  // before RoPE, as rows
        for (auto t = how.sink; t < tokens; ++t) {
            Matrix row(1);
            for (std::uint64_t c = 0; c < dim; ++c) row[0].push_back(prompt.q(layer, head * group + which, t, c));
            queries.push_back(product(row, rotation_matrix(prompt.rope(), static_cast<double>(t)))[0]);
        }
        auto const count = static_cast<double>(queries.size());
        Matrix mean(dim, std::vector<double>(1)), covariance(dim, std::vector<double>(dim));
        for (auto const& query : queries)
            for (std::uint64_t c = 0; c < dim; ++c) mean[c][0] += query[c] / count;
        for (auto const& query : queries)
            for (std::uint64_t r = 0; r < dim; ++r)
                for (std::uint64_t c = 0; c < dim; ++c)
                    covariance[r][c] += (query[r] - mean[r][0]) * (query[c] - mean[c][0]) / count;
        mean = product(mean_rotation, mean);
        covariance = product(product(mean_rotation, covariance), transposed(mean_rotation));
        std::vector<double> weights;
        double sum = 0;
        for (auto t = how.sink; t < tokens; ++t) {
            Matrix key(dim);
            for (std::uint64_t c = 0; c < dim; ++c) key[c].push_back(prompt.k(layer, head, t, c));
            double logit = product(transposed(key), mean)[0][0] / std::sqrt(double{dim});
            if (how.covariance) logit += product(product(transposed(key), covariance), key)[0][0] / dim / 2;
            sum += weights.emplace_back(std::exp(logit));
        }
        for (auto t = how.sink; t < tokens; ++t) scores[t] += weights[t - how.sink] / sum / group;
    }
    for (auto t = how.sink; t < tokens && how.norm; ++t) {
        double squares = 0;
        for (std::uint64_t c = 0; c < dim; ++c) squares += prompt.v(layer, head, t, c) * prompt.v(layer, head, t, c);
        scores[t] = (scores[t] + how.epsilon) * std::sqrt(squares);
    }
    return scores;
}

TEST(Selection, ExpectedAttentionKeepsWhatQueriesToComeAttendTo) {
    Prompt prompt;
    auto const check = [&](std::string const& options, Expected const& how, std::uint64_t window) {
        expect_kept("policy=expected_attention,share=.4," + options, prompt.tensors(), 18, how.sink, window,
                    [&](std::uint64_t layer, std::uint64_t head) { return expected_scores(prompt, how, layer, head); });
    };
    check("window=0", {}, 0);
    check("window=3,sink=1,future=7", {.sink = 1, .future = 7}, 3);
    check("window=0,covariance=off", {.covariance = false}, 0);
    check("window=0,value_norm=off", {.norm = false}, 0);
    check("window=0,epsilon=.02", {.epsilon = 0.02}, 0);
    Rope rope;
    rope.dims = dim;
    prompt.set_rope(rope);
    check("window=0", {}, 0);
}

/// By hand: 45 tokens x .4 are 18 in the mean, from 2 x 18 - 18 / 4 = 31.5 down to 4.5 in steps of 27.
TEST(Selection, PyramidKeepsFewerTokensInHigherLayers) {
    Prompt const prompt;
    auto const selection =
        select_tokens(keep("policy=pyramid,share=.4,sink=0,window=4,beta=4,kernel=1"), prompt.tensors());
    EXPECT_FALSE(selection.same_counts());
    EXPECT_EQ(kept(selection, 0, 1), best(snapkv_scores(prompt, 0, 1, 4, 1), 32, 0, 4));
    EXPECT_EQ(kept(selection, 1, 0), best(snapkv_scores(prompt, 1, 0, 4, 1), 4, 0, 4));
    EXPECT_DOUBLE_EQ(selection.share(), 18.0 / 45);
    // No room for a slope where the last layer would keep fewer tokens than the window: as many everywhere.
    auto const level = select_tokens(keep("policy=pyramid,share=.4,sink=0,window=5,beta=4,kernel=1"), prompt.tensors());
    EXPECT_EQ(kept(level, 1, 1), best(snapkv_scores(prompt, 1, 1, 5, 1), 18, 0, 5));
    // Where the lowest layer would keep more than there are: 45 - 8 there, and 2 x 27 - 37 in the last.
    auto const full = select_tokens(keep("policy=pyramid,share=.6,sink=0,window=8,beta=4"), prompt.tensors());
    EXPECT_EQ(kept(full, 0, 0).size(), 37U);
    EXPECT_EQ(kept(full, 1, 0).size(), 17U);
}

TEST(Selection, AllTokensStayWhereTheShareIsAll) {
    Prompt const prompt;
    for (auto const* policy :
         {"streaming", "random", "knorm", "h2o", "snapkv", "tova", "expected_attention", "pyramid"}) {
        auto const selection = select_tokens(keep(std::string("policy=") + policy + ",share=1"), prompt.tensors());
        EXPECT_EQ(selection.share(), 1) << policy;
    }
}

TEST(Selection, TooFewTokensAreSaid) {
    Prompt const prompt;
    try {
        select_tokens(keep("policy=knorm,share=.25"), prompt.tensors());
        FAIL();
    } catch (NotApplicable const& error) {
        EXPECT_THAT(error.what(),
                    testing::HasSubstr("11 of 45 tokens stay by their share, fewer than the first 4 and the "
                                       "last 64"));
    }
    auto without = prompt.tensors();
    without.rope = nullptr;
    EXPECT_THROW(select_tokens(keep("policy=expected_attention,share=.5,window=0"), without), NotApplicable);
    without.q.reset();
    EXPECT_THROW(select_tokens(keep("policy=snapkv,share=.5,window=2"), without), std::invalid_argument);
}

TEST(Selection, ListsThatAreNoneAreRefused) {
    using Lists = std::vector<Tokens>;
    auto const refuses = [](SameTokens same, Lists const& lists) {
        EXPECT_THROW(Selection(same, 1, 2, 5, lists), std::invalid_argument);
    };
    EXPECT_NO_THROW(Selection(SameTokens::head, 1, 2, 5, Lists{{0, 4}, {1, 2}}));
    refuses(SameTokens::head, {{0, 4}});
    refuses(SameTokens::head, {{0, 4}, {1}});
    refuses(SameTokens::layer, {{0, 0}});
    refuses(SameTokens::layer, {{1, 0}});
    refuses(SameTokens::all, {{0, 5}});
    refuses(SameTokens::all, {{}});
}

}  // namespace
}  // namespace kvstone
