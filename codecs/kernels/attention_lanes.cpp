#include "codecs/kernels/attention_lanes.hpp"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/attention_lanes.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "codecs/kernels/panel_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Hands out memory that starts cache lines; without any, it counts what is needed.
class Arena {
  public:
    explicit Arena(std::byte* memory) : memory_(memory) {}
    template <class T>
    T* take(std::size_t count) {
        auto* const place = memory_ == nullptr ? nullptr : memory_ + used_;
        used_ += (count * sizeof(T) + 63) / 64 * 64;
        return reinterpret_cast<T*>(place);
    }
    std::size_t used() const { return used_; }

  private:
    std::byte* memory_;
    std::size_t used_ = 0;
};

template <int rows>
class HeadAttention {
  public:
    HeadAttention(AttendedHead const& head, AttentionScratch& scratch)
        : head_(head), k_(side_of(*head.k)), v_(side_of(*head.v)), panels_((head.rows + rows - 1) / rows) {
        Arena counting(nullptr);
        lay_out(counting);
        scratch.resize(std::max(scratch.size(), counting.used() + 64));
        auto const first = reinterpret_cast<std::uintptr_t>(scratch.data());
        auto* const memory = scratch.data() + ((first + 63) / 64 * 64 - first);
        std::fill_n(memory, counting.used(), std::byte{0});
        Arena arena(memory);
        lay_out(arena);
        for (auto const* const side : {&k_, &v_}) find_channels(*side);
    }

    void run() {
        read_queries();
        auto const tokens = k_.rows->shape.tokens;
        std::uint64_t k_end = 0, v_end = 0;
        for (std::uint64_t first = 0, end = 0; first < tokens; first = end) {
            bool const new_k = first == k_end, new_v = first == v_end;
            if (new_k) k_end = k_.page_end(first);
            if (new_v) v_end = v_.page_end(first);
            end = std::min({first + block_tokens, tokens, k_end, v_end});
            auto const count = static_cast<std::size_t>(end - first);
            prepare_block(k_, first, count, new_k);
            prepare_block(v_, first, count, new_v);
            for (std::size_t p = 0; p < panels_; ++p) {
                auto const panel = panel_of(p);
                if (new_k) fold_page(panel);
                with_reader(k_, first, [&](auto const& reader) HWY_ATTR {
                    multiply_all_keys<rows>(reader, count, k_.steps(), panel.folded, p == 0, block_.weights);
                });
                weigh<rows>(panel, count, block_);
                if (v_.by_token()) scale_weights<rows>(v_, count, v_.rows->zeros != nullptr, block_);
                with_reader(v_, first, [&](auto const& reader) HWY_ATTR {
                    add_all_values<rows>(reader, v_, count, p == 0, block_, panel.outputs);
                });
            }
        }
        write_outputs();
    }

  private:
    Side side_of(StoredRows const& rows_of) const {
        return {.rows = &rows_of,
                .layer = head_.layer,
                .head = head_.head,
                .slots = (rows_of.shape.dim + chunk_channels - 1) / chunk_channels * chunk_channels,
                .decoded = !fits_registers(rows_of)};
    }
    void lay_out(Arena& arena) {
        auto const all = panels_ * rows;
        panel_ = {.q = arena.take<float>(all * k_.slots),
                  .folded = k_.by_page() ? arena.take<float>(all * k_.slots) : nullptr,
                  .bases = arena.take<float>(all),
                  .outputs = arena.take<double>(all * v_.slots),
                  .most = arena.take<float>(all),
                  .sums = arena.take<double>(all)};
        if (!k_.by_page()) panel_.folded = panel_.q;
        block_.weights = arena.take<float>(block_tokens * rows + lane_pad);
        block_.scaled = arena.take<float>(v_.chunks() * block_stride * rows);
        block_.origins = arena.take<float>(v_.chunks() * rows);
        for (auto* const side : {&k_, &v_}) {
            side->tile = side->decoded ? arena.take<float>(block_tokens * side->slots) : nullptr;
            side->scales = arena.take<float>(side->chunks() * block_stride);
            side->zeros = arena.take<float>(side->chunks() * block_stride);
            side->page_scales = arena.take<float>(side->slots);
            side->page_zeros = arena.take<float>(side->slots);
            side->in_order = arena.take<float>(side->slots + lane_pad);
            side->channels = arena.take<std::uint32_t>(side->slots);
        }
    }
    Panel panel_of(std::size_t p) const {
        return {.q = panel_.q + p * rows * k_.slots,
                .folded = panel_.folded + p * rows * k_.slots,
                .bases = panel_.bases + p * rows,
                .outputs = panel_.outputs + p * rows * v_.slots,
                .most = panel_.most + p * rows,
                .sums = panel_.sums + p * rows};
    }

    /// Rows that are not there are zero.
    void read_queries() {
        std::fill_n(panel_.most, panels_ * rows, std::numeric_limits<float>::lowest());
        constexpr double log2_e = 1.4426950408889634;
        auto const dim = k_.rows->shape.dim;
        for (std::size_t slot = 0; slot < k_.slots; ++slot) {
            auto const channel = k_.channels[slot];
            if (channel >= dim) continue;
            for (std::size_t row = 0; row < head_.rows; ++row)
                panel_.q[row * k_.slots + slot] =
                    static_cast<float>(static_cast<double>(head_.queries[row * dim + channel]) * head_.scale * log2_e);
        }
    }
    /// q . (scale code + origin) = (q scale) . code + q . origin
    void fold_page(Panel const& panel) const {
        if (!k_.by_page()) return;
        Floats const d;
        for (int row = 0; row < rows; ++row) {
            auto const* const q = panel.q + row * k_.slots;
            auto* const folded = panel.folded + row * k_.slots;
            auto base = hn::Zero(d);
            for (std::size_t slot = 0; slot < k_.slots; slot += lanes) {
                auto const value = hn::Load(d, q + slot);
                hn::Store(hn::Mul(value, hn::Load(d, k_.page_scales + slot)), d, folded + slot);
                base = hn::MulAdd(value, hn::Load(d, k_.page_zeros + slot), base);
            }
            panel.bases[row] = hn::ReduceSum(d, base);
        }
    }
    void write_outputs() const {
        auto const dim = v_.rows->shape.dim;
        for (std::size_t slot = 0; slot < v_.slots; ++slot) {
            auto const channel = v_.channels[slot];
            if (channel >= dim) continue;
            for (std::size_t row = 0; row < head_.rows; ++row)
                head_.outputs[row * dim + channel] =
                    static_cast<float>(panel_.outputs[row * v_.slots + slot] / panel_.sums[row]);
        }
    }

    AttendedHead const& head_;
    Side k_, v_;
    std::size_t panels_;
    Panel panel_{};
    BlockWeights<rows> block_{};
};

void AttendHead(AttendedHead const& head, AttentionScratch& scratch) {
    if (head.rows == 1) return HeadAttention<1>(head, scratch).run();
    if (head.rows == 2) return HeadAttention<2>(head, scratch).run();
    HeadAttention<4>(head, scratch).run();
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(AttendHead);

void attend_head(AttendedHead const& head, AttentionScratch& scratch) {
    HWY_DYNAMIC_DISPATCH(AttendHead)(head, scratch);
}

}  // namespace kvstone
#endif
