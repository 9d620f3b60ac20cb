#ifdef KVSTONE_HAS_LLAMA

#include "harness/model/sequence.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml.h>
#include <llama.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Tokens of the trial that finds the cells: enough to tell a token's axis from a channel's.
constexpr std::uint64_t trial_tokens = 3;

struct ContextDeleter {
    void operator()(llama_context* context) const { llama_free(context); }
};

/// One layer's K or V as the engine keeps it: a token's row [head, dim] contiguous, or (V without flash attention) each
/// channel's tokens.
struct Cells {
    ggml_tensor* tensor = nullptr;
    std::uint64_t room = 0;  ///< tokens
    bool by_channel = false;
};

struct CellName {
    Component component;
    std::uint64_t layer;
};

std::optional<CellName> parse_cells(std::string_view name) {
    for (auto const& [prefix, component] :
         {std::pair{std::string_view("cache_k_l"), Component::k}, {std::string_view("cache_v_l"), Component::v}}) {
        if (!name.starts_with(prefix)) continue;
        auto const digits = name.substr(prefix.size());
        std::uint64_t layer = 0;
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
        if (error == std::errc{} && end == digits.data() + digits.size()) return CellName{component, layer};
    }
    return std::nullopt;
}

/// The cells that a step of the graph writes, if it does.
std::optional<CellName> written_cells(ggml_tensor const& tensor) {
    if (tensor.op != GGML_OP_SET_ROWS || tensor.view_src == nullptr) return std::nullopt;
    return parse_cells(tensor.view_src->name);
}

template <class T>
std::vector<T> values_of(ggml_tensor const& tensor) {
    std::vector<T> values(static_cast<std::size_t>(ggml_nelements(&tensor)));
    ggml_backend_tensor_get(&tensor, values.data(), 0, values.size() * sizeof(T));
    return values;
}

/// A buffer for tokens on their way into the engine.
class Batch {
  public:
    Batch() : batch_(llama_batch_init(static_cast<std::int32_t>(engine_batch_tokens), 0, 1)) {}
    ~Batch() { llama_batch_free(batch_); }
    Batch(Batch const&) = delete;
    Batch& operator=(Batch const&) = delete;
    void clear() { batch_.n_tokens = 0; }
    void add(Token token, std::uint64_t position, bool logits) {
        auto const at = batch_.n_tokens++;
        batch_.token[at] = token;
        batch_.pos[at] = static_cast<llama_pos>(position);
        batch_.n_seq_id[at] = 1;
        batch_.seq_id[at][0] = 0;
        batch_.logits[at] = logits ? 1 : 0;
    }
    llama_batch const& get() const { return batch_; }

  private:
    llama_batch batch_;
};

}  // namespace

struct EngineSequence::State {
    State(Engine const& its_engine, std::uint64_t its_capacity, bool plain)
        : engine(&its_engine), capacity(std::max(its_capacity, trial_tokens)) {
        auto parameters = llama_context_default_params();
        parameters.n_ctx = static_cast<std::uint32_t>(capacity);
        parameters.n_batch = static_cast<std::uint32_t>(std::min(capacity, engine_batch_tokens));
        parameters.n_ubatch = parameters.n_batch;
        parameters.n_seq_max = 1;
        parameters.n_threads = engine->threads();
        parameters.n_threads_batch = parameters.n_threads;
        parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
        parameters.type_k = GGML_TYPE_F32;
        parameters.type_v = GGML_TYPE_F32;
        parameters.offload_kqv = engine->gpu_layers() != 0;
        parameters.op_offload = engine->gpu_layers() != 0;
        parameters.swa_full = true;
        parameters.no_perf = true;
        if (!plain) {
            parameters.cb_eval = &State::evaluate;
            parameters.cb_eval_user_data = this;
        }
        context.reset(llama_init_from_model(engine->model(), parameters));
        if (context == nullptr) throw SystemError("the engine cannot make a context: " + engine->complaint());
        if (!plain) find_cells();
    }

    void refuse(std::string const& why) const {
        throw ConfigError(fmt::format("{}: {}; its cache cannot be reached, and no figure of it would mean anything",
                                      engine->path(), why),
                          engine->metadata("general.architecture"),
                          {"models whose layers each keep K and V of one shape"});
    }

    /// Runs a few tokens, watches which memory the engine writes their K and V to, and in which order it lies there.
    void find_cells() {
        if (llama_model_is_recurrent(engine->model()) || llama_model_is_hybrid(engine->model()))
            refuse("a recurrent architecture keeps a state, not the K and V of each token");
        for (auto& own : cells) own.assign(engine->layers(), {});
        std::array<Token, trial_tokens> trial{};
        for (std::size_t i = 0; i < trial.size(); ++i)
            trial[i] = static_cast<Token>((1 + i) % std::max<std::uint64_t>(engine->vocabulary(), 1));
        finding = true;
        feed(trial, trial_tokens, {});
        finding = false;
        for (auto const component : {Component::k, Component::v}) {
            for (std::uint64_t layer = 0; layer < engine->layers(); ++layer) {
                if (of(component, layer).tensor == nullptr)
                    refuse(fmt::format("the engine keeps no {} of layer {}", name_of(component), layer));
            }
        }
        llama_memory_clear(llama_get_memory(context.get()), true);
        tokens = 0;
    }

    Cells& of(Component component, std::uint64_t layer) { return cells[static_cast<std::size_t>(component)][layer]; }

    static bool evaluate(ggml_tensor* tensor, bool ask, void* user_data) {
        auto& self = *static_cast<State*>(user_data);
        auto const written = written_cells(*tensor);
        bool const places = written && written->component == Component::k && written->layer == 0;
        if (ask) return self.finding || self.hook ? written.has_value() : places;
        if (!written || self.failure) return true;
        try {
            if (places) self.check_places(*tensor);
            if (self.finding) {
                self.find(*tensor, *written);
            } else if (self.hook) {
                self.hook(written->component, written->layer, self.first, self.count);
            }
        } catch (...) {
            self.failure = std::current_exception();
        }
        return true;
    }

    /// The token at position p must lie in cell p.
    void check_places(ggml_tensor const& step) const {
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

    void find(ggml_tensor const& step, CellName const& name) {
        if (name.layer >= engine->layers()) return;  // layers that only draft
        auto* const memory = step.view_src;
        if (memory->type != GGML_TYPE_F32 || step.src[0] == nullptr || step.src[0]->type != GGML_TYPE_F32)
            refuse(fmt::format("{} is kept as {}", memory->name, ggml_type_name(memory->type)));
        auto const rows = static_cast<std::uint64_t>(ggml_nelements(step.src[0])) / trial_tokens;
        auto const component = static_cast<std::size_t>(name.component);
        if (rows == 0 || rows % engine->kv_heads() != 0 ||
            (dims[component] != 0 && dims[component] != rows / engine->kv_heads()))
            refuse(fmt::format("{} of layer {} has {} values a token for {} heads, unlike other layers",
                               name_of(name.component), name.layer, rows, engine->kv_heads()));
        dims[component] = rows / engine->kv_heads();
        Cells found{memory, static_cast<std::uint64_t>(ggml_nelements(memory)) / rows, false};
        // What was written, token by token, tells where the memory has it.
        auto const wanted = values_of<float>(*step.src[0]);
        auto& own = of(name.component, name.layer);
        KvShape const one{1, engine->kv_heads(), trial_tokens, dims[component]};
        std::vector<float> lying(one.values());
        for (bool const by_channel : {false, true}) {
            found.by_channel = by_channel;
            own = found;
            // [head, token, dim] of one layer with the strides of [token, head, dim].
            KvView const view{lying.data(), ElementType::f32, one, {one.values(), one.dim, one.heads * one.dim}};
            copy(name.component, name.layer, 0, view, false);
            if (std::memcmp(lying.data(), wanted.data(), wanted.size() * sizeof(float)) == 0) return;
        }
        refuse(fmt::format("the engine keeps {} in an order of its own", memory->name));
    }

    /// Between cells and a view.
    void copy(Component component, std::uint64_t layer, std::uint64_t first_token, KvView const& view, bool to_cells) {
        auto const& size = view.shape;
        if (view.type != ElementType::f32 || size.heads != engine->kv_heads() ||
            size.dim != dims[static_cast<std::size_t>(component)] || layer + size.layers > engine->layers())
            throw std::invalid_argument("cells of another shape or type");
        auto const span = view.as<float>();
        for (std::uint64_t l = 0; l < size.layers; ++l) {
            auto const& own = of(component, layer + l);
            if (first_token + size.tokens > own.room) throw std::invalid_argument("cells that are not there");
            with_memory(own, to_cells, [&](float* memory) {
                for (std::uint64_t head = 0; head < size.heads; ++head) {
                    if (own.by_channel)
                        copy_channels(own, span, l, head, first_token, memory, to_cells);
                    else
                        copy_rows(span, l, head, first_token, memory, to_cells);
                }
            });
        }
    }
    static void copy_rows(KvSpan<float> const& span, std::uint64_t layer, std::uint64_t head, std::uint64_t first_token,
                          float* memory, bool to_cells) {
        auto const& size = span.shape;
        for (std::uint64_t t = 0; t < size.tokens; ++t) {
            auto* const cell = memory + ((first_token + t) * size.heads + head) * size.dim;
            auto* const vector = span.vector(layer, head, t);
            if (to_cells)
                std::copy_n(vector, size.dim, cell);
            else
                std::copy_n(cell, size.dim, vector);
        }
    }
    static void copy_channels(Cells const& own, KvSpan<float> const& span, std::uint64_t layer, std::uint64_t head,
                              std::uint64_t first_token, float* memory, bool to_cells) {
        auto const& size = span.shape;
        for (std::uint64_t c = 0; c < size.dim; ++c) {
            auto* const channel = memory + (head * size.dim + c) * own.room + first_token;
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
    void with_memory(Cells const& own, bool changes, Action const& action) {
        if (ggml_backend_buffer_is_host(own.tensor->buffer)) {
            action(static_cast<float*>(own.tensor->data));
            return;
        }
        auto copy = values_of<float>(*own.tensor);
        action(copy.data());
        if (changes) ggml_backend_tensor_set(own.tensor, copy.data(), 0, copy.size() * sizeof(float));
    }

    void feed(std::span<Token const> fed, std::uint64_t scored_from, LogitSink const& sink) {
        if (tokens + fed.size() > capacity) throw std::invalid_argument("more tokens than there is room for");
        while (!fed.empty()) {
            count = std::min<std::uint64_t>(fed.size(), engine_batch_tokens);
            first = tokens;
            batch.clear();
            for (std::uint64_t i = 0; i < count; ++i) batch.add(fed[i], first + i, sink && first + i >= scored_from);
            auto const result = llama_decode(context.get(), batch.get());
            if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
            if (result != 0)
                throw SystemError(
                    fmt::format("{}: the engine fails ({}): {}", engine->path(), result, engine->complaint()));
            tokens += count;
            for (std::uint64_t i = 0; i < count; ++i) {
                if (!sink || first + i < scored_from) continue;
                sink(first + i,
                     {llama_get_logits_ith(context.get(), static_cast<std::int32_t>(i)), engine->vocabulary()});
            }
            fed = fed.subspan(count);
        }
    }

    Engine const* engine;
    std::uint64_t capacity;
    std::unique_ptr<llama_context, ContextDeleter> context;
    std::array<std::vector<Cells>, 2> cells;
    std::array<std::uint64_t, 2> dims{};
    Batch batch;
    std::uint64_t tokens = 0;
    std::uint64_t first = 0;  ///< of the batch that runs
    std::uint64_t count = 0;
    WrittenHook hook;
    bool finding = false;
    std::exception_ptr failure;  ///< of a listener: the engine cannot hand it on
};

EngineSequence::EngineSequence(Engine const& engine, std::uint64_t capacity, bool plain)
    : state_(std::make_unique<State>(engine, capacity, plain)) {}
EngineSequence::~EngineSequence() = default;
EngineSequence::EngineSequence(EngineSequence&&) noexcept = default;

Engine const& EngineSequence::engine() const { return *state_->engine; }
std::uint64_t EngineSequence::capacity() const { return state_->capacity; }
std::uint64_t EngineSequence::tokens() const { return state_->tokens; }
KvShape EngineSequence::shape(Component component, std::uint64_t tokens) const {
    return {engine().layers(), engine().kv_heads(), tokens, state_->dims[static_cast<std::size_t>(component)]};
}
void EngineSequence::feed(std::span<Token const> tokens, std::uint64_t scored_from, LogitSink const& sink) {
    state_->feed(tokens, scored_from, sink);
}
void EngineSequence::cut(std::uint64_t tokens) {
    if (tokens >= state_->tokens) return;
    if (!llama_memory_seq_rm(llama_get_memory(state_->context.get()), 0, static_cast<llama_pos>(tokens), -1))
        throw SystemError(engine().path() + ": the engine does not forget the end of a sequence");
    state_->tokens = tokens;
}
void EngineSequence::read(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) const {
    state_->copy(component, layer, first, view, false);
}
void EngineSequence::write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) {
    state_->copy(component, layer, first, view, true);
}
void EngineSequence::on_written(WrittenHook hook) { state_->hook = std::move(hook); }

}  // namespace kvstone

#endif
