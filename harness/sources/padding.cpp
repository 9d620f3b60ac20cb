#include "harness/sources/padding.hpp"

#include "harness/sources/elements.hpp"

namespace kvstone {

UsedPart used_part(HostTensor const& tensor) {
    auto const& shape = tensor.shape;
    UsedPart used;
    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
        auto const is_zero = [&](std::uint64_t token, std::uint64_t channel) {
            auto const place = (head * shape.tokens + token) * shape.dim + channel;
            return element_value(tensor.type, tensor.bytes.get(), place) == 0;
        };
        auto const token_is_zero = [&](std::uint64_t token) {
            for (std::uint64_t channel = 0; channel < shape.dim; ++channel)
                if (!is_zero(token, channel)) return false;
            return true;
        };
        auto const channel_is_zero = [&](std::uint64_t channel) {
            for (std::uint64_t token = 0; token < shape.tokens; ++token)
                if (!is_zero(token, channel)) return false;
            return true;
        };
        auto tokens = shape.tokens;
        while (tokens > used.tokens && token_is_zero(tokens - 1)) --tokens;
        used.tokens = tokens;
        auto dim = shape.dim;
        while (dim > used.dim && channel_is_zero(dim - 1)) --dim;
        used.dim = dim;
    }
    return used;
}

}  // namespace kvstone
