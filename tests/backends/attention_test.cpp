// The streamed comparison of attention against its definition (tests/attention_reference.hpp).

#include <gtest/gtest.h>

#include "backends/kernels/exponential.hpp"
#include "harness/quality/compare_attention.hpp"
#include "tests/attention_reference.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
constexpr double accepted = 1e-6;

struct Setting {
    std::uint64_t layers, kv_heads, group, tokens, dim, queries;
    std::uint64_t v_dim = 0;  ///< 0: dim
    ElementType type = ElementType::f32;
    float error = 0.05F;  ///< of decoded values, standard deviation
    float size = 1;       ///< of queries
};

/// Random Q, K and V, and K' and V' that are off by a little.
class Cache {
  public:
    explicit Cache(Setting const& setting) : setting_(setting), random_(setting.tokens + setting.dim) {
        auto const v_dim = setting.v_dim == 0 ? setting.dim : setting.v_dim;
        q_shape_ = {setting.layers, setting.kv_heads * setting.group, setting.queries, setting.dim};
        k_shape_ = {setting.layers, setting.kv_heads, setting.tokens, setting.dim};
        v_shape_ = {setting.layers, setting.kv_heads, setting.tokens, v_dim};
        fill(q_, q_shape_, setting.size);
        fill(k_, k_shape_, 1);
        fill(v_, v_shape_, 1);
        disturb(k_, k_decoded_);
        disturb(v_, v_decoded_);
        for (std::uint64_t i = 1; i <= setting.queries; ++i)
            last_visible_.push_back(std::max<std::uint64_t>(1, setting.tokens * i / setting.queries) - 1);
    }
    AttentionTensors tensors() {
        return {view(q_, q_shape_),
                last_visible_.data(),
                view(k_, k_shape_),
                view(v_, v_shape_),
                view(k_decoded_, k_shape_),
                view(v_decoded_, v_shape_),
                1 / std::sqrt(static_cast<double>(setting_.dim))};
    }
    AttentionTensors identity() {
        auto same = tensors();
        same.k_decoded = same.k;
        same.v_decoded = same.v;
        return same;
    }

  private:
    using Bytes = std::vector<std::byte>;

    void put(Bytes& bytes, std::uint64_t index, float value) const {
        auto const at = [&]<class T>(T stored) { std::memcpy(bytes.data() + index * sizeof(T), &stored, sizeof(T)); };
        if (setting_.type == ElementType::f16)
            at(from_float<Float16>(value));
        else if (setting_.type == ElementType::bf16)
            at(from_float<BFloat16>(value));
        else
            at(value);
    }
    void fill(Bytes& bytes, KvShape const& shape, float deviation) {
        bytes.resize(shape.values() * element_bytes(setting_.type));
        std::normal_distribution<float> normal(0, deviation);
        for (std::uint64_t i = 0; i < shape.values(); ++i) put(bytes, i, normal(random_));
    }
    void disturb(Bytes const& from, Bytes& to) {
        to = from;
        std::normal_distribution<float> normal(0, setting_.error);
        auto const values = from.size() / element_bytes(setting_.type);
        KvView const whole{to.data(), setting_.type, {1, 1, 1, values}, {values, values, values}};
        for (std::uint64_t i = 0; i < values; ++i)
            put(to, i, static_cast<float>(value_of(whole, 0, 0, 0, i)) + normal(random_));
    }
    KvView view(Bytes& bytes, KvShape const& shape) const {
        return {bytes.data(), setting_.type, shape, KvStrides::packed(shape)};
    }

    Setting setting_;
    std::mt19937 random_;
    KvShape q_shape_, k_shape_, v_shape_;
    Bytes q_, k_, v_, k_decoded_, v_decoded_;
    std::vector<std::uint64_t> last_visible_;
};

std::vector<QueryComparison> streamed(AttentionTensors const& tensors, std::uint64_t block = attention_block_tokens) {
    std::vector<QueryComparison> results(tensors.queries());
    compare_attention(Space(), tensors, results.data(), block);
    return results;
}

std::vector<Setting> settings() {
    return {{.layers = 1, .kv_heads = 1, .group = 1, .tokens = 1, .dim = 64, .queries = 1},
            {.layers = 2, .kv_heads = 3, .group = 1, .tokens = 257, .dim = 64, .queries = 5},
            {.layers = 1, .kv_heads = 2, .group = 4, .tokens = 131, .dim = 80, .queries = 9},
            {.layers = 1, .kv_heads = 2, .group = 8, .tokens = 193, .dim = 128, .queries = 11},
            {.layers = 1, .kv_heads = 1, .group = 4, .tokens = 64, .dim = 128, .queries = 64},
            {.layers = 1, .kv_heads = 2, .group = 1, .tokens = 5, .dim = 3, .queries = 5, .v_dim = 7},
            {.layers = 1, .kv_heads = 1, .group = 2, .tokens = 99, .dim = 72, .queries = 3, .type = ElementType::f16},
            {.layers = 1, .kv_heads = 1, .group = 3, .tokens = 70, .dim = 64, .queries = 70, .type = ElementType::bf16},
            {.layers = 1, .kv_heads = 1, .group = 1, .tokens = 300, .dim = 64, .queries = 4, .error = 1e-3F},
            {.layers = 1, .kv_heads = 1, .group = 1, .tokens = 300, .dim = 64, .queries = 4, .size = 3000}};
}

TEST(Attention, IsWhatItsDefinitionSays) {
    for (auto const& setting : settings()) {
        Cache cache(setting);
        auto const expected = attention_reference(cache.tensors());
        EXPECT_LE(departure(streamed(cache.tensors()), expected), accepted)
            << setting.tokens << " tokens, dim " << setting.dim << ", group " << setting.group;
        std::vector<QueryComparison> by_query(cache.tensors().queries());
        compare_attention_by_query(Space(), cache.tensors(), by_query.data());
        EXPECT_LE(departure(by_query, expected), accepted) << setting.tokens << " tokens, one thread a query";
    }
}

TEST(Attention, OfTheSameTensorsDiffersByNothing) {
    for (auto const& setting : settings()) {
        Cache cache(setting);
        for (auto const& query : streamed(cache.identity())) {
            EXPECT_EQ(query.logit_error_squares, 0);
            EXPECT_EQ(query.kl, 0);
            EXPECT_EQ(query.output_error_squares, 0);
            EXPECT_EQ(query.top_shared, 1);
            EXPECT_GT(query.output_squares, 0);
        }
    }
}

/// The comparison above detects every fault: each one departs by more than the accepted error.
TEST(Attention, FaultsAreFoundOut) {
    Cache usual({.layers = 1, .kv_heads = 2, .group = 4, .tokens = 131, .dim = 80, .queries = 9});
    auto const found = streamed(usual.tensors());
    for (auto const fault : {AttentionFault::no_scale, AttentionFault::swapped_kl, AttentionFault::sees_the_next_token,
                             AttentionFault::other_kv_head, AttentionFault::original_values})
        EXPECT_GT(departure(found, attention_reference(usual.tensors(), fault)), 1000 * accepted)
            << static_cast<int>(fault);
    EXPECT_LE(departure(found, attention_reference(usual.tensors(), AttentionFault::no_maximum)), accepted);
    Cache large({.layers = 1, .kv_heads = 1, .group = 1, .tokens = 300, .dim = 64, .queries = 4, .size = 3000});
    EXPECT_EQ(departure(streamed(large.tensors()), attention_reference(large.tensors(), AttentionFault::no_maximum)),
              INFINITY);
}

TEST(Attention, DoesNotDependOnBlocks) {
    Cache cache({.layers = 1, .kv_heads = 2, .group = 2, .tokens = 333, .dim = 64, .queries = 12});
    auto const usual = streamed(cache.tensors());
    // Weights are rounded to 29 bits, relative to the largest logit of the blocks so far.
    for (std::uint64_t const block : {8, 24, 128, 512})
        EXPECT_LE(departure(streamed(cache.tensors(), block), usual), 1e-7) << block;
}

TEST(Attention, ReadsTensorsWhereverTheirHeadsLie) {
    Setting const setting{.layers = 2, .kv_heads = 2, .group = 1, .tokens = 65, .dim = 64, .queries = 65};
    Cache cache(setting);
    auto tensors = cache.tensors();
    // Heads beside each other within a token, as most engines have them.
    for (auto* const view : {&tensors.q, &tensors.k, &tensors.v, &tensors.k_decoded, &tensors.v_decoded})
        view->strides = {2 * 65 * 64, 64, 2 * 64};
    EXPECT_LE(departure(streamed(tensors), attention_reference(tensors)), accepted);
    EXPECT_GT(departure(streamed(tensors), streamed(cache.tensors())), accepted);
}

/// One query, a few and many of a KV head take ways of their own; queries see different tokens, and vectors are not whole
/// registers.
TEST(Attention, IsTheSameOnEveryVectorUnit) {
    auto all = settings();
    for (std::uint64_t const rows : {1, 2, 3, 4, 5, 8, 9, 17, 64, 70}) {
        all.push_back({.layers = 1, .kv_heads = 2, .group = rows, .tokens = 150, .dim = 40, .queries = 1});
        all.push_back({.layers = 1, .kv_heads = 1, .group = 1, .tokens = 83, .dim = 19, .queries = rows, .v_dim = 33});
    }
    all.push_back({.layers = 1, .kv_heads = 1, .group = 1, .tokens = 90, .dim = 24, .queries = 2, .size = 3000});
    for (auto const& setting : all) {
        Cache cache(setting);
        auto const usual = streamed(cache.tensors());
        on_each_target([&] {
            EXPECT_EQ(streamed(cache.tensors()), usual)
                << "dim " << setting.dim << ", " << setting.group << " x " << setting.queries;
        });
    }
}

/// A token that cannot be compared does not spoil queries that do not see it.
TEST(Attention, HiddenTokensMayBeAnything) {
    for (std::uint64_t const group : {1, 3, 7, 20}) {
        Cache cache({.layers = 1, .kv_heads = 1, .group = group, .tokens = 50, .dim = 24, .queries = 1});
        auto tensors = cache.tensors();
        std::uint64_t const last = 36;
        tensors.last_visible = &last;
        auto const expected = streamed(tensors);
        for (auto const* view : {&tensors.k, &tensors.k_decoded}) {
            auto* const values = static_cast<float*>(view->data);
            std::fill(values + (last + 1) * 24, values + 50 * 24, std::numeric_limits<float>::infinity());
        }
        EXPECT_EQ(streamed(tensors), expected) << group;
    }
}

/// Every way that queries take, with the first block and every query's neighbours dropped too; each query sees a token that
/// stays.
TEST(Attention, OfATensorWithDroppedTokensIsWhatItsDefinitionSays) {
    for (auto const& setting : settings()) {
        Cache cache(setting);
        auto tensors = cache.tensors();
        std::vector<std::uint8_t> stays(setting.layers * setting.kv_heads * setting.tokens);
        for (std::size_t i = 0; i < stays.size(); ++i) {
            auto const token = i % setting.tokens;
            stays[i] = token >= 70 || setting.tokens <= 70 ? (i * 7919 % 11) < 4 : 0;
            for (std::uint64_t query = 0; query < setting.queries; ++query)
                if (token == tensors.last_visible[query]) stays[i] = 1;
        }
        tensors.stays = stays.data();
        auto const expected = attention_reference(tensors);
        EXPECT_LE(departure(streamed(tensors), expected), accepted)
            << setting.tokens << " tokens, dim " << setting.dim << ", group " << setting.group;
        std::vector<QueryComparison> by_query(tensors.queries());
        compare_attention_by_query(Space(), tensors, by_query.data());
        EXPECT_LE(departure(by_query, expected), accepted) << setting.tokens << " tokens, one thread a query";
        auto const usual = streamed(tensors);
        on_each_target([&] { EXPECT_EQ(streamed(tensors), usual) << setting.tokens << " tokens"; });
        // One token more or less is found out.
        if (setting.tokens == 1) continue;
        auto const last = tensors.last_visible[0];
        stays[last > 0 ? last - 1 : last + 1] ^= 1;
        EXPECT_GT(departure(usual, attention_reference(tensors)), 1000 * accepted) << setting.tokens << " tokens";
    }
}

TEST(Attention, WhereNoTokenIsDroppedAMaskChangesNoBit) {
    for (auto const& setting : settings()) {
        Cache cache(setting);
        auto tensors = cache.tensors();
        auto const usual = streamed(tensors);
        std::vector<std::uint8_t> const stays(setting.layers * setting.kv_heads * setting.tokens, 1);
        tensors.stays = stays.data();
        EXPECT_EQ(streamed(tensors), usual) << setting.tokens << " tokens, group " << setting.group;
    }
}

TEST(Attention, DroppedTokensMayDecodeToAnythingFinite) {
    for (std::uint64_t const group : {1, 3, 7, 20}) {
        Cache cache({.layers = 1, .kv_heads = 1, .group = group, .tokens = 50, .dim = 24, .queries = 1});
        auto tensors = cache.tensors();
        std::vector<std::uint8_t> stays(50, 1);
        stays[17] = 0;
        tensors.stays = stays.data();
        auto const expected = streamed(tensors);
        for (auto const* view : {&tensors.k_decoded, &tensors.v_decoded})
            std::fill_n(static_cast<float*>(view->data) + 17 * 24, 24, 1e30F);
        EXPECT_EQ(streamed(tensors), expected) << group;
    }
}

TEST(Attention, ExponentialIsRightToTheLastPlaces) {
    EXPECT_EQ(exponential_of_nonpositive(0), 1);
    EXPECT_EQ(exponential_of_nonpositive(-1e300), 0);
    for (double x = -707.9; x <= 0; x += 0.00917)
        ASSERT_NEAR(exponential_of_nonpositive(x) / std::exp(x), 1, 0x1p-51) << x;
}

}  // namespace
}  // namespace kvstone
