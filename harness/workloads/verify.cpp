#include "harness/workloads/verify.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/kernels/floats.hpp"
#include "codecs/container/container.hpp"
#include "codecs/container/error_bounds.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// The part of a tensor for slow references and second encodings.
constexpr std::uint64_t kPartValues = std::uint64_t{1} << 18;
constexpr unsigned kCorruptionRounds = 4;

/// The first tokens of all layers and heads, kPartValues values or one token.
HostTensor first_tokens(HostTensor const& tensor) {
    auto const per_token = tensor.shape.layers * tensor.shape.heads * tensor.shape.dim;
    auto const tokens = std::clamp<std::uint64_t>(kPartValues / per_token, 1, tensor.shape.tokens);
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

/// Values between -1 and 1 that have nothing to do with any tensor.
HostTensor noise(ElementType type, KvShape const& shape) {
    std::shared_ptr<std::byte> const bytes(new std::byte[shape.values() * element_bytes(type)],
                                           std::default_delete<std::byte[]>());
    with_elements({bytes.get(), type, shape, KvStrides::packed(shape)}, [&]<class T>(KvSpan<T> span) {
        std::mt19937 random(1);
        for (std::uint64_t i = 0; i < shape.values(); ++i)
            span.data[i] = from_float<T>(static_cast<float>(random() >> 8) * 0x1p-23F - 1);
    });
    return {type, shape, bytes};
}

/// Whether the container of other values decodes to something else than that of the bench's first tokens. These are
/// encoded last: a decoder that remembers its input is detected.
bool other_values_decode_to_others(Codec const& codec, Component component, Workbench const& bench, BackendKind kind,
                                   Rope const* rope) {
    Workbench const part(first_tokens(bench.tensor()), kind);
    auto const& [type, shape, bytes] = part.tensor();
    Workbench const other(noise(type, shape), kind);
    TensorCodec encoder(codec, component, shape, type, kind, rope);
    encoder.encode(other.original());
    auto const of_other = encoder.seal();
    encoder.encode(part.original());
    TensorCodec decoder(codec, component, shape, type, kind);
    decoder.load(encoder.seal());
    decoder.decode(part.decoded());
    decoder.load(of_other);
    decoder.decode(other.decoded());
    return part.decoded_hash() != other.decoded_hash();
}

bool all_the_same(Workbench const& bench) {
    return bench.with_decoded([&](std::byte const* data) {
        auto const size = element_bytes(bench.tensor().type);
        return std::memcmp(data, data + size, bench.bytes() - size) == 0;
    });
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

void warn(Measurement& measurement, std::string const& text, bool loudly) {
    if (loudly) std::fprintf(stderr, "kvstone: %s\n", text.c_str());
    if (measurement.status != Status::ok) return;
    measurement.reason += (measurement.reason.empty() ? "" : "; ") + text;
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

Dependence find_dependence(Codec const& codec, Component component, TensorCodec& decoder,
                           std::span<std::byte> container, Workbench const& bench, BackendKind kind, Rope const* rope) {
    if (bench.tensor().shape.values() == 0) return Dependence::shown;
    auto const decoded_hash = bench.decoded_hash();
    bool complained = false;
    for (unsigned round = 0; round < kCorruptionRounds && corrupt_container(container, round); ++round) {
        try {
            decoder.load(container);
            decoder.decode(bench.decoded());
            if (bench.decoded_hash() != decoded_hash) return Dependence::shown;
        } catch (CorruptData const&) {
            complained = true;
        } catch (UnwrittenValues const&) {
            return Dependence::shown;
        }
        corrupt_container(container, round);
    }
    bool const alike = !complained && all_the_same(bench);
    if ((!complained && !alike) || !other_values_decode_to_others(codec, component, bench, kind, rope))
        return Dependence::none;
    return complained ? Dependence::shown : Dependence::nothing_stored;
}

std::uint64_t values_beyond_bounds(Codec const& codec, Component component, Workbench const& bench, BackendKind kind,
                                   Rope const* rope) {
    if (bench.tensor().shape.values() == 0) return 0;
    Workbench const part(first_tokens(bench.tensor()), kind);
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
