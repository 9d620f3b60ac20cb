#pragma once
// Attention on the host's cores: one task is a tile of queries of one KV head, from its first token to its last.

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "backends/kernels/attention_tile.hpp"

namespace kvstone {

inline constexpr std::uint64_t attention_tile_panels = 4;

/// Queries of one KV head in tiles of `lanes` * attention_tile_panels. Lanes run through the query heads of a query
/// first, so that tiles hold queries that see about as many tokens.
struct AttentionTiles {
    AttentionTiles(AttentionTensors const& of, std::uint64_t lanes, std::uint64_t tokens_of_block)
        : heads(of.q.shape.heads / of.k.shape.heads),
          queries(of.q.shape.tokens),
          tile_lanes(lanes * attention_tile_panels),
          block_tokens(tokens_of_block),
          per_head((heads * queries + tile_lanes - 1) / tile_lanes),
          count(of.k.shape.layers * of.k.shape.heads * per_head) {}

    std::uint64_t heads;  ///< query heads of a KV head
    std::uint64_t queries;
    std::uint64_t tile_lanes;
    std::uint64_t block_tokens;
    std::uint64_t per_head;
    std::uint64_t count;
};

/// Memory of one thread; grows to what was asked for most and stays. Aligned to cache lines.
inline double* attention_scratch(std::size_t count) {
    struct Release {
        void operator()(double* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
    };
    thread_local std::unique_ptr<double[], Release> scratch;
    thread_local std::size_t size = 0;
    if (size < count) {
        scratch.reset();
        size = 0;
        scratch.reset(static_cast<double*>(::operator new[](count * sizeof(double), std::align_val_t{64})));
        size = count;
    }
    return scratch.get();
}

/// `vectors` registers of lanes a panel.
template <int vectors>
class AttentionTile {
  public:
    static constexpr std::uint64_t lanes = vectors * vector_lanes;

    AttentionTile(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index)
        : tensors_(tensors),
          tiles_(tiles),
          layer_(index / tiles.per_head / tensors.k.shape.heads),
          kv_head_(index / tiles.per_head % tensors.k.shape.heads),
          first_(index % tiles.per_head * tiles.tile_lanes),
          used_(std::min(tiles.tile_lanes, tiles.heads * tiles.queries - first_)),
          panels_((used_ + lanes - 1) / lanes),
          k_width_(padded_rows(tensors.k.shape.dim)),
          v_width_(padded_rows(tensors.v.shape.dim)) {
        auto const block = tiles.block_tokens;
        auto const sizes =
            std::array{block * std::max(k_width_, v_width_), panels_ * block * lanes,    panels_ * block * lanes,
                       panels_ * k_width_ * lanes,           panels_ * v_width_ * lanes, panels_ * v_width_ * lanes};
        std::size_t total = 0;
        for (auto const size : sizes) total += size;
        auto* place = attention_scratch(total);
        double** const parts[] = {&wide_, &logits_, &logits_decoded_, &q_, &output_, &output_decoded_};
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            *parts[i] = place;
            place += sizes[i];
        }
    }

    void run(QueryComparison* results) {
        read_queries();
        std::fill_n(output_, panels_ * v_width_ * lanes, 0.0);
        std::fill_n(output_decoded_, panels_ * v_width_ * lanes, 0.0);
        for (std::uint64_t first = 0; first < tokens_; first += tiles_.block_tokens) {
            auto const tokens = std::min(tiles_.block_tokens, tokens_ - first);
            while (panel_tokens_[first_panel_] <= first) ++first_panel_;  // its queries have seen all they see
            multiply_keys(tensors_.k, first, tokens, logits_);
            multiply_keys(tensors_.k_decoded, first, tokens, logits_decoded_);
            for (std::uint64_t p = first_panel_; p < panels_; ++p) {
                auto& panel = softmax_[p];
                panel.take(logits_of(logits_, p), logits_of(logits_decoded_, p), first, tokens);
                scale(output_of(output_, p), panel.scale_original());
                scale(output_of(output_decoded_, p), panel.scale_decoded());
            }
            add_values(tensors_.v, first, tokens, logits_, output_);
            add_values(tensors_.v_decoded, first, tokens, logits_decoded_, output_decoded_);
        }
        for (std::uint64_t lane = 0; lane < used_; ++lane) results[place_of(lane)] = result(lane);
    }

  private:
    double* logits_of(double* logits, std::uint64_t panel) const {
        return logits + panel * tiles_.block_tokens * lanes;
    }
    double* output_of(double* output, std::uint64_t panel) const { return output + panel * v_width_ * lanes; }
    std::uint64_t query_of(std::uint64_t lane) const { return (first_ + lane) / tiles_.heads; }
    std::uint64_t head_of(std::uint64_t lane) const { return kv_head_ * tiles_.heads + (first_ + lane) % tiles_.heads; }
    std::uint64_t place_of(std::uint64_t lane) const {
        return (layer_ * tensors_.q.shape.heads + head_of(lane)) * tiles_.queries + query_of(lane);
    }

    /// Queries as [panel][channel][lane], times the scale; lanes without one are zero and see what the last one sees.
    void read_queries() {
        std::fill_n(q_, panels_ * k_width_ * lanes, 0.0);
        auto const dim = tensors_.k.shape.dim;
        tokens_ = 0;
        first_panel_ = 0;
        softmax_.clear();
        panel_tokens_.clear();
        for (std::uint64_t p = 0; p < panels_; ++p) {
            std::array<std::uint64_t, lanes> last_visible;
            for (std::uint64_t lane = 0; lane < lanes; ++lane) {
                auto const at = std::min(p * lanes + lane, used_ - 1);
                last_visible[lane] = tensors_.last_visible[query_of(at)];
                tokens_ = std::max(tokens_, last_visible[lane] + 1);
                if (at != p * lanes + lane) continue;
                with_elements(tensors_.q, [&](auto const span) {
                    auto const* const from = span.vector(layer_, head_of(at), query_of(at));
                    for (std::uint64_t c = 0; c < dim; ++c)
                        q_[(p * k_width_ + c) * lanes + lane] = static_cast<double>(to_float(from[c])) * tensors_.scale;
                });
            }
            softmax_.emplace_back(last_visible);
            panel_tokens_.push_back(*std::ranges::max_element(last_visible) + 1);
        }
    }

    /// What the `part`-th of `parts` products is to ask for of the block after the one from `first` on, in `steps` steps.
    Ahead ahead(KvView const& view, std::uint64_t first, std::uint64_t part, std::uint64_t parts,
                std::uint64_t steps) const {
        auto const& strides = view.strides;
        auto const at =
            layer_ * strides.layer + kv_head_ * strides.head + (first + tiles_.block_tokens) * strides.token;
        auto const start = reinterpret_cast<std::uintptr_t>(view.data) + at * element_bytes(view.type);
        if (strides.token != view.shape.dim) return {start, 0};
        auto const step = tiles_.block_tokens * view.shape.dim * element_bytes(view.type) / (parts * steps) + 1;
        return {start + part * steps * step, step};
    }

    void multiply_keys(KvView const& k, std::uint64_t first, std::uint64_t tokens, double* logits) {
        widen_vectors(k, layer_, kv_head_, first, tokens, wide_);
        auto const parts = (panels_ - first_panel_) * padded_rows(tokens) / product_rows;
        std::uint64_t part = 0;
        for (std::uint64_t p = first_panel_; p < panels_; ++p)
            for (std::uint64_t t = 0; t < tokens; t += product_rows)
                multiply_rows<vectors, false>(wide_ + t * k_width_, k_width_, 1, q_ + p * k_width_ * lanes, k_width_,
                                              logits_of(logits, p) + t * lanes,
                                              ahead(k, first, part++, parts, k_width_));
    }

    void add_values(KvView const& v, std::uint64_t first, std::uint64_t tokens, double* weights, double* output) {
        widen_vectors(v, layer_, kv_head_, first, tokens, wide_);
        auto const parts = (panels_ - first_panel_) * v_width_ / product_rows;
        std::uint64_t part = 0;
        for (std::uint64_t p = first_panel_; p < panels_; ++p)
            for (std::uint64_t c = 0; c < v_width_; c += product_rows)
                multiply_rows<vectors, true>(wide_ + c, 1, v_width_, logits_of(weights, p), tokens,
                                             output_of(output, p) + c * lanes, ahead(v, first, part++, parts, tokens));
    }

    void scale(double* output, typename SoftmaxPanel<lanes>::Lane const& factors) const {
        if (std::ranges::all_of(factors, [](double factor) { return factor == 1; })) return;
        for (std::uint64_t c = 0; c < v_width_; ++c) {
#pragma omp simd
            for (std::uint64_t lane = 0; lane < lanes; ++lane) output[c * lanes + lane] *= factors[lane];
        }
    }

    QueryComparison result(std::uint64_t place) const {
        auto const p = place / lanes;
        auto const lane = place % lanes;
        auto found = softmax_[p].result(lane);
        for (std::uint64_t c = 0; c < tensors_.v.shape.dim; ++c) {
            double const o = output_of(output_, p)[c * lanes + lane] / softmax_[p].sum_original(lane);
            double const o_decoded = output_of(output_decoded_, p)[c * lanes + lane] / softmax_[p].sum_decoded(lane);
            found.output_squares += o * o;
            found.output_error_squares += (o_decoded - o) * (o_decoded - o);
        }
        return found;
    }

    AttentionTensors const& tensors_;
    AttentionTiles const& tiles_;
    std::uint64_t layer_;
    std::uint64_t kv_head_;
    std::uint64_t first_;  ///< lane, of those of the KV head
    std::uint64_t used_;
    std::uint64_t panels_;
    std::uint64_t k_width_;
    std::uint64_t v_width_;
    std::uint64_t tokens_ = 0;       ///< that any of the queries sees
    std::uint64_t first_panel_ = 0;  ///< of those that have not seen all they see
    std::vector<std::uint64_t> panel_tokens_;
    std::vector<SoftmaxPanel<lanes>> softmax_;
    double *wide_, *logits_, *logits_decoded_, *q_, *output_, *output_decoded_;
};

}  // namespace kvstone
