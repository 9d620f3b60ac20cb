#include "backends/kernels/hadamard_vectors.hpp"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/kernels/hadamard_vectors.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>

// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

constexpr std::size_t lanes = hn::MaxLanes(Floats());
/// Registers of a block that goes through registers alone.
constexpr std::size_t most_registers = 16;
constexpr std::uint64_t most_in_registers = most_registers * lanes;
constexpr std::size_t line_registers = cache_line_bytes / sizeof(float) / lanes;

/// Lane i of the result is lane i ^ step.
template <std::size_t step>
HWY_INLINE FloatVector swapped(FloatVector values) {
    Floats const d;
    if constexpr (step == 1) {
        return hn::Reverse2(d, values);
    } else if constexpr (step == 2) {
        return hn::Shuffle1032(values);
    } else if constexpr (2 * step == lanes) {
        return hn::ConcatLowerUpper(d, values, values);
    } else {
        return hn::SwapAdjacentBlocks(values);
    }
}

/// Sums and differences of neighbours `step` lanes apart. Products with 1 and -1 are exact, fused or not.
template <std::size_t step>
HWY_INLINE FloatVector step_in_lanes(FloatVector values) {
    if constexpr (step < lanes) {
        Floats const d;
        hn::RebindToUnsigned<Floats> const dw;
        auto const bit = hn::And(hn::Iota(dw, 0), hn::Set(dw, step));
        auto const signs =
            hn::IfThenElse(hn::RebindMask(d, hn::Eq(bit, hn::Zero(dw))), hn::Set(d, 1.0F), hn::Set(d, -1.0F));
        return hn::MulAdd(values, signs, swapped<step>(values));
    } else {
        return values;
    }
}

/// A block's values after all steps but the last one, and before what is multiplied with at the end.
template <std::size_t registers>
HWY_INLINE void begin_block(float const* in, float const* before, FloatVector (&values)[registers]) {
    Floats const d;
    HWY_UNROLL(16)
    for (std::size_t r = 0; r < registers; ++r) {
        auto value = hn::Mul(load_ahead(in + r * lanes), hn::LoadU(d, before + r * lanes));
        value = step_in_lanes<1>(value);
        value = step_in_lanes<2>(value);
        value = step_in_lanes<4>(value);
        values[r] = step_in_lanes<8>(value);
    }
    HWY_UNROLL(4)
    for (std::size_t step = 1; 2 * step < registers; step *= 2) {
        HWY_UNROLL(16)
        for (std::size_t r = 0; r < registers; ++r) {
            if ((r & step) != 0) continue;
            auto const low = values[r];
            values[r] = hn::Add(low, values[r + step]);
            values[r + step] = hn::Sub(low, values[r + step]);
        }
    }
}

/// A block from registers to `out`, which may be `in`, in whole lines.
template <std::size_t registers, bool streaming>
HWY_INLINE void block_in_registers(float const* in, float const* before, float const* after, float* out) {
    Floats const d;
    FloatVector values[registers];
    begin_block(in, before, values);
    auto const put_one = [&](std::size_t r, FloatVector value) HWY_ATTR {
        put<streaming>(hn::Mul(value, hn::LoadU(d, after + r * lanes)), d, out + r * lanes);
    };
    if constexpr (registers == 1) {
        put_one(0, values[0]);
    } else {
        constexpr std::size_t half = registers / 2;
        constexpr std::size_t together = line_registers < half ? line_registers : half;
        HWY_UNROLL(16)
        for (std::size_t first = 0; first < half; first += together) {
            for (std::size_t r = first; r < first + together; ++r) put_one(r, hn::Add(values[r], values[r + half]));
            for (std::size_t r = first; r < first + together; ++r)
                put_one(r + half, hn::Sub(values[r], values[r + half]));
        }
    }
}

/// A larger block: parts through registers, the wider steps in the first-level cache.
template <bool streaming>
HWY_INLINE void block_in_cache(std::uint64_t count, float const* in, float const* before, float const* after,
                               float const* ones, float* out) {
    Floats const d;
    alignas(cache_line_bytes) float stage[most_hadamard_values];
    for (std::uint64_t first = 0; first < count; first += most_in_registers) {
        block_in_registers<most_registers, false>(in + first, before + first, ones, stage + first);
    }
    for (auto step = most_in_registers; step < count / 2; step *= 2) {
        for (std::uint64_t first = 0; first < count; first += 2 * step) {
            for (auto i = first; i < first + step; i += lanes) {
                auto const low = hn::Load(d, stage + i);
                auto const high = hn::Load(d, stage + i + step);
                hn::Store(hn::Add(low, high), d, stage + i);
                hn::Store(hn::Sub(low, high), d, stage + i + step);
            }
        }
    }
    auto const half = count / 2;
    for (std::uint64_t i = 0; i < half; i += lanes) {
        auto const sum = hn::Add(hn::Load(d, stage + i), hn::Load(d, stage + i + half));
        hn::Store(hn::Sub(hn::Load(d, stage + i), hn::Load(d, stage + i + half)), d, stage + i + half);
        put<streaming>(hn::Mul(sum, hn::LoadU(d, after + i)), d, out + i);
    }
    for (auto i = half; i < count; i += lanes) {
        put<streaming>(hn::Mul(hn::Load(d, stage + i), hn::LoadU(d, after + i)), d, out + i);
    }
}

template <bool streaming>
HWY_INLINE void transform_block(std::uint64_t count, float const* in, float const* before, float const* after,
                                float const* ones, float* out) {
    switch (count / lanes) {
        case 0: {
            float stage[lanes];
            hadamard_in_cache(count, in, before, after, stage);
            std::memcpy(out, stage, count * sizeof(float));
            return;
        }
        case 1:
            return block_in_registers<1, streaming>(in, before, after, out);
        case 2:
            return block_in_registers<2, streaming>(in, before, after, out);
        case 4:
            return block_in_registers<4, streaming>(in, before, after, out);
        case 8:
            return block_in_registers<8, streaming>(in, before, after, out);
        case 16:
            return block_in_registers<16, streaming>(in, before, after, out);
        default:
            return block_in_cache<streaming>(count, in, before, after, ones, out);
    }
}

void transform_on(HadamardVectors const& vectors, HadamardRows const& rows) {
    alignas(cache_line_bytes) float ones[most_in_registers];
    for (auto& one : ones) one = 1;
    for (std::uint64_t t = 0; t < vectors.count; ++t) {
        auto const* const from = vectors.in + t * vectors.in_stride;
        auto* const to = vectors.out + t * vectors.out_stride;
        for (std::uint64_t first = 0, values = 0; first < vectors.dim; first += values) {
            values = hadamard_block(first, vectors.dim, rows.most_values);
            auto const in_line = reinterpret_cast<std::uintptr_t>(to + first) % cache_line_bytes;
            if (vectors.streaming && in_line == 0 && values * sizeof(float) >= cache_line_bytes) {
                transform_block<true>(values, from + first, rows.before + first, rows.after + first, ones, to + first);
            } else {
                transform_block<false>(values, from + first, rows.before + first, rows.after + first, ones, to + first);
            }
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(transform_on);

void transform_vectors(HadamardVectors const& vectors, HadamardRows const& rows) {
    HWY_DYNAMIC_DISPATCH(transform_on)(vectors, rows);
}

}  // namespace kvstone
#endif
