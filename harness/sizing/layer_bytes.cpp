#include "harness/sizing/layer_bytes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "codecs/container/tensor_codec.hpp"
#include "codecs/pipeline/pipeline.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Planes of whole bytes are then filled up to eight alike at every step.
constexpr std::uint64_t least_step_tokens = 64;
/// Codecs whose bytes depend on values need more of them: their tables and blocks are large.
constexpr std::uint64_t variable_step_tokens = 1024;
constexpr std::uint64_t most_step_tokens = 1 << 16;
constexpr double most_bend = 0.01;

struct Part {
    Component component;
    KvShape shape;
};

std::vector<Part> parts_of(CachedLayer const& layer, std::uint64_t tokens) {
    std::vector<Part> parts{{Component::k, {1, layer.kv_heads, tokens, layer.k_dim}}};
    if (layer.v_dim != 0) parts.push_back({Component::v, {1, layer.kv_heads, tokens, layer.v_dim}});
    return parts;
}

/// K went through it in all channels; bytes do not depend on more.
Rope rope_of(KvShape const& shape) {
    Rope rope;
    rope.dims = shape.dim;
    return rope;
}

StoredBytes bytes_of(ByteLedger const& ledger) {
    return {ledger.stored_bytes(), ledger[LedgerLine::headers] + ledger[LedgerLine::padding]};
}
StoredBytes operator+(StoredBytes const& a, StoredBytes const& b) { return {a.all + b.all, a.framing + b.framing}; }

/// One layer of a component, made as a synthetic source makes it.
HostTensor values_of(Part const& part, ElementType type) {
    bool const is_k = part.component == Component::k;
    Json const source{{"kind", "synthetic"},
                      {"layers", 1},
                      {"kv_heads", part.shape.heads},
                      {"head_dim", part.shape.dim},
                      {"format", 2},
                      {"rope_base", part.shape.dim % 2 == 0 ? 1e4 : 0.0},
                      {"seed", 7}};
    auto tensors = make_synthetic(source, part.shape.tokens, {.k = is_k, .v = !is_k});
    auto tensor = is_k ? std::move(*tensors.k) : std::move(*tensors.v);
    if (type == tensor.type) return tensor;
    auto const count = part.shape.values();
    auto const halves = allocate_bytes(count * sizeof(_Float16));
    for (std::uint64_t i = 0; i < count; ++i) {
        float value = 0;
        std::memcpy(&value, tensor.bytes.get() + i * sizeof value, sizeof value);
        auto const half = static_cast<_Float16>(value);
        std::memcpy(halves.get() + i * sizeof half, &half, sizeof half);
    }
    return {ElementType::f16, part.shape, halves};
}

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace

LayerBytes::LayerBytes(Codec const& codec, CachedLayer const& layer, ElementType type)
    : codec_(codec), layer_(layer), type_(type), step_tokens_(least_step_tokens) {
    if (type != ElementType::f16 && type != ElementType::f32)
        throw ConfigError("sizes are of f16 and f32", std::string(name_of(type)), {"f16", "f32"});
    std::uint64_t held = 0;  // by sinks and windows
    auto const pipelines = pipelines_of(codec);
    for (auto const& part : parts_of(layer, least_step_tokens)) {
        std::uint64_t sinks = 0;
        std::uint64_t windows = 0;
        for (std::size_t r = 0; r < pipelines.size(); ++r) {
            auto const& where = codec.rules()[r].selector;
            if (where.component && *where.component != part.component) continue;
            sinks = std::max<std::uint64_t>(sinks, where.sink_tokens.value_or(0));
            windows = std::max<std::uint64_t>(windows, where.window_tokens.value_or(0));
            Section const section{part.component, type, 0, 0, 0, part.shape, nullptr};
            auto const pages = std::max<std::uint64_t>(pipelines[r].page_tokens(section), 1);
            step_tokens_ = std::lcm(step_tokens_, pages);
            if (step_tokens_ > most_step_tokens)
                throw ConfigError("the codec's pages have no common length to measure at", codec.text());
        }
        held = std::max(held, sinks + windows);
        fixed_rate_ =
            fixed_rate_ && TensorCodec(codec, part.component, part.shape, type, BackendKind::openmp).planned().exact;
    }
    if (!fixed_rate_) step_tokens_ = rounded_up(variable_step_tokens, step_tokens_);
    first_ = rounded_up(held, step_tokens_) + step_tokens_;
    at_first_ = encoded(first_);
    auto const second = encoded(first_ + step_tokens_);
    auto const third = encoded(first_ + 2 * step_tokens_);
    linear_ = second.all >= at_first_.all;
    if (!linear_) return;
    step_ = {second.all - at_first_.all, 0};
    if (fixed_rate_) {
        step_.framing = second.framing - at_first_.framing;
        linear_ = third == second + step_;
    } else {
        auto const other = static_cast<double>(third.all) - static_cast<double>(second.all);
        linear_ = std::abs(other - static_cast<double>(step_.all)) <= most_bend * static_cast<double>(step_.all);
    }
}

StoredBytes LayerBytes::planned(std::uint64_t tokens) const {
    StoredBytes bytes;
    for (auto const& part : parts_of(layer_, tokens))
        bytes = bytes +
                bytes_of(TensorCodec(codec_, part.component, part.shape, type_, BackendKind::openmp).planned().ledger);
    return bytes;
}

StoredBytes LayerBytes::encoded(std::uint64_t tokens) const {
    StoredBytes bytes;
    for (auto const& part : parts_of(layer_, tokens)) {
        auto const tensor = values_of(part, type_);
        auto const rope = rope_of(part.shape);
        TensorCodec codec(codec_, part.component, part.shape, type_, BackendKind::openmp,
                          part.component == Component::k && part.shape.dim % 2 == 0 ? &rope : nullptr);
        auto const promised = codec.planned();
        codec.encode({const_cast<std::byte*>(tensor.bytes.get()), type_, part.shape, KvStrides::packed(part.shape)});
        fence(BackendKind::openmp);
        auto const ledger = codec.ledger();
        if (promised.exact && bytes_of(ledger) != bytes_of(promised.ledger))
            throw std::logic_error(codec_.text() + " stores other bytes than it promises");
        bytes = bytes + bytes_of(ledger);
    }
    return bytes;
}

StoredBytes LayerBytes::of(std::uint64_t tokens) {
    if (tokens == 0) return {};
    auto at = tokens;
    if (tokens >= first_ && linear_) {
        if (!fixed_rate_)
            return {at_first_.all + static_cast<std::uint64_t>(growth_bytes() * static_cast<double>(tokens - first_)),
                    at_first_.framing};
        // The length behind first_ that has as many tokens in its open page.
        at = first_ + (tokens - first_) % step_tokens_;
    } else if (tokens * layer_.values_a_token() > most_encoded_values) {
        throw ConfigError(
            fmt::format("its bytes are not linear in tokens (measured to {}), and {} are too many to encode",
                        measured_tokens(), tokens),
            codec_.text());
    }
    auto& known = known_[at];
    if (known == StoredBytes{}) known = fixed_rate_ ? planned(at) : encoded(at);
    auto const steps = (tokens - at) / step_tokens_;
    return {known.all + steps * step_.all, known.framing + steps * step_.framing};
}

}  // namespace kvstone
