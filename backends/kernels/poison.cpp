#include "backends/kernels/poison.hpp"

#include <algorithm>

#include <Kokkos_Core.hpp>

#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"

namespace kvstone {

// As functions with kernels have to be: named and public.

template <class Space, class Bits>
void write_poison(Space const& space, KvSpan<Bits> values, Bits poison) {
    Runs<Bits> const runs(values);
    if constexpr (runs_on_host<Space>) {
        auto const fill = [=](std::int64_t const i) {
            auto const block = runs.block(i);
            std::fill_n(block.values, block.count, poison);
        };
        if (runs.values() <= block_values) {  // waking threads takes longer
            for (std::int64_t i = 0; i < runs.blocks(); ++i) fill(i);
        } else {
            Kokkos::parallel_for("poison", Kokkos::RangePolicy<Space>(space, 0, runs.blocks()), fill);
        }
    } else {
        Kokkos::parallel_for(
            "poison", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
            KOKKOS_LAMBDA(std::int64_t const i) { runs.value(static_cast<std::uint64_t>(i)) = poison; });
    }
}

template <class Space, class Bits>
std::uint64_t count_poison(Space const& space, KvSpan<Bits> values, Bits poison) {
    Runs<Bits> const runs(values);
    std::uint64_t count = 0;
    if constexpr (runs_on_host<Space>) {
        auto const count_block = [=](std::int64_t const i, std::uint64_t& partial) {
            auto const block = runs.block(i);
            std::uint64_t found = 0;
            for (std::uint64_t k = 0; k < block.count; ++k) found += block.values[k] == poison ? 1U : 0U;
            partial += found;
        };
        if (runs.values() <= block_values) {
            for (std::int64_t i = 0; i < runs.blocks(); ++i) count_block(i, count);
        } else {
            Kokkos::parallel_reduce("count", Kokkos::RangePolicy<Space>(space, 0, runs.blocks()), count_block, count);
        }
    } else {
        Kokkos::parallel_reduce(
            "count", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
            KOKKOS_LAMBDA(std::int64_t const i, std::uint64_t& partial) {
                partial += runs.value(static_cast<std::uint64_t>(i)) == poison ? 1U : 0U;
            },
            count);
    }
    return count;
}

template <class Space, class Bits>
void replace_poison(Space const& space, KvSpan<Bits> values, Bits from, Bits to) {
    Runs<Bits> const runs(values);
    Kokkos::parallel_for(
        "repoison", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto& value = runs.value(static_cast<std::uint64_t>(i));
            if (value == from) value = to;
        });
}

namespace {

/// Calls action(span of the values' bits) on an execution space of the kind.
template <class Action>
void with_bits(KvView const& view, BackendKind kind, Action const& action) {
    if (view.shape.values() == 0) return;  // no memory may stand behind it
    with_space(kind, [&](auto const& space) {
        if (view.type == ElementType::f32)
            action(space, view.as<std::uint32_t>());
        else
            action(space, view.as<std::uint16_t>());
    });
}

}  // namespace

void poison(KvView const& target, BackendKind kind) {
    with_bits(target, kind, [&]<class Bits>(auto const& space, KvSpan<Bits> values) {
        write_poison(space, values, static_cast<Bits>(poison_bits(target.type, Poison::first)));
    });
}

std::uint64_t poisoned_values(KvView const& view, BackendKind kind, Poison which) {
    std::uint64_t count = 0;
    fence(kind);
    with_bits(view, kind, [&]<class Bits>(auto const& space, KvSpan<Bits> values) {
        count = count_poison(space, values, static_cast<Bits>(poison_bits(view.type, which)));
    });
    return count;
}

void change_poison(KvView const& view, BackendKind kind) {
    with_bits(view, kind, [&]<class Bits>(auto const& space, KvSpan<Bits> values) {
        replace_poison(space, values, static_cast<Bits>(poison_bits(view.type, Poison::first)),
                       static_cast<Bits>(poison_bits(view.type, Poison::second)));
    });
}

void fill_bytes(BackendKind kind, std::byte* memory, std::size_t bytes, std::byte byte) {
    if (bytes == 0) return;
    KvShape const shape{1, 1, 1, bytes};
    with_space(kind, [&](auto const& space) {
        write_poison(space, KvSpan<std::byte>{memory, shape, KvStrides::packed(shape)}, byte);
    });
}

}  // namespace kvstone
