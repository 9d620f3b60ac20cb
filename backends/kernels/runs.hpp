#pragma once
// A box of a tensor as runs of consecutive values, cut into blocks: the shape in which kernels walk over it.

#include <cstdint>
#include <type_traits>

#include <Kokkos_Core.hpp>

#include "backends/kv_view.hpp"

namespace kvstone {

/// Values a thread works on at a time. Fixed, so that what a block yields never depends on the number of threads.
inline constexpr std::uint64_t block_values = 16384;
/// Values that a kernel stages in the first-level cache between reading and writing.
inline constexpr std::uint64_t staged_values = 1024;

/// True where loops run on the host's cores: there kernels stage and stream, elsewhere one thread takes one value.
template <class Space>
inline constexpr bool runs_on_host = Kokkos::SpaceAccessibility<Space, Kokkos::HostSpace>::accessible;

/// Part of a run: `count` consecutive values that stand at `packed` when the box is written as [layer, head, token,
/// dim].
template <class T>
struct Block {
    T* values;
    std::uint64_t packed;
    std::uint64_t count;
};

/// The longest runs of consecutive values in a span, in packed order.
template <class T>
class Runs {
  public:
    explicit Runs(KvSpan<T> const& span) : data_(span.data), strides_(span.strides) {
        auto const& shape = span.shape;
        if (span.contiguous()) {
            run_values_ = shape.values();
            count_ = run_values_ > 0 ? 1 : 0;
        } else if (shape.tokens <= 1 || span.strides.token == shape.dim) {
            run_values_ = shape.tokens * shape.dim;
            heads_ = shape.heads;
            count_ = shape.layers * shape.heads;
        } else {
            run_values_ = shape.dim;
            heads_ = shape.heads;
            tokens_ = shape.tokens;
            count_ = shape.vectors();
        }
        blocks_per_run_ = (run_values_ + block_values - 1) / block_values;
    }

    std::uint64_t values() const { return count_ * run_values_; }
    std::int64_t blocks() const { return static_cast<std::int64_t>(count_ * blocks_per_run_); }

    KOKKOS_INLINE_FUNCTION T* run(std::uint64_t index) const {
        auto const token = index % tokens_;
        auto const head = index / tokens_ % heads_;
        auto const layer = index / tokens_ / heads_;
        return data_ + layer * strides_.layer + head * strides_.head + token * strides_.token;
    }
    KOKKOS_INLINE_FUNCTION Block<T> block(std::int64_t index) const {
        auto const at = static_cast<std::uint64_t>(index);
        auto const run_index = at / blocks_per_run_;
        auto const first = at % blocks_per_run_ * block_values;
        auto const left = run_values_ - first;
        return {run(run_index) + first, run_index * run_values_ + first, left < block_values ? left : block_values};
    }
    /// The value that stands at `packed` in packed order.
    KOKKOS_INLINE_FUNCTION T& value(std::uint64_t packed) const {
        if (count_ == 1) return data_[packed];
        return run(packed / run_values_)[packed % run_values_];
    }

  private:
    T* data_;
    KvStrides strides_;
    std::uint64_t run_values_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t heads_ = 1;
    std::uint64_t tokens_ = 1;
    std::uint64_t blocks_per_run_ = 0;
};

}  // namespace kvstone
