#include "harness/workloads/verify.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "backends/floats.hpp"
#include "codecs/container.hpp"
#include "codecs/error_bounds.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t kBoundValues = std::uint64_t{1} << 18;

HostTensor first_tokens(HostTensor const& tensor, std::uint64_t tokens) {
    HostTensor part{tensor.type, tensor.shape, nullptr};
    part.shape.tokens = tokens;
    auto const token_bytes = tensor.shape.dim * element_bytes(tensor.type);
    std::shared_ptr<std::byte> const bytes(new std::byte[part.shape.vectors() * token_bytes],
                                           std::default_delete<std::byte[]>());
    for (std::uint64_t head = 0; head < tensor.shape.layers * tensor.shape.heads; ++head)
        std::memcpy(bytes.get() + head * tokens * token_bytes,
                    tensor.bytes.get() + head * tensor.shape.tokens * token_bytes, tokens * token_bytes);
    part.bytes = bytes;
    return part;
}

std::vector<float> widened(std::byte const* data, ElementType type, KvShape const& shape) {
    std::vector<float> values(shape.values());
    with_elements({const_cast<std::byte*>(data), type, shape, KvStrides::packed(shape)}, [&](auto span) {
        std::transform(span.data, span.data + values.size(), values.begin(),
                       [](auto value) { return to_float(value); });
    });
    return values;
}

}  // namespace

void refuse(Measurement& measurement, Status status, std::string const& component, std::string const& reason) {
    if (measurement.status != Status::ok) return;
    measurement.status = status;
    measurement.reason = fmt::format("{}: {}", component, reason);
}

void check_values(ErrorSums const& sums, std::string const& component, Measurement& measurement) {
    if (sums.made > 0)
        refuse(measurement, Status::verify_failed, component,
               fmt::format("{} finite values were decoded as NaN or infinity", sums.made));
    if (sums.lost > 0)
        refuse(measurement, Status::error, component,
               fmt::format("{} of {} values that are NaN or infinite in the original do not survive this codec",
                           sums.lost, sums.nonfinite));
}

bool stored_bytes_matter(TensorCodec& codec, std::span<std::byte> container, Workbench const& bench,
                         std::uint64_t decoded_hash) {
    if (!spoil_container(container)) return false;
    try {
        codec.load(container);
        codec.decode(bench.decoded());
    } catch (CorruptData const&) {
        return true;
    }
    return bench.decoded_hash() != decoded_hash;
}

std::uint64_t values_beyond_bounds(Codec const& codec, Component component, Workbench const& bench, BackendKind kind,
                                   Rope const* rope) {
    auto const& tensor = bench.tensor();
    auto const per_token = tensor.shape.layers * tensor.shape.heads * tensor.shape.dim;
    if (tensor.shape.values() == 0) return 0;
    Workbench const part(
        first_tokens(tensor, std::clamp<std::uint64_t>(kBoundValues / per_token, 1, tensor.shape.tokens)), kind);
    auto const& [type, shape, bytes] = part.tensor();
    TensorCodec encoder(codec, component, shape, type, kind, rope);
    encoder.encode(part.original());
    TensorCodec decoder(codec, component, shape, type, kind);
    decoder.load(encoder.seal());
    decoder.decode(part.decoded());
    auto const original = widened(bytes.get(), type, shape);
    auto const decoded = part.with_decoded([&](std::byte const* data) { return widened(data, type, shape); });
    auto const bounds = declared_error_bounds(codec, component, shape, type, original, rope);
    std::uint64_t beyond = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        if (std::isinf(bounds[i])) continue;
        double const error = std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(original[i]));
        beyond += error <= bounds[i] ? 0 : 1;
    }
    return beyond;
}

}  // namespace kvstone
