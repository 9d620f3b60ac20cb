#ifdef KVSTONE_HAS_LLAMA

#include "harness/sources/model_capture.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string_view>

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>
#include <omp.h>

#include "harness/sources/finite.hpp"
#include "harness/sources/graph_tap.hpp"
#include "harness/sources/mapped_file.hpp"
#include "harness/sources/rope.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Tokens that run at once: bounds the engine's memory beside cache and weights.
constexpr std::uint64_t batch_tokens = 512;

/// What the engine complained of last. It logs to standard error otherwise, a page a model.
class EngineLog {
  public:
    EngineLog() { llama_log_set(&EngineLog::take, this); }
    ~EngineLog() {
        llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    }
    EngineLog(EngineLog const&) = delete;
    EngineLog& operator=(EngineLog const&) = delete;
    std::string complaint() const {
        auto const end = errors_.find_last_not_of('\n');
        return end == std::string::npos ? "the engine gives no reason" : errors_.substr(0, end + 1);
    }

  private:
    static void take(ggml_log_level level, char const* text, void* self) {
        if (level == GGML_LOG_LEVEL_ERROR) static_cast<EngineLog*>(self)->errors_ += text;
    }
    std::string errors_;
};

struct ModelDeleter {
    void operator()(llama_model* model) const { llama_model_free(model); }
};
struct ContextDeleter {
    void operator()(llama_context* context) const { llama_free(context); }
};
using Model = std::unique_ptr<llama_model, ModelDeleter>;
using Context = std::unique_ptr<llama_context, ContextDeleter>;

Model open_model(std::string const& path, EngineLog const& log) {
    auto const file = map_file(path);
    if (file.size < 4 || std::memcmp(file.bytes.get(), "GGUF", 4) != 0) {
        throw CorruptData(path + ": not a GGUF file: it does not begin with GGUF");
    }
    auto parameters = llama_model_default_params();
    parameters.n_gpu_layers = 0;
    Model model(llama_model_load_from_file(path.c_str(), parameters));
    if (model == nullptr) throw CorruptData(path + ": " + log.complaint());
    return model;
}

std::vector<llama_token> tokenize(llama_model const* model, std::string_view text, std::string const& path) {
    // No token is shorter than a byte, but a few are added.
    std::vector<llama_token> tokens(text.size() + 16);
    auto const count = llama_tokenize(llama_model_get_vocab(model), text.data(), static_cast<std::int32_t>(text.size()),
                                      tokens.data(), static_cast<std::int32_t>(tokens.size()), true, false);
    if (count < 0) throw CorruptData(path + ": the model's tokenizer takes more tokens than the text has bytes");
    tokens.resize(static_cast<std::size_t>(count));
    return tokens;
}

/// At least `needed` tokens of the text, or all. Long texts are not read to their end: they are cut at a line's end,
/// tokens behind the needed ones to spare, so that the cut changes none of those.
std::vector<llama_token> read_tokens(llama_model const* model, std::string const& path, std::uint64_t needed) {
    constexpr std::size_t spare_tokens = 64;
    constexpr std::size_t limit_bytes = std::size_t{1} << 30;
    auto const file = map_file(path);
    std::string_view const text(reinterpret_cast<char const*>(file.bytes.get()), file.size);
    for (std::size_t bytes = std::max<std::size_t>(1 << 16, 8 * needed);; bytes *= 2) {
        auto const end = bytes < text.size() ? text.rfind('\n', bytes) : std::string_view::npos;
        auto const start = end == std::string_view::npos ? text : text.substr(0, end);
        if (start.size() > limit_bytes) throw ConfigError(path + ": at most 1 GiB of text is read");
        auto tokens = tokenize(model, start, path);
        if (start.size() == text.size() || tokens.size() >= needed + spare_tokens) return tokens;
    }
}

/// A small model's steps are so short that threads would only wait for one another.
int engine_threads(llama_model const* model) {
    constexpr std::uint64_t small_parameters = 50'000'000;
    return llama_model_n_params(model) < small_parameters ? 1 : omp_get_max_threads();
}

Context open_context(llama_model* model, std::uint64_t tokens, GraphTap& tap, EngineLog const& log) {
    auto parameters = llama_context_default_params();
    parameters.n_ctx = static_cast<std::uint32_t>(tokens);
    parameters.n_batch = static_cast<std::uint32_t>(std::min(tokens, batch_tokens));
    parameters.n_ubatch = parameters.n_batch;
    parameters.n_seq_max = 1;
    parameters.n_threads = engine_threads(model);
    parameters.n_threads_batch = parameters.n_threads;
    parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    parameters.type_k = GGML_TYPE_F32;
    parameters.type_v = GGML_TYPE_F32;
    parameters.offload_kqv = false;
    parameters.op_offload = false;
    parameters.swa_full = true;
    parameters.no_perf = true;
    parameters.cb_eval = &GraphTap::evaluate;
    parameters.cb_eval_user_data = &tap;
    Context context(llama_init_from_model(model, parameters));
    if (context == nullptr) throw SystemError("the engine cannot make a context: " + log.complaint());
    return context;
}

std::string model_text(llama_model const* model, std::string const& key) {
    char value[256] = "";
    return llama_model_meta_val_str(model, key.c_str(), value, sizeof value) < 0 ? std::string() : std::string(value);
}

/// As the model's metadata has it; what is not said there has the GGUF format's defaults.
Rope model_rope(llama_model const* model, std::uint64_t head_dim, std::vector<double> frequency_factors) {
    auto const architecture = model_text(model, "general.architecture");
    auto const base = model_text(model, architecture + ".rope.freq_base");
    auto const dims = model_text(model, architecture + ".rope.dimension_count");
    Rope rope;
    if (!base.empty()) rope.base = std::stod(base);
    rope.dims = dims.empty() ? head_dim : std::stoull(dims);
    rope.interleaved = llama_model_rope_type(model) == LLAMA_ROPE_TYPE_NORM;
    rope.scale = llama_model_rope_freq_scale_train(model);
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
void state_rope(KvTensors& tensors, GraphTap const& tap, llama_model const* model) {
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

void start_engine() {
    static std::once_flag started;
    std::call_once(started, [] {
        ggml_backend_load_all();
        llama_backend_init();
    });
}

}  // namespace

std::string engine_version() { return fmt::format("ggml {}", ggml_version()); }

KvTensors capture_model(std::string const& model_path, std::string const& text_path, std::uint64_t context,
                        Needs needs) {
    EngineLog const log;
    start_engine();
    auto const model = open_model(model_path, log);
    auto const trained = static_cast<std::uint64_t>(llama_model_n_ctx_train(model.get()));
    auto tokens = read_tokens(model.get(), text_path, context != 0 ? context : trained);
    auto const wanted = context != 0 ? context : std::min<std::uint64_t>(tokens.size(), trained);
    if (wanted == 0) throw ConfigError(text_path + ": the text has no tokens");
    if (tokens.size() < wanted) {
        throw ConfigError(
            fmt::format("{}: the text has {} tokens for a context of {}", text_path, tokens.size(), wanted));
    }
    if (trained < wanted) {
        throw ConfigError(fmt::format("{}: the model was trained on contexts of {} tokens, {} are asked of it",
                                      model_path, trained, wanted));
    }

    bool const has_rope = llama_model_rope_type(model.get()) != LLAMA_ROPE_TYPE_NONE;
    GraphTap tap({.layers = static_cast<std::uint64_t>(llama_model_n_layer(model.get())),
                  .heads = static_cast<std::uint64_t>(llama_model_n_head(model.get())),
                  .kv_heads = static_cast<std::uint64_t>(llama_model_n_head_kv(model.get())),
                  .tokens = wanted,
                  .has_rope = has_rope},
                 needs);
    {
        auto const engine = open_context(model.get(), wanted, tap, log);
        for (std::uint64_t done = 0; done < wanted; done += batch_tokens) {
            auto const count = static_cast<std::int32_t>(std::min(batch_tokens, wanted - done));
            tap.start_batch(done, static_cast<std::uint64_t>(count));
            auto const result = llama_decode(engine.get(), llama_batch_get_one(tokens.data() + done, count));
            if (result != 0) {
                throw SystemError(fmt::format("{}: the engine fails ({}): {}", model_path, result, log.complaint()));
            }
            tap.finish_batch(model_path);
        }
    }

    KvTensors tensors;
    tensors.metadata = {{"architecture", model_text(model.get(), "general.architecture")},
                        {"model", model_text(model.get(), "general.name")},
                        {"tokens", std::to_string(wanted)},
                        {"engine", engine_version()},
                        {"settings", "f32 cache, no flash attention, batches of " + std::to_string(batch_tokens)}};
    if (has_rope) state_rope(tensors, tap, model.get());
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

#endif
