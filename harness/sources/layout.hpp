#pragma once
// From a foreign array's axes to [layer, head, token, dim].

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/kv_view.hpp"

namespace kvstone {

/// How an array lies in its file, in the terms of [layer, head, token, dim]; strides count elements.
struct ArrayLayout {
    KvShape shape;
    KvStrides strides;
    std::uint64_t dim_stride = 1;
    std::uint64_t batches = 1;  ///< a batch axis is folded into the heads: head = batch * heads per batch + head
    std::uint64_t batch_stride = 0;
    std::uint64_t offset = 0;  ///< elements before the first one that is read

    bool packed() const {
        return dim_stride == 1 && batches == 1 && offset == 0 && strides == KvStrides::packed(shape);
    }
};

/// Reads names of axes, slowest first, separated by spaces: layer, head, token, dim, batch, each at most once; those
/// that are not named have length 1. With fortran_order the first named axis is the fastest. Where `batch` is given, that
/// sequence alone is read. Throws ConfigError where the names or their number do not fit the axes, or where there is no such
/// sequence, and CorruptData where an axis is empty; all begin with `what`.
ArrayLayout read_layout(std::string const& layout, std::vector<std::uint64_t> const& axes, bool fortran_order,
                        std::string const& what, std::optional<std::uint64_t> batch = {});

/// The first `tokens` tokens of `source`, packed as [layer, head, token, dim].
void gather(ArrayLayout const& layout, std::uint64_t tokens, std::size_t element_bytes, std::byte const* source,
            std::byte* destination);

}  // namespace kvstone
