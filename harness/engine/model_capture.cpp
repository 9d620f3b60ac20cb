#include "harness/engine/model_capture.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <llama.h>

#include "codecs/not_applicable.hpp"
#include "harness/engine/engine_context.hpp"
#include "harness/engine/graph_tap.hpp"
#include "harness/sources/finite.hpp"
#include "harness/sources/rope.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// From the model's metadata; keys that it lacks have the GGUF format's defaults.
Rope model_rope(Engine const& model, std::uint64_t head_dim, std::vector<double> frequency_factors) {
    auto const architecture = model.metadata("general.architecture");
    auto const base = model.metadata(architecture + ".rope.freq_base");
    auto const dims = model.metadata(architecture + ".rope.dimension_count");
    Rope rope;
    if (!base.empty()) rope.base = std::stod(base);
    rope.dims = dims.empty() ? head_dim : std::stoull(dims);
    rope.interleaved = llama_model_rope_type(model.model()) == LLAMA_ROPE_TYPE_NORM;
    rope.scale = llama_model_rope_freq_scale_train(model.model());
    rope.frequency_factors = std::move(frequency_factors);
    return rope;
}

/// |rotated - after| / |after| over the tokens that both have, `before` the shorter.
double rotation_error(HostTensor const& before, HostTensor const& after, Rope const& rope) {
    auto const rotated = rotate(before, rope, false);
    auto const* const ours = reinterpret_cast<float const*>(rotated.bytes.get());
    auto const* const theirs = reinterpret_cast<float const*>(after.bytes.get());
    auto const run = before.shape.tokens * before.shape.dim;
    double error = 0;
    double norm = 0;
    for (std::uint64_t group = 0; group < before.shape.layers * before.shape.heads; ++group) {
        for (std::uint64_t i = 0; i < run; ++i) {
            double const value = theirs[group * after.shape.tokens * after.shape.dim + i];
            double const difference = ours[group * run + i] - value;
            error += difference * difference;
            norm += value * value;
        }
    }
    return norm > 0 ? std::sqrt(error / norm) : 0;
}

/// RoPE's parameters, believed only where they do to K what the engine did: architectures differ in ways that the
/// metadata does not show (YaRN, bases by layer, sections).
void state_rope(KvTensors& tensors, GraphTap const& tap, Engine const& model) {
    constexpr double accepted_error = 1e-4;
    auto const& before = *tap.tensor(Tap::k_before);
    auto const& after = *tap.tensor(Tap::k);
    auto const rope = model_rope(model, after.shape.dim, tap.frequency_factors());
    bool const fits = rope.dims % 2 == 0 && rope.dims <= after.shape.dim &&
                      (rope.frequency_factors.empty() || rope.frequency_factors.size() == rope.dims / 2);
    auto const error = fits ? rotation_error(before, after, rope) : 1.0;
    if (error <= accepted_error) {
        tensors.rope = rope;
    } else {
        tensors.metadata["rope_note"] = fmt::format(
            "rotating K by the model's parameters {} misses the engine's K by {:.1e}", to_json(rope).dump(), error);
    }
}

}  // namespace

KvTensors capture_model(std::string const& model_path, std::string const& text_path, std::uint64_t context,
                        Needs needs) {
    Engine const model(model_path);
    auto const trained = model.trained_tokens();
    auto tokens = model.read_tokens(text_path, context != 0 ? context : trained);
    auto const wanted = context != 0 ? context : std::min<std::uint64_t>(tokens.size(), trained);
    if (wanted == 0) throw ConfigError(text_path + ": the text has no tokens");
    if (tokens.size() < wanted) {
        throw ConfigError(
            fmt::format("{}: the text has {} tokens for a context of {}", text_path, tokens.size(), wanted));
    }
    if (trained < wanted) {
        throw NotApplicable(fmt::format("{}: the model was trained on contexts of {} tokens, {} are asked of it",
                                        model_path, trained, wanted));
    }

    bool const has_rope = model.has_rope();
    GraphTap tap({.layers = model.layers(),
                  .heads = model.heads(),
                  .kv_heads = model.kv_heads(),
                  .tokens = wanted,
                  .has_rope = has_rope},
                 needs);
    {
        auto const engine = open_context(model, wanted, 0, &GraphTap::evaluate, &tap);
        for (std::uint64_t done = 0; done < wanted; done += engine_batch_tokens) {
            auto const count = static_cast<std::int32_t>(std::min(engine_batch_tokens, wanted - done));
            tap.start_batch(done, static_cast<std::uint64_t>(count));
            auto const result = llama_decode(engine.get(), llama_batch_get_one(tokens.data() + done, count));
            if (result != 0) {
                throw SystemError(fmt::format("{}: the engine fails ({}): {}", model_path, result, model.complaint()));
            }
            tap.finish_batch(model_path);
        }
    }

    KvTensors tensors;
    tensors.metadata = {
        {"architecture", model.metadata("general.architecture")},
        {"model", model.metadata("general.name")},
        {"tokens", std::to_string(wanted)},
        {"engine", engine_version()},
        {"settings", "f32 cache, no flash attention, batches of " + std::to_string(engine_batch_tokens)}};
    if (auto const window = model.window_tokens(); window != 0)
        tensors.metadata["window_tokens"] = std::to_string(window);
    if (has_rope) state_rope(tensors, tap, model);
    if (needs.k) tensors.k = tap.tensor(Tap::k);
    if (needs.v) tensors.v = tap.tensor(Tap::v);
    if (needs.k_prerope && has_rope) tensors.k_prerope = tap.tensor(Tap::k_before);
    if (needs.q) tensors.q = tap.tensor(Tap::q);
    for (auto const* tensor : {&tensors.k, &tensors.v, &tensors.k_prerope, &tensors.q}) {
        if (tensor->has_value()) require_finite(**tensor, model_path);
    }
    return tensors;
}

}  // namespace kvstone
