#include "harness/engine/graph_tap.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml.h>

#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t rope_sample_tokens = 64;

struct TapName {
    char letter;  ///< K, V or Q
    std::uint64_t layer;
};

std::optional<TapName> parse_name(std::string_view name) {
    if (name.empty()) return std::nullopt;
    char const letter = name.front();
    if (letter != 'K' && letter != 'V' && letter != 'Q') return std::nullopt;
    name.remove_prefix(1);
    for (std::string_view const kind : {"cur-", "cur_normed-"}) {
        if (!name.starts_with(kind)) continue;
        auto const digits = name.substr(kind.size());
        std::uint64_t layer = 0;
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
        if (error == std::errc{} && end == digits.data() + digits.size()) return TapName{letter, layer};
    }
    return std::nullopt;
}

/// Values in the order of the tensor's axes, the first one fastest.
std::vector<float> read_values(ggml_tensor const& tensor) {
    std::vector<float> values(static_cast<std::size_t>(ggml_nelements(&tensor)));
    if (ggml_is_contiguous(&tensor)) {
        ggml_backend_tensor_get(&tensor, values.data(), 0, values.size() * sizeof(float));
        return values;
    }
    // A view into a wider tensor (GPT-2 computes Q, K and V at once); the engine runs on the processor.
    auto* to = values.data();
    auto const row = static_cast<std::size_t>(tensor.ne[0]);
    for (std::int64_t k = 0; k < tensor.ne[3]; ++k) {
        for (std::int64_t j = 0; j < tensor.ne[2]; ++j) {
            for (std::int64_t i = 0; i < tensor.ne[1]; ++i, to += row) {
                auto const offset = static_cast<std::size_t>(i) * tensor.nb[1] +
                                    static_cast<std::size_t>(j) * tensor.nb[2] +
                                    static_cast<std::size_t>(k) * tensor.nb[3];
                std::memcpy(to, static_cast<char const*>(tensor.data) + offset, row * sizeof(float));
            }
        }
    }
    return values;
}

}  // namespace

GraphTap::GraphTap(TapShape const& shape, Needs needs) : shape_(shape) {
    auto const sample = std::min(shape.tokens, rope_sample_tokens);
    kept_[static_cast<std::size_t>(Tap::k)] = {needs.k || shape.has_rope, shape.kv_heads, shape.tokens, {}, {}, {}};
    kept_[static_cast<std::size_t>(Tap::k_before)] = {
        shape.has_rope, shape.kv_heads, needs.k_prerope ? shape.tokens : sample, {}, {}, {}};
    kept_[static_cast<std::size_t>(Tap::v)] = {needs.v, shape.kv_heads, shape.tokens, {}, {}, {}};
    kept_[static_cast<std::size_t>(Tap::q)] = {needs.q, shape.heads, shape.tokens, {}, {}, {}};
}

void GraphTap::start_batch(std::uint64_t first, std::uint64_t count) {
    first_ = first;
    count_ = count;
    for (auto& kept : kept_) kept.seen.assign(shape_.layers, false);
}

void GraphTap::finish_batch(std::string const& what) const {
    if (!refusal_.empty()) throw ConfigError(what + ": " + refusal_);
    constexpr char const* names[] = {"K", "K before RoPE", "V", "Q"};
    for (std::size_t tap = 0; tap < kept_.size(); ++tap) {
        if (!kept_[tap].needed) continue;
        auto const missing = std::find(kept_[tap].seen.begin(), kept_[tap].seen.end(), false);
        if (missing == kept_[tap].seen.end()) continue;
        throw ConfigError(
            fmt::format("{}: the engine does not show {} of layer {} under the usual names: this architecture "
                        "cannot be captured",
                        what, names[tap], missing - kept_[tap].seen.begin()));
    }
}

bool GraphTap::evaluate(ggml_tensor* tensor, bool ask, void* user_data) {
    auto& tap = *static_cast<GraphTap*>(user_data);
    // Asked whether the tensor is of interest, and later told that it is computed; true lets the graph run on.
    if (ask) return parse_name(tensor->name).has_value();
    if (tap.refusal_.empty()) tap.take(*tensor);
    return true;
}

void GraphTap::take(ggml_tensor const& tensor) {
    auto const name = parse_name(tensor.name);
    if (!name || name->layer >= shape_.layers) return;
    if (tensor.type != GGML_TYPE_F32) {
        refusal_ = fmt::format("{} is computed as {}, not as f32", tensor.name, ggml_type_name(tensor.type));
        return;
    }
    auto& k = kept_[static_cast<std::size_t>(Tap::k)];
    if (name->letter == 'V') {
        store(kept_[static_cast<std::size_t>(Tap::v)], tensor, name->layer);
    } else if (name->letter == 'Q') {
        store(kept_[static_cast<std::size_t>(Tap::q)], tensor, name->layer);
    } else if (!shape_.has_rope || tensor.op == GGML_OP_ROPE || k.seen[name->layer]) {
        store(k, tensor, name->layer);
        if (tensor.op == GGML_OP_ROPE) take_frequency_factors(tensor);
    } else {
        store(kept_[static_cast<std::size_t>(Tap::k_before)], tensor, name->layer);
    }
}

void GraphTap::take_frequency_factors(ggml_tensor const& tensor) {
    if (tensor.src[2] == nullptr || !frequency_factors_.empty() || tensor.src[2]->type != GGML_TYPE_F32) return;
    auto const factors = read_values(*tensor.src[2]);
    frequency_factors_.assign(factors.begin(), factors.end());
}

void GraphTap::store(Kept& kept, ggml_tensor const& tensor, std::uint64_t layer) {
    if (!kept.needed) return;
    auto const values = read_values(tensor);
    auto const dim = values.size() / (kept.heads * count_);
    if (dim == 0 || values.size() != dim * kept.heads * count_ || (kept.tensor && kept.tensor->shape.dim != dim)) {
        refusal_ =
            fmt::format("{} has {} values for {} heads and {} tokens: layers of different shapes are not captured",
                        tensor.name, values.size(), kept.heads, count_);
        return;
    }
    if (!kept.tensor) {
        KvShape const shape{shape_.layers, kept.heads, kept.tokens, dim};
        auto const bytes = allocate_bytes(shape.values() * sizeof(float));
        kept.bytes = bytes.get();
        kept.tensor = HostTensor{ElementType::f32, shape, bytes};
    }
    for (std::uint64_t i = 0; i < count_ && first_ + i < kept.tokens; ++i) {
        for (std::uint64_t head = 0; head < kept.heads; ++head) {
            auto const vector = ((layer * kept.heads + head) * kept.tokens + first_ + i) * dim;
            std::memcpy(kept.bytes + vector * sizeof(float), values.data() + (i * kept.heads + head) * dim,
                        dim * sizeof(float));
        }
    }
    kept.seen[layer] = true;
}

}  // namespace kvstone
