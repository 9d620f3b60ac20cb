#include "codecs/kernels/coded_attention.hpp"

#include <Kokkos_Core.hpp>

#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"
#include "codecs/kernels/attention_lanes.hpp"
#include "codecs/kernels/stored_values.hpp"

namespace kvstone {

/// A step as kernels see it, cut into parts of plain_split_tokens tokens.
struct AttentionParts {
    StoredCache const* sequences;
    float const* queries;
    float* outputs;
    double* sums;  ///< [KV head of a sequence][part][row]: the largest logit, the sum of weights, [dim of V] outputs
    std::uint64_t layers;
    std::uint64_t kv_heads;
    std::uint64_t rows;
    std::uint64_t k_dim;
    std::uint64_t v_dim;
    std::uint64_t parts;  ///< of the longest sequence
    double scale;

    static constexpr std::uint64_t rows_together = 8;

    KOKKOS_INLINE_FUNCTION double* part_of(std::uint64_t head, std::uint64_t part, std::uint64_t row) const {
        return sums + ((head * parts + part) * rows + row) * (v_dim + 2);
    }

    /// Of row `first` and the few behind it.
    KOKKOS_INLINE_FUNCTION void attend_rows(std::uint64_t head, std::uint64_t part, std::uint64_t first) const {
        auto const& cache = sequences[head / (layers * kv_heads)];
        auto const layer = head / kv_heads % layers;
        auto const kv_head = head % kv_heads;
        auto const now = rows - first < rows_together ? rows - first : rows_together;
        auto const* const q = queries + (head * rows + first) * k_dim;
        double most[rows_together];
        double sum[rows_together];
        for (std::uint64_t r = 0; r < now; ++r) {
            most[r] = -1e300;  // below any logit that is finite
            sum[r] = 0;
            for (std::uint64_t c = 0; c < v_dim; ++c) part_of(head, part, first + r)[2 + c] = 0;
        }
        auto const begin = part * plain_split_tokens;
        auto const tokens = cache.k.shape.tokens;
        auto const end = begin + plain_split_tokens < tokens ? begin + plain_split_tokens : tokens;
        for (auto token = begin; token < end; ++token) {
            double logit[rows_together] = {};
            for (std::uint64_t c = 0; c < k_dim; ++c) {
                double const key = stored_value(cache.k, layer, kv_head, token, c);
                for (std::uint64_t r = 0; r < now; ++r) logit[r] += static_cast<double>(q[r * k_dim + c]) * key;
            }
            double kept[rows_together];
            for (std::uint64_t r = 0; r < now; ++r) {
                logit[r] *= scale;
                auto const higher = logit[r] > most[r] ? logit[r] : most[r];
                kept[r] = Kokkos::exp(most[r] - higher);
                logit[r] = Kokkos::exp(logit[r] - higher);
                sum[r] = sum[r] * kept[r] + logit[r];
                most[r] = higher;
            }
            for (std::uint64_t c = 0; c < v_dim; ++c) {
                double const value = stored_value(cache.v, layer, kv_head, token, c);
                for (std::uint64_t r = 0; r < now; ++r) {
                    auto& output = part_of(head, part, first + r)[2 + c];
                    output = output * kept[r] + logit[r] * value;
                }
            }
        }
        for (std::uint64_t r = 0; r < now; ++r) {
            part_of(head, part, first + r)[0] = most[r];
            part_of(head, part, first + r)[1] = sum[r];
        }
    }

    KOKKOS_INLINE_FUNCTION void join_parts(std::uint64_t head, std::uint64_t row) const {
        double most = -1e300;
        for (std::uint64_t part = 0; part < parts; ++part)
            most = part_of(head, part, row)[0] > most ? part_of(head, part, row)[0] : most;
        double sum = 0;
        for (std::uint64_t part = 0; part < parts; ++part)
            sum += part_of(head, part, row)[1] * Kokkos::exp(part_of(head, part, row)[0] - most);
        for (std::uint64_t c = 0; c < v_dim; ++c) {
            double output = 0;
            for (std::uint64_t part = 0; part < parts; ++part)
                output += part_of(head, part, row)[2 + c] * Kokkos::exp(part_of(head, part, row)[0] - most);
            outputs[(head * rows + row) * v_dim + c] = static_cast<float>(output / sum);
        }
    }
};

template <class Space>
void attend_in_parts(Space const& space, AttentionParts const& of, std::uint64_t heads) {
    auto const parts = of;
    Kokkos::parallel_for(
        "attend_parts", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(heads * parts.parts)),
        KOKKOS_LAMBDA(std::int64_t const index) {
            auto const at = static_cast<std::uint64_t>(index);
            for (std::uint64_t row = 0; row < parts.rows; row += AttentionParts::rows_together)
                parts.attend_rows(at / parts.parts, at % parts.parts, row);
        });
    Kokkos::parallel_for(
        "join_parts", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(heads * parts.rows)),
        KOKKOS_LAMBDA(std::int64_t const index) {
            auto const at = static_cast<std::uint64_t>(index);
            parts.join_parts(at / parts.rows, at % parts.rows);
        });
    space.fence();
}

void attend_plainly(BackendKind kind, AttentionStep const& step) {
    if (step.sequences.empty() || step.rows == 0) return;
    Buffer const sequences(kind, step.sequences.size_bytes());
    copy_to_backend(kind, sequences.data(), reinterpret_cast<std::byte const*>(step.sequences.data()),
                    step.sequences.size_bytes());
    auto const& first = step.sequences[0];
    std::uint64_t tokens = 0;
    for (auto const& cache : step.sequences) tokens = std::max(tokens, cache.k.shape.tokens);
    auto const parts = (tokens + plain_split_tokens - 1) / plain_split_tokens;
    Buffer const sums(kind, step.heads() * parts * step.rows * (first.v.shape.dim + 2) * sizeof(double));
    AttentionParts const all{.sequences = reinterpret_cast<StoredCache const*>(sequences.data()),
                             .queries = step.queries,
                             .outputs = step.outputs,
                             .sums = reinterpret_cast<double*>(sums.data()),
                             .layers = first.k.shape.layers,
                             .kv_heads = first.k.shape.heads,
                             .rows = step.rows,
                             .k_dim = first.k.shape.dim,
                             .v_dim = first.v.shape.dim,
                             .parts = parts,
                             .scale = step.scale};
    with_space(kind, [&](auto const& space) { attend_in_parts(space, all, step.heads()); });
}

namespace {

void attend_on_host(Kokkos::OpenMP const& space, AttentionStep const& step) {
    auto const& shape = step.sequences[0].k.shape;
    auto const v_dim = step.sequences[0].v.shape.dim;
    Kokkos::parallel_for("attend",
                         Kokkos::RangePolicy<Kokkos::OpenMP, Kokkos::Schedule<Kokkos::Dynamic>>(
                             space, 0, static_cast<std::int64_t>(step.heads()), Kokkos::ChunkSize(1)),
                         [&](std::int64_t const index) {
                             thread_local AttentionScratch scratch;
                             auto const head = static_cast<std::uint64_t>(index);
                             auto const& cache = step.sequences[head / (shape.layers * shape.heads)];
                             attend_head({.k = &cache.k,
                                          .v = &cache.v,
                                          .layer = head / shape.heads % shape.layers,
                                          .head = head % shape.heads,
                                          .queries = step.queries + head * step.rows * shape.dim,
                                          .outputs = step.outputs + head * step.rows * v_dim,
                                          .rows = step.rows,
                                          .scale = step.scale},
                                         scratch);
                         });
    space.fence();
}

}  // namespace

void attend(BackendKind kind, AttentionStep const& step) {
    if (step.sequences.empty() || step.rows == 0) return;
    with_space(kind, [&](auto const& space) {
        if constexpr (runs_on_host<std::decay_t<decltype(space)>>) {
            attend_on_host(space, step);
        } else {
            attend_plainly(kind, step);
        }
    });
}

}  // namespace kvstone
