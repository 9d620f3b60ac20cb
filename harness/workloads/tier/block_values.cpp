#include "harness/workloads/tier/block_values.hpp"

#include <cstring>
#include <utility>

#include "harness/cache/block_key.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

BlockValues::BlockValues(KvTensors tensors) : tensors_(std::move(tensors)) {
    if (!tensors_.k && !tensors_.v) throw CorruptData("the source has neither K nor V");
    for (auto const& [component, tensor] : {std::pair{Component::k, &tensors_.k}, {Component::v, &tensors_.v}}) {
        if (!tensor->has_value()) continue;
        parts_.push_back({component, (*tensor)->type, (*tensor)->shape, bytes_});
        bytes_ += parts_.back().bytes();
    }
}

std::vector<std::byte> BlockValues::of_block(std::uint64_t block) const {
    std::vector<std::byte> values(bytes_);
    for (auto const& part : parts_) {
        auto const& shape = part.shape;
        auto const token_bytes = shape.dim * element_bytes(part.type);
        auto const first = hash_of(block) % shape.tokens;
        auto const* from = (part.component == Component::k ? tensors_.k : tensors_.v)->bytes.get();
        auto* to = values.data() + part.offset;
        for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
            std::memcpy(to, from + first * token_bytes, (shape.tokens - first) * token_bytes);
            std::memcpy(to + (shape.tokens - first) * token_bytes, from, first * token_bytes);
            from += shape.tokens * token_bytes;
            to += shape.tokens * token_bytes;
        }
    }
    return values;
}

ErrorSums BlockValues::errors(std::uint64_t block, std::span<std::byte const> values) const {
    auto const original = of_block(block);
    ErrorSums sums;
    for (auto const& part : parts_)
        sums += measure_error_sums(part.shape, part.type, original.data() + part.offset, values.data() + part.offset);
    return sums;
}

KvView view_of(BlockPart const& part, std::span<std::byte> values) {
    return {values.data() + part.offset, part.type, part.shape, KvStrides::packed(part.shape)};
}

KvView view_of(BlockPart const& part, std::span<std::byte const> values) {
    return view_of(part, std::span(const_cast<std::byte*>(values.data()), values.size()));
}

}  // namespace kvstone
