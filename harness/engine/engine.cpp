#include "harness/engine/engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>
#include <omp.h>

#include "harness/files/mapped_file.hpp"
#include "results/record/text.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::size_t kNoPieceBytes = 64;  ///< a token's text is shorter, most of the time

/// As the log has it since the last take_compute_bytes().
double compute_mebibytes = 0;

struct ModelDeleter {
    void operator()(llama_model* model) const { llama_model_free(model); }
};

void start_engine() {
    static std::once_flag started;
    std::call_once(started, [] {
        ggml_backend_load_all();
        llama_backend_init();
    });
}

}  // namespace

/// The engine logs to standard error otherwise, a page a model.
struct Engine::State {
    State() { llama_log_set(&State::take, this); }
    ~State() {
        model.reset();
        llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    }
    State(State const&) = delete;
    State& operator=(State const&) = delete;

    static void take(ggml_log_level level, char const* text, void* self) {
        if (level == GGML_LOG_LEVEL_ERROR) static_cast<State*>(self)->errors += text;
        constexpr std::string_view label = "compute buffer size = ";
        if (auto const* const found = std::strstr(text, label.data()))
            compute_mebibytes += std::strtod(found + label.size(), nullptr);
    }
    std::string complaint() const {
        auto const end = errors.find_last_not_of('\n');
        return end == std::string::npos ? "the engine gives no reason" : errors.substr(0, end + 1);
    }

    std::string path;
    std::string errors;
    int gpu_layers = 0;
    std::unique_ptr<llama_model, ModelDeleter> model;
    llama_vocab const* vocabulary = nullptr;
};

Engine::Engine(std::string path, int gpu_layers) : state_(std::make_unique<State>()) {
    start_engine();
    state_->gpu_layers = gpu_layers;
    state_->path = std::move(path);
    auto const file = map_file(state_->path);
    if (file.size < 4 || std::memcmp(file.bytes.get(), "GGUF", 4) != 0) {
        throw CorruptData(state_->path + ": not a GGUF file: it does not begin with GGUF");
    }
    if (gpu_layers != 0 && !engine_has_device())
        throw ConfigError(state_->path + ": gpu_layers, but the engine finds no device here",
                          std::to_string(gpu_layers), {"0"});
    auto parameters = llama_model_default_params();
    parameters.n_gpu_layers = gpu_layers;
    state_->model.reset(llama_model_load_from_file(state_->path.c_str(), parameters));
    if (state_->model == nullptr) throw CorruptData(state_->path + ": " + state_->complaint());
    state_->vocabulary = llama_model_get_vocab(model());
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

std::string const& Engine::path() const { return state_->path; }
llama_model* Engine::model() const { return state_->model.get(); }
int Engine::gpu_layers() const { return state_->gpu_layers; }
std::uint64_t Engine::layers() const { return static_cast<std::uint64_t>(llama_model_n_layer(model())); }
std::uint64_t Engine::heads() const { return static_cast<std::uint64_t>(llama_model_n_head(model())); }
std::uint64_t Engine::kv_heads() const { return static_cast<std::uint64_t>(llama_model_n_head_kv(model())); }
std::uint64_t Engine::trained_tokens() const { return static_cast<std::uint64_t>(llama_model_n_ctx_train(model())); }
std::uint64_t Engine::vocabulary() const {
    return static_cast<std::uint64_t>(llama_vocab_n_tokens(state_->vocabulary));
}
std::uint64_t Engine::window_tokens() const {
    return static_cast<std::uint64_t>(std::max(llama_model_n_swa(model()), 0));
}
bool Engine::has_rope() const { return llama_model_rope_type(model()) != LLAMA_ROPE_TYPE_NONE; }
std::uint64_t Engine::weights_bytes() const { return llama_model_size(model()); }
std::string Engine::complaint() const { return state_->complaint(); }

std::string Engine::metadata(std::string const& key) const {
    char value[256] = "";
    return llama_model_meta_val_str(model(), key.c_str(), value, sizeof value) < 0 ? std::string() : std::string(value);
}

int Engine::threads() const {
    constexpr std::uint64_t small_parameters = 50'000'000;
    return llama_model_n_params(model()) < small_parameters ? 1 : omp_get_max_threads();
}

std::optional<Token> Engine::begin_token() const {
    if (!llama_vocab_get_add_bos(state_->vocabulary)) return std::nullopt;
    auto const token = llama_vocab_bos(state_->vocabulary);
    return token == LLAMA_TOKEN_NULL ? std::nullopt : std::optional<Token>(token);
}

bool Engine::ends_text(Token token) const { return llama_vocab_is_eog(state_->vocabulary, token); }

bool Engine::is_unknown(Token token) const {
    return (llama_vocab_get_attr(state_->vocabulary, token) & LLAMA_TOKEN_ATTR_UNKNOWN) != 0;
}

std::vector<Token> Engine::tokenize(std::string_view text, bool begin, std::string const& what) const {
    // No token is shorter than a byte, but a few are added.
    std::vector<Token> tokens(text.size() + 16);
    std::int32_t count = 0;
    try {
        count = llama_tokenize(state_->vocabulary, text.data(), static_cast<std::int32_t>(text.size()), tokens.data(),
                               static_cast<std::int32_t>(tokens.size()), begin, false);
    } catch (std::out_of_range const&) {  // a vocabulary without single bytes, and a character that it lacks
        throw ConfigError(what + ": the model's vocabulary cannot spell this text", state_->path,
                          {"a text in the model's own language and characters"});
    }
    if (count < 0) throw CorruptData(what + ": the model's tokenizer takes more tokens than the text has bytes");
    tokens.resize(static_cast<std::size_t>(count));
    return tokens;
}

std::string Engine::text_of(std::span<Token const> tokens) const {
    std::string text(tokens.size() * kNoPieceBytes, '\0');
    for (;;) {
        auto const bytes = llama_detokenize(state_->vocabulary, tokens.data(), static_cast<std::int32_t>(tokens.size()),
                                            text.data(), static_cast<std::int32_t>(text.size()), true, false);
        text.resize(static_cast<std::size_t>(bytes < 0 ? -bytes : bytes));
        if (bytes >= 0) return text;
    }
}

std::vector<Token> Engine::read_tokens(std::string const& text_path, std::uint64_t needed) const {
    constexpr std::size_t spare_tokens = 64;
    constexpr std::size_t limit_bytes = std::size_t{1} << 30;
    auto const file = map_file(text_path);
    auto const text = without_byte_order_mark({reinterpret_cast<char const*>(file.bytes.get()), file.size});
    for (std::size_t bytes = std::max<std::size_t>(1 << 16, 8 * needed);; bytes *= 2) {
        auto const end = bytes < text.size() ? text.rfind('\n', bytes) : std::string_view::npos;
        auto const start = end == std::string_view::npos ? text : text.substr(0, end);
        if (start.size() > limit_bytes) throw ConfigError(text_path + ": at most 1 GiB of text is read");
        auto tokens = tokenize(start, true, text_path);
        if (start.size() == text.size() || tokens.size() >= needed + spare_tokens) return tokens;
    }
}

std::uint64_t take_compute_bytes() {
    return static_cast<std::uint64_t>(std::exchange(compute_mebibytes, 0) * (1 << 20));
}

std::string Engine::difference_of_vocabulary(Engine const& other) const {
    if (vocabulary() != other.vocabulary())
        return fmt::format("{} tokens against {}", vocabulary(), other.vocabulary());
    for (auto const* key : {"tokenizer.ggml.model", "tokenizer.ggml.pre"})
        if (metadata(key) != other.metadata(key))
            return fmt::format("{} is '{}' against '{}'", key, metadata(key), other.metadata(key));
    auto const* const ours = state_->vocabulary;
    auto const* const theirs = other.state_->vocabulary;
    for (Token token = 0; token < static_cast<Token>(vocabulary()); ++token) {
        std::string_view const text = llama_vocab_get_text(ours, token);
        std::string_view const its_text = llama_vocab_get_text(theirs, token);
        if (text != its_text || llama_vocab_get_attr(ours, token) != llama_vocab_get_attr(theirs, token))
            return fmt::format("token {} is '{}' against '{}'", token, valid_utf8(text), valid_utf8(its_text));
    }
    if (begin_token() != other.begin_token()) return "one begins texts with another token";
    return {};
}

bool engine_has_device() {
    start_engine();
    return llama_supports_gpu_offload();
}

std::string engine_version() { return fmt::format("ggml {}", ggml_version()); }

}  // namespace kvstone
