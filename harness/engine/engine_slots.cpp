#include "harness/engine/engine_slots.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

template <class T>
std::vector<T> values_of(ggml_tensor const& tensor) {
    std::vector<T> values(static_cast<std::size_t>(ggml_nelements(&tensor)));
    ggml_backend_tensor_get(&tensor, values.data(), 0, values.size() * sizeof(T));
    return values;
}

void copy_rows(KvSpan<float> const& span, std::uint64_t layer, std::uint64_t head, std::uint64_t first, float* memory,
               bool to_cells) {
    auto const& size = span.shape;
    for (std::uint64_t t = 0; t < size.tokens; ++t) {
        auto* const cell = memory + ((first + t) * size.heads + head) * size.dim;
        auto* const vector = span.vector(layer, head, t);
        if (to_cells)
            std::copy_n(vector, size.dim, cell);
        else
            std::copy_n(cell, size.dim, vector);
    }
}

void copy_channels(KvSpan<float> const& span, std::uint64_t layer, std::uint64_t head, std::uint64_t first,
                   std::uint64_t room, float* memory, bool to_cells) {
    auto const& size = span.shape;
    for (std::uint64_t c = 0; c < size.dim; ++c) {
        auto* const channel = memory + (head * size.dim + c) * room + first;
        for (std::uint64_t t = 0; t < size.tokens; ++t) {
            if (to_cells)
                channel[t] = span(layer, head, t, c);
            else
                span(layer, head, t, c) = channel[t];
        }
    }
}

/// The engine's memory where the host can reach it, else a copy of it, written back where it changed.
template <class Action>
void with_memory(ggml_tensor* tensor, bool changes, Action const& action) {
    if (ggml_backend_buffer_is_host(tensor->buffer)) {
        action(static_cast<float*>(tensor->data));
        return;
    }
    auto copy = values_of<float>(*tensor);
    action(copy.data());
    if (changes) ggml_backend_tensor_set(tensor, copy.data(), 0, copy.size() * sizeof(float));
}

}  // namespace

std::optional<SlotName> written_slots(ggml_tensor const& step) {
    if (step.op != GGML_OP_SET_ROWS || step.view_src == nullptr) return std::nullopt;
    std::string_view const name = step.view_src->name;
    for (auto const& [prefix, component] :
         {std::pair{std::string_view("cache_k_l"), Component::k}, {std::string_view("cache_v_l"), Component::v}}) {
        if (!name.starts_with(prefix)) continue;
        auto const digits = name.substr(prefix.size());
        std::uint64_t layer = 0;
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
        if (error == std::errc{} && end == digits.data() + digits.size()) return SlotName{component, layer};
    }
    return std::nullopt;
}

EngineSlots::EngineSlots(Engine const& engine) : engine_(&engine) {
    for (auto& own : layers_) own.assign(engine.layers(), {});
}

void EngineSlots::refuse(std::string const& why) const {
    throw ConfigError(fmt::format("{}: {}; its cache cannot be reached, and no figure of it would mean anything",
                                  engine_->path(), why),
                      engine_->metadata("general.architecture"),
                      {"models whose layers each keep K and V of one shape"});
}

void EngineSlots::require_all() const {
    for (auto const component : {Component::k, Component::v}) {
        auto const& own = layers_[static_cast<std::size_t>(component)];
        for (std::size_t layer = 0; layer < own.size(); ++layer) {
            if (own[layer].tensor == nullptr)
                refuse(fmt::format("the engine keeps no {} of layer {}", name_of(component), layer));
        }
    }
}

void EngineSlots::check_places(ggml_tensor const& step, std::uint64_t first, std::uint64_t count) const {
    auto const check = [&](auto const& places) {
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i >= places.size() || static_cast<std::uint64_t>(places[i]) != first + i)
                refuse("the engine keeps tokens in places of its own");
        }
    };
    auto const* const places = step.src[1];
    if (places != nullptr && places->type == GGML_TYPE_I64)
        check(values_of<std::int64_t>(*places));
    else if (places != nullptr && places->type == GGML_TYPE_I32)
        check(values_of<std::int32_t>(*places));
    else
        refuse("the engine does not say where it keeps tokens");
}

void EngineSlots::learn(ggml_tensor const& step, SlotName const& name, std::uint64_t tokens) {
    if (name.layer >= engine_->layers()) return;  // layers that only draft
    auto* const memory = step.view_src;
    if (memory->type != GGML_TYPE_F32 || step.src[0] == nullptr || step.src[0]->type != GGML_TYPE_F32)
        refuse(fmt::format("{} is kept as {}", memory->name, ggml_type_name(memory->type)));
    auto const rows = static_cast<std::uint64_t>(ggml_nelements(step.src[0])) / tokens;
    auto& dim = dims_[static_cast<std::size_t>(name.component)];
    if (rows == 0 || rows % engine_->kv_heads() != 0 || (dim != 0 && dim != rows / engine_->kv_heads()))
        refuse(fmt::format("{} of layer {} has {} values a token for {} heads, unlike other layers",
                           name_of(name.component), name.layer, rows, engine_->kv_heads()));
    dim = rows / engine_->kv_heads();
    // The values written, token by token, show their places in the memory.
    auto const wanted = values_of<float>(*step.src[0]);
    auto& own = layers_[static_cast<std::size_t>(name.component)][name.layer];
    KvShape const one{1, engine_->kv_heads(), tokens, dim};
    std::vector<float> lying(one.values());
    for (bool const by_channel : {false, true}) {
        own = {memory, static_cast<std::uint64_t>(ggml_nelements(memory)) / rows, by_channel};
        // [head, token, dim] of one layer with the strides of [token, head, dim].
        KvView const view{lying.data(), ElementType::f32, one, {one.values(), one.dim, one.heads * one.dim}};
        copy(name.component, name.layer, 0, view, false);
        if (std::memcmp(lying.data(), wanted.data(), wanted.size() * sizeof(float)) == 0) return;
    }
    refuse(fmt::format("the engine keeps {} in an order of its own", memory->name));
}

void EngineSlots::copy(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view,
                       bool to_cells) const {
    auto const& size = view.shape;
    if (view.type != ElementType::f32 || size.heads != engine_->kv_heads() || size.dim != dim(component) ||
        layer + size.layers > engine_->layers())
        throw std::invalid_argument("cells of another shape or type");
    auto const span = view.as<float>();
    for (std::uint64_t l = 0; l < size.layers; ++l) {
        auto const& own = layers_[static_cast<std::size_t>(component)][layer + l];
        if (first + size.tokens > own.room) throw std::invalid_argument("cells that are not there");
        with_memory(own.tensor, to_cells, [&](float* memory) {
            for (std::uint64_t head = 0; head < size.heads; ++head) {
                if (own.by_channel)
                    copy_channels(span, l, head, first, own.room, memory, to_cells);
                else
                    copy_rows(span, l, head, first, memory, to_cells);
            }
        });
    }
}

}  // namespace kvstone
