#include "harness/sources/finite.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/sources/elements.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

template <class Bits>
NonFiniteValues scan(Bits const* values, std::uint64_t count, Bits mask) {
    constexpr std::uint64_t block_values = 1 << 16;
    std::uint64_t const blocks = (count + block_values - 1) / block_values;
    NonFiniteValues found{0, count};
#pragma omp parallel for schedule(static)
    for (std::uint64_t block = 0; block < blocks; ++block) {
        auto const begin = block * block_values;
        auto const end = std::min(count, begin + block_values);
        std::uint32_t bad = 0;
        for (auto i = begin; i < end; ++i) bad += (values[i] & mask) == mask ? 1U : 0U;
        if (bad == 0) continue;
        auto first = begin;
        while ((values[first] & mask) != mask) ++first;
#pragma omp critical(kvstone_find_non_finite)
        {
            found.count += bad;
            found.first = std::min(found.first, first);
        }
    }
    return found;
}

}  // namespace

NonFiniteValues find_non_finite(HostTensor const& tensor) {
    auto const mask = exponent_mask(tensor.type);
    if (tensor.type == ElementType::f32) {
        return scan(reinterpret_cast<std::uint32_t const*>(tensor.bytes.get()), tensor.shape.values(), mask);
    }
    return scan(reinterpret_cast<std::uint16_t const*>(tensor.bytes.get()), tensor.shape.values(),
                static_cast<std::uint16_t>(mask));
}

void require_finite(HostTensor const& tensor, std::string const& what) {
    auto const found = find_non_finite(tensor);
    if (found.count == 0) return;
    auto const& shape = tensor.shape;
    auto const channel = found.first % shape.dim;
    auto const token = found.first / shape.dim % shape.tokens;
    auto const head = found.first / (shape.dim * shape.tokens) % shape.heads;
    auto const layer = found.first / (shape.dim * shape.tokens * shape.heads);
    throw CorruptData(
        fmt::format("{}: {} of {} values are not finite; the first is {} at layer {}, head {}, token {}, "
                    "channel {}",
                    what, found.count, shape.values(), element_value(tensor.type, tensor.bytes.get(), found.first),
                    layer, head, token, channel));
}

}  // namespace kvstone
