// ggml's flash attention as the workload calls it: the order of its queries and outputs, and the bytes that it reads.

#include "harness/engine/flash_attention.hpp"

#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "backends/kernels/floats.hpp"
#include "codecs/container/stored_tensor.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/workloads/attention_decode/step_error.hpp"

namespace kvstone {
namespace {

std::vector<float> normal_values(std::uint64_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (auto& value : values) value = normal(random);
    return values;
}

constexpr KvShape shape{2, 2, 70, 64};
constexpr std::uint64_t heads = 6, queries = 3, sequences = 2;

TEST(GgmlAttention, AgreesWithItsDefinitionOverTheSameBytes) {
    auto const of_sequence = shape.layers * heads * queries * shape.dim;
    for (auto const* const text : {"fp16", "q8_0", "q4_0"}) {
        std::vector<StoredTensor> stored;
        std::vector<std::vector<float>> decoded;
        std::vector<GgmlCache> caches;
        for (unsigned s = 0; s < sequences; ++s) {
            for (auto const component : {Component::k, Component::v}) {
                auto values = normal_values(shape.values(), 2 * s + static_cast<unsigned>(component));
                KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
                stored.emplace_back(Codec::parse(text), component, view, BackendKind::openmp);
                auto const bytes = decode_container(stored.back().take_container());
                decoded.emplace_back(shape.values());
                std::memcpy(decoded.back().data(), bytes.data(), bytes.size());
            }
            caches.push_back({stored[2 * s].rows().payload, stored[2 * s + 1].rows().payload});
        }
        auto const q = normal_values(sequences * of_sequence, 9);
        GgmlAttention const ggml(*ggml_cache_type(text),
                                 {.layers = shape.layers,
                                  .kv_heads = shape.heads,
                                  .heads = heads,
                                  .queries = queries,
                                  .tokens = shape.tokens,
                                  .k_dim = shape.dim,
                                  .v_dim = shape.dim,
                                  .scale = 0.125,
                                  .threads = 1},
                                 caches, q);
        ggml.run();
        auto const found = ggml.outputs();
        ASSERT_EQ(found.size(), q.size());
        for (std::uint64_t s = 0; s < sequences; ++s) {
            StepReference reference{.k_shape = shape,
                                    .v_shape = shape,
                                    .k = decoded[2 * s].data(),
                                    .v = decoded[2 * s + 1].data(),
                                    .queries = q.data() + s * of_sequence,
                                    .rows = heads / shape.heads * queries,
                                    .scale = 0.125};
            auto const error = [&] {
                return largest_error(reference.outputs(), found.data() + s * of_sequence, shape.dim);
            };
            EXPECT_LE(error(), 0.05) << text;  // queries of eight bits, sums in binary16
            reference.queries = q.data() + (1 - s) * of_sequence;
            EXPECT_GT(error(), 0.5) << text << ", the other sequence's queries";
        }
    }
}

TEST(GgmlAttention, HasNoOtherTypes) {
    EXPECT_FALSE(ggml_cache_type("bf16"));
    EXPECT_FALSE(ggml_cache_type("nf4"));
    GgmlAttentionShape const odd{
        .layers = 1, .kv_heads = 1, .heads = 1, .queries = 1, .tokens = 1, .k_dim = 48, .v_dim = 48};
    EXPECT_THROW(GgmlAttention(GgmlCacheType::q8_0, odd, {{}}, std::vector<float>(48)), NotApplicable);
}

}  // namespace
}  // namespace kvstone
