#include "backends/kernels/attention_tiles.hpp"

#include <array>
#include <limits>
#include <memory>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/kernels/attention_tiles.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/attention_products.hpp"
#include "backends/kernels/attention_rows.hpp"
#include "backends/kernels/attention_softmax.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Parts of one thread's memory, one after the other; each starts a cache line.
template <std::size_t count>
std::array<double*, count> scratch_parts(std::array<std::uint64_t, count> const& sizes) {
    auto const whole = [](std::uint64_t size) { return (size + 7) / 8 * 8; };
    std::size_t total = 0;
    for (auto const size : sizes) total += whole(size);
    auto* place = attention_scratch(total);
    std::array<double*, count> parts;
    for (std::size_t i = 0; i < count; ++i) {
        parts[i] = place;
        place += whole(sizes[i]);
    }
    return parts;
}

/// Value `channel` of query `lane` goes to place(lane, channel), as it is.
template <class Place>
void read_queries(AttentionTensors const& tensors, TileQueries const& queries, Place const& place) {
    with_elements(tensors.q, [&](auto const span) {
        for (std::uint64_t lane = 0; lane < queries.used; ++lane) {
            auto const* const from = span.vector(queries.layer, queries.head_of(lane), queries.query_of(lane));
            for (std::uint64_t c = 0; c < tensors.q.shape.dim; ++c) {
                *place(lane, c) = static_cast<double>(to_float(from[c]));
            }
        }
    });
}

/// A panel of the queries from `first` on; rows without one see what the last one sees.
template <std::size_t lanes, std::size_t rows = lanes>
SoftmaxPanel<lanes, rows> panel_of(AttentionTensors const& tensors, TileQueries const& queries, std::uint64_t first) {
    std::uint64_t last_visible[rows];
    for (std::size_t row = 0; row < rows; ++row) {
        last_visible[row] = tensors.last_visible[queries.query_of(std::min(first + row, queries.used - 1))];
    }
    return {last_visible, tensors.scale};
}

/// Products with dropped keys of the tokens [first, first + tokens), [token][row], to -infinity.
inline void drop_products(std::uint8_t const* stays, std::uint64_t first, std::uint64_t tokens, std::size_t rows,
                          double* products) {
    for (std::uint64_t t = 0; t < tokens; ++t)
        if (stays[first + t] == 0) std::fill_n(products + t * rows, rows, -std::numeric_limits<double>::infinity());
}

/// What a panel's softmaxes found for `lane`, and its output: output(channel) and output_decoded(channel), not yet divided.
/// `stays`: of the tokens of the KV head; null: all stay.
template <class Panel, class Output>
QueryComparison result_of(Panel const& panel, std::size_t lane, std::uint8_t const* stays, std::uint64_t channels,
                          Output const& output, Output const& output_decoded) {
    auto found = panel.result(lane);
    found.tokens_dropped = count_dropped(stays, static_cast<std::uint64_t>(found.tokens));
    found.mass_kept = stays == nullptr ? 1 : panel.sum_kept(lane) / panel.sum_original(lane);
    if (found.tokens_dropped > 0) found.kl = std::numeric_limits<double>::infinity();
    for (std::uint64_t c = 0; c < channels; ++c) {
        double const o = output(c) / panel.sum_original(lane);
        double const o_decoded = output_decoded(c) / panel.sum_decoded(lane);
        found.output_squares += o * o;
        found.output_error_squares += (o_decoded - o) * (o_decoded - o);
    }
    return found;
}

/// Many queries: panels of `lanes` of them.
template <std::size_t lanes>
class ManyQueries {
  public:
    ManyQueries(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index)
        : tensors_(tensors),
          block_tokens_(tiles.block_tokens),
          queries_(tensors, tiles, index),
          stays_(tensors.stays_of(queries_.layer, queries_.kv_head)),
          k_width_(padded(tensors.k.shape.dim)),
          v_width_(padded(tensors.v.shape.dim)) {
        for (std::uint64_t first = 0; first < queries_.used; first += lanes) {
            panels_.push_back(panel_of<lanes>(tensors, queries_, first));
        }
        auto const all = panels_.size() * lanes;
        std::tie(wide_, logits_, logits_decoded_, q_, output_, output_decoded_) =
            std::tuple_cat(scratch_parts<6>({block_tokens_ * std::max(k_width_, v_width_), all * block_tokens_,
                                             all * block_tokens_, all * k_width_, all * v_width_, all * v_width_}));
        std::fill_n(q_, all * k_width_, 0.0);
        std::fill_n(output_, all * v_width_, 0.0);
        std::fill_n(output_decoded_, all * v_width_, 0.0);
        read_queries(tensors, queries_, [&](std::uint64_t lane, std::uint64_t channel) {
            return q_ + (lane / lanes * k_width_ + channel) * lanes + lane % lanes;
        });
    }

    void run(QueryComparison* results) {
        std::uint64_t all_tokens = 0;
        for (auto const& panel : panels_) all_tokens = std::max(all_tokens, panel.tokens());
        for (std::uint64_t first = 0; first < all_tokens; first += block_tokens_) {
            auto const tokens = std::min(block_tokens_, all_tokens - first);
            while (panels_[first_panel_].tokens() <= first) ++first_panel_;  // its queries have seen all they see
            multiply_keys(tensors_.k, first, tokens, logits_);
            multiply_keys(tensors_.k_decoded, first, tokens, logits_decoded_);
            for (auto p = first_panel_; p < panels_.size(); ++p) {
                if (stays_ != nullptr) drop_products(stays_, first, tokens, lanes, logits_of(logits_decoded_, p));
                panels_[p].take(logits_of(logits_, p), logits_of(logits_decoded_, p), first, tokens, stays_ != nullptr);
                scale(output_of(output_, p), panels_[p].kept_original());
                scale(output_of(output_decoded_, p), panels_[p].kept_decoded());
            }
            add_values(tensors_.v, first, tokens, logits_, output_);
            add_values(tensors_.v_decoded, first, tokens, logits_decoded_, output_decoded_);
        }
        for (std::uint64_t place = 0; place < queries_.used; ++place) {
            auto const p = place / lanes, lane = place % lanes;
            auto const of = [&](double* output) {
                return [this, output, p, lane](std::uint64_t c) { return output_of(output, p)[c * lanes + lane]; };
            };
            results[queries_.place_of(place)] =
                result_of(panels_[p], lane, stays_, tensors_.v.shape.dim, of(output_), of(output_decoded_));
        }
    }

  private:
    double* logits_of(double* logits, std::uint64_t panel) const { return logits + panel * block_tokens_ * lanes; }
    double* output_of(double* output, std::uint64_t panel) const { return output + panel * v_width_ * lanes; }

    /// Where the block after the one from `first` on begins, and its bytes; no bytes where they lie apart.
    std::pair<std::uintptr_t, std::uint64_t> next_block(KvView const& view, std::uint64_t first) const {
        auto const& strides = view.strides;
        auto const at =
            queries_.layer * strides.layer + queries_.kv_head * strides.head + (first + block_tokens_) * strides.token;
        auto const bytes = strides.token == view.shape.dim ? block_tokens_ * view.shape.dim : 0;
        return {reinterpret_cast<std::uintptr_t>(view.data) + at * element_bytes(view.type),
                bytes * element_bytes(view.type)};
    }

    void multiply_keys(KvView const& k, std::uint64_t first, std::uint64_t tokens, double* logits) {
        widen_vectors(k, queries_.layer, queries_.kv_head, first, tokens, wide_);
        auto [next, bytes] = next_block(k, first);
        bytes /= panels_.size() - first_panel_;
        for (auto p = first_panel_; p < panels_.size(); ++p, next += bytes) {
            Product<lanes, false>{wide_, k_width_, 1, q_ + p * k_width_ * lanes, k_width_, logits_of(logits, p)}.all(
                padded(tokens), next, bytes);
        }
    }

    void add_values(KvView const& v, std::uint64_t first, std::uint64_t tokens, double* weights, double* output) {
        widen_vectors(v, queries_.layer, queries_.kv_head, first, tokens, wide_);
        auto [next, bytes] = next_block(v, first);
        bytes /= panels_.size() - first_panel_;
        for (auto p = first_panel_; p < panels_.size(); ++p, next += bytes) {
            Product<lanes, true>{wide_, 1, v_width_, logits_of(weights, p), tokens, output_of(output, p)}.all(
                v_width_, next, bytes);
        }
    }

    void scale(double* output, double const* factors) const {
        if (std::all_of(factors, factors + lanes, [](double factor) { return factor == 1; })) return;
        Doubles<lanes> const d;
        for (std::uint64_t c = 0; c < v_width_; ++c) {
            for (std::size_t lane = 0; lane < lanes; lane += hn::MaxLanes(d)) {
                auto* const place = output + c * lanes + lane;
                hn::Store(hn::Mul(hn::Load(d, place), hn::Load(d, factors + lane)), d, place);
            }
        }
    }

    AttentionTensors const& tensors_;
    std::uint64_t block_tokens_;
    TileQueries queries_;
    std::uint8_t const* stays_;
    std::uint64_t k_width_;
    std::uint64_t v_width_;
    std::uint64_t first_panel_ = 0;  ///< of those that have not seen all they see
    std::vector<SoftmaxPanel<lanes>> panels_;
    double *wide_, *logits_, *logits_decoded_, *q_, *output_, *output_decoded_;
};

/// One, two, or up to four queries.
template <int rows>
class FewQueries {
  public:
    FewQueries(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index)
        : tensors_(tensors),
          block_tokens_(tiles.block_tokens),
          queries_(tensors, tiles, index),
          stays_(tensors.stays_of(queries_.layer, queries_.kv_head)),
          panel_(panel_of<row_lanes, rows>(tensors, queries_, 0)),
          k_width_(padded(tensors.k.shape.dim)),
          v_width_(padded(tensors.v.shape.dim)) {
        auto const logits = block_tokens_ * row_lanes;
        std::tie(floats_, logits_, logits_decoded_, q_, output_, output_decoded_) =
            std::tuple_cat(scratch_parts<6>({(block_tokens_ * std::max(k_width_, v_width_) + 1) / 2, logits, logits,
                                             rows * k_width_, rows * v_width_, rows * v_width_}));
        std::fill_n(logits_, logits, 0.0);
        std::fill_n(logits_decoded_, logits, 0.0);
        std::fill_n(q_, rows * k_width_, 0.0);
        std::fill_n(output_, rows * v_width_, 0.0);
        std::fill_n(output_decoded_, rows * v_width_, 0.0);
        read_queries(tensors, queries_,
                     [&](std::uint64_t row, std::uint64_t channel) { return q_ + row * k_width_ + channel; });
    }

    void run(QueryComparison* results) {
        auto const all_tokens = panel_.tokens();
        for (std::uint64_t first = 0; first < all_tokens; first += block_tokens_) {
            auto const tokens = std::min(block_tokens_, all_tokens - first);
            multiply_all_keys<rows>(rows_of(tensors_.k, first, tokens), tokens, k_width_, q_, logits_);
            multiply_all_keys<rows>(rows_of(tensors_.k_decoded, first, tokens), tokens, k_width_, q_, logits_decoded_);
            if (stays_ != nullptr) drop_products(stays_, first, tokens, rows, logits_decoded_);
            panel_.take(logits_, logits_decoded_, first, tokens, stays_ != nullptr);
            add_all_values<rows>(rows_of(tensors_.v, first, tokens), tokens, v_width_, logits_, panel_.kept_original(),
                                 output_);
            add_all_values<rows>(rows_of(tensors_.v_decoded, first, tokens), tokens, v_width_, logits_decoded_,
                                 panel_.kept_decoded(), output_decoded_);
        }
        for (std::uint64_t row = 0; row < queries_.used; ++row) {
            auto const of = [&](double const* output) {
                return [output = output + row * v_width_](std::uint64_t c) { return output[c]; };
            };
            results[queries_.place_of(row)] =
                result_of(panel_, row, stays_, tensors_.v.shape.dim, of(output_), of(output_decoded_));
        }
    }

  private:
    std::byte const* place_of(KvView const& view, std::uint64_t token) const {
        auto const& strides = view.strides;
        return static_cast<std::byte const*>(view.data) +
               (queries_.layer * strides.layer + queries_.kv_head * strides.head + token * strides.token) *
                   element_bytes(view.type);
    }

    /// Vectors as they lie in memory where they are whole registers of floats, otherwise copied and filled up with zeros.
    FloatRows rows_of(KvView const& view, std::uint64_t first, std::uint64_t tokens) {
        auto const dim = view.shape.dim;
        FloatRows rows_at{reinterpret_cast<float const*>(place_of(view, first)), view.strides.token,
                          reinterpret_cast<std::uintptr_t>(place_of(view, first + 2 * block_tokens_)),
                          view.strides.token * element_bytes(view.type), element_bytes(view.type)};
        if (view.type == ElementType::f32 && dim % padded_to == 0) return rows_at;
        auto* const floats = reinterpret_cast<float*>(floats_);
        auto const width = padded(dim);
        with_elements(view, [&](auto const span) {
            for (std::uint64_t t = 0; t < tokens; ++t) {
                auto const* const from = span.vector(queries_.layer, queries_.kv_head, first + t);
                auto* const to = floats + t * width;
                for (std::uint64_t c = 0; c < dim; ++c) to[c] = to_float(from[c]);
                std::fill(to + dim, to + width, 0.0F);
            }
        });
        rows_at.first = floats;
        rows_at.stride = width;
        return rows_at;
    }

    AttentionTensors const& tensors_;
    std::uint64_t block_tokens_;
    TileQueries queries_;
    std::uint8_t const* stays_;
    SoftmaxPanel<row_lanes, rows> panel_;
    std::uint64_t k_width_;
    std::uint64_t v_width_;
    double *floats_, *logits_, *logits_decoded_, *q_, *output_, *output_decoded_;
};

void CompareTile(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index,
                 QueryComparison* results) {
    if (tiles.rows() == 1) return FewQueries<1>(tensors, tiles, index).run(results);
    if (tiles.rows() == 2) return FewQueries<2>(tensors, tiles, index).run(results);
    if (tiles.lanes == row_lanes) return FewQueries<4>(tensors, tiles, index).run(results);
    if (tiles.lanes == 8) return ManyQueries<8>(tensors, tiles, index).run(results);
    ManyQueries<16>(tensors, tiles, index).run(results);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(CompareTile);

void compare_tile(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index,
                  QueryComparison* results) {
    HWY_DYNAMIC_DISPATCH(CompareTile)(tensors, tiles, index, results);
}

double* attention_scratch(std::size_t count) {
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

}  // namespace kvstone
#endif
