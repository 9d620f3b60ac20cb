#include "harness/engine/sequence.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>

#include <fmt/format.h>
#include <ggml.h>
#include <llama.h>

#include "harness/engine/engine_context.hpp"
#include "harness/engine/engine_slots.hpp"
#include "harness/engine/graph_tap.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Tokens of the trial that finds the cells: enough to tell a token's axis from a channel's.
constexpr std::uint64_t trial_tokens = 3;

/// A buffer for tokens on their way into the engine.
class Batch {
  public:
    explicit Batch(std::uint64_t sequences)
        : batch_(llama_batch_init(static_cast<std::int32_t>(engine_batch_tokens), 0,
                                  static_cast<std::int32_t>(sequences))) {}
    ~Batch() { llama_batch_free(batch_); }
    Batch(Batch const&) = delete;
    Batch& operator=(Batch const&) = delete;
    void clear() { batch_.n_tokens = 0; }
    /// Of `sequences` sequences from `first_sequence` on.
    void add(Token token, std::uint64_t position, bool logits, std::uint64_t first_sequence = 0,
             std::uint64_t sequences = 1) {
        auto const at = batch_.n_tokens++;
        batch_.token[at] = token;
        batch_.pos[at] = static_cast<llama_pos>(position);
        batch_.n_seq_id[at] = static_cast<std::int32_t>(sequences);
        for (std::uint64_t i = 0; i < sequences; ++i)
            batch_.seq_id[at][i] = static_cast<llama_seq_id>(first_sequence + i);
        batch_.logits[at] = logits ? 1 : 0;
    }
    llama_batch const& get() const { return batch_; }

  private:
    llama_batch batch_;
};

}  // namespace

struct EngineSequence::State {
    State(Engine const& its_engine, std::uint64_t its_capacity, bool plain, std::uint64_t its_branches,
          EngineCache const& cache = {})
        : engine(&its_engine),
          capacity(std::max(its_capacity, trial_tokens)),
          branches(its_branches),
          cells(its_engine),
          batch(std::max<std::uint64_t>(its_branches, 1)) {
        if (!plain && (llama_model_is_recurrent(engine->model()) || llama_model_is_hybrid(engine->model())))
            cells.refuse("a recurrent architecture keeps a state, not the K and V of each token");
        context = plain ? open_context(*engine, capacity, branches, nullptr, nullptr, cache)
                        : open_context(*engine, capacity, branches, &State::evaluate, this);
        if (!plain) find_cells();
    }

    /// Runs a few tokens, watches which memory the engine writes their K and V to, and in which order it lies there.
    void find_cells() {
        std::array<Token, trial_tokens> trial{};
        for (std::size_t i = 0; i < trial.size(); ++i)
            trial[i] = static_cast<Token>((1 + i) % std::max<std::uint64_t>(engine->vocabulary(), 1));
        finding = true;
        feed(trial, trial_tokens, {});
        finding = false;
        cells.require_all();
        clear();
    }

    void clear() { forget(true); }
    void forget(bool values) {
        llama_memory_clear(llama_get_memory(context.get()), values);
        tokens = 0;
        removed = false;
    }

    static bool evaluate(ggml_tensor* step, bool ask, void* user_data) {
        auto& self = *static_cast<State*>(user_data);
        auto const written = written_slots(*step);
        bool const places = written && written->component == Component::k && written->layer == 0 && !self.removed;
        bool const tapped = self.tap && self.first < self.tapped_tokens;
        if (ask)
            return (self.finding || self.hook ? written.has_value() : places) ||
                   (tapped && GraphTap::evaluate(step, true, &*self.tap));
        if (tapped) GraphTap::evaluate(step, false, &*self.tap);
        if (!written || self.failure) return true;
        try {
            if (places) self.cells.check_places(*step, self.first, self.count);
            if (self.finding) {
                self.cells.learn(*step, *written, trial_tokens);
            } else if (self.hook) {
                self.hook(written->component, written->layer, self.first, self.count);
            }
        } catch (...) {
            self.failure = std::current_exception();
        }
        return true;
    }

    void feed(std::span<Token const> fed, std::uint64_t scored_from, LogitSink const& sink) {
        if (tokens + fed.size() > capacity) throw std::invalid_argument("more tokens than there is room for");
        while (!fed.empty()) {
            count = std::min<std::uint64_t>(fed.size(), sink ? scored_batch_tokens : engine_batch_tokens);
            first = tokens;
            batch.clear();
            for (std::uint64_t i = 0; i < count; ++i) batch.add(fed[i], first + i, sink && first + i >= scored_from);
            if (tap) tap->start_batch(first, count);
            run();
            if (tap && first < tapped_tokens) tap->finish_batch(engine->path());
            tokens += count;
            for (std::uint64_t i = 0; i < count; ++i)
                if (sink && first + i >= scored_from) sink(first + i, logits(i));
            fed = fed.subspan(count);
        }
    }

    void feed_group(BranchGroup const& group, BranchSink const& sink, std::span<BranchedText const> texts) {
        if (tokens + group.tokens.size() > capacity) throw std::invalid_argument("more tokens than there is room for");
        auto* const memory = llama_get_memory(context.get());
        // All branches continue sequence 0.
        for (std::uint64_t s = 1; s <= group.sequences; ++s)
            llama_memory_seq_cp(memory, 0, static_cast<llama_seq_id>(s), -1, -1);
        std::span<BranchToken const> left(group.tokens);
        for (first = tokens; !left.empty(); first += count) {
            count = std::min<std::uint64_t>(left.size(), engine_batch_tokens);
            batch.clear();
            for (auto const& one : left.first(count))
                batch.add(one.token, tokens + one.index, one.scored, 1 + one.first_sequence, one.branches);
            run();
            for (std::uint64_t i = 0; i < count; ++i) {
                auto const& one = left[i];
                for (auto branch = one.first_branch; branch < one.first_branch + one.branches; ++branch)
                    if (one.index + 1 >= texts[one.text].branches[branch].scored_from)
                        sink(one.text, branch, one.index, logits(i));
            }
            left = left.subspan(count);
        }
        for (std::uint64_t s = 1; s <= group.sequences; ++s)
            llama_memory_seq_rm(memory, static_cast<llama_seq_id>(s), -1, -1);
    }

    void require_places() const {
        if (removed) throw std::logic_error("cells of a sequence from which tokens were removed");
    }

    void run() {
        auto const result = llama_decode(context.get(), batch.get());
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        if (result != 0)
            throw SystemError(
                fmt::format("{}: the engine fails ({}): {}", engine->path(), result, engine->complaint()));
    }
    std::span<float const> logits(std::uint64_t at) const {
        return {llama_get_logits_ith(context.get(), static_cast<std::int32_t>(at)), engine->vocabulary()};
    }

    Engine const* engine;
    std::uint64_t capacity;
    std::uint64_t branches;
    EngineSlots cells;
    EngineContext context;
    Batch batch;
    std::uint64_t tokens = 0;
    std::uint64_t first = 0;  ///< of the batch that runs
    std::uint64_t count = 0;
    WrittenHook hook;
    bool finding = false;
    bool removed = false;  ///< cells are not found by position
    std::optional<GraphTap> tap;
    std::uint64_t tapped_tokens = 0;
    std::exception_ptr failure;  ///< of a listener: the engine cannot hand it on
};

EngineSequence::EngineSequence(Engine const& engine, std::uint64_t capacity, bool plain, std::uint64_t branches)
    : state_(std::make_unique<State>(engine, capacity, plain, branches)) {}
EngineSequence::EngineSequence(Engine const& engine, std::uint64_t capacity, EngineCache const& cache)
    : state_(std::make_unique<State>(engine, capacity, true, 0, cache)) {}
EngineSequence::~EngineSequence() = default;
EngineSequence::EngineSequence(EngineSequence&&) noexcept = default;

Engine const& EngineSequence::engine() const { return *state_->engine; }
std::uint64_t EngineSequence::capacity() const { return state_->capacity; }
std::uint64_t EngineSequence::branches() const { return state_->branches; }
std::uint64_t EngineSequence::tokens() const { return state_->tokens; }
KvShape EngineSequence::shape(Component component, std::uint64_t tokens) const {
    return {engine().layers(), engine().kv_heads(), tokens, state_->cells.dim(component)};
}
void EngineSequence::feed(std::span<Token const> tokens, std::uint64_t scored_from, LogitSink const& sink) {
    state_->feed(tokens, scored_from, sink);
}
void EngineSequence::feed_branches(std::span<BranchedText const> texts, BranchSink const& sink) {
    if (branches() == 0) throw std::invalid_argument("a sequence without branches");
    for (auto const& group : group_branches(texts, branch_batch_tokens, branches()))
        state_->feed_group(group, sink, texts);
}
void EngineSequence::cut(std::uint64_t tokens) {
    if (tokens >= state_->tokens) return;
    if (tokens == 0 && state_->removed) return state_->forget(false);
    if (!llama_memory_seq_rm(llama_get_memory(state_->context.get()), 0, static_cast<llama_pos>(tokens), -1))
        throw SystemError(engine().path() + ": the engine does not forget the end of a sequence");
    state_->tokens = tokens;
}
void EngineSequence::clear() { state_->clear(); }
void EngineSequence::remove(std::uint64_t first, std::uint64_t end) {
    if (first >= end || end >= state_->tokens) throw std::invalid_argument("tokens that cannot be removed");
    if (!llama_memory_seq_rm(llama_get_memory(state_->context.get()), 0, static_cast<llama_pos>(first),
                             static_cast<llama_pos>(end)))
        throw SystemError(engine().path() + ": the engine does not remove tokens");
    state_->removed = true;
}
std::vector<std::byte> EngineSequence::state() const {
    std::vector<std::byte> bytes(llama_state_seq_get_size(state_->context.get(), 0));
    auto const size =
        llama_state_seq_get_data(state_->context.get(), reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size(), 0);
    if (size != bytes.size()) throw SystemError(engine().path() + ": the engine does not give its state away");
    return bytes;
}
void EngineSequence::restore(std::span<std::byte const> state, std::uint64_t tokens) {
    state_->forget(false);
    auto const size = llama_state_seq_set_data(state_->context.get(),
                                               reinterpret_cast<std::uint8_t const*>(state.data()), state.size(), 0);
    if (size != state.size()) throw CorruptData(engine().path() + ": the engine does not take back a state of its own");
    state_->tokens = tokens;
}
void EngineSequence::read(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) const {
    state_->require_places();
    state_->cells.copy(component, layer, first, view, false);
}
void EngineSequence::write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) {
    state_->require_places();
    state_->cells.copy(component, layer, first, view, true);
}
void EngineSequence::on_written(WrittenHook hook) { state_->hook = std::move(hook); }
void EngineSequence::keep_queries(std::uint64_t tokens) {
    if (state_->tokens != 0) throw std::invalid_argument("queries of tokens that were read before");
    state_->tapped_tokens = tokens;
    state_->tap.reset();
    if (tokens != 0)
        state_->tap.emplace(TapShape{.layers = engine().layers(),
                                     .heads = engine().heads(),
                                     .kv_heads = engine().kv_heads(),
                                     .tokens = tokens,
                                     .has_rope = false},
                            Needs{.k = false, .v = false, .k_prerope = false, .q = true});
}
HostTensor const& EngineSequence::queries() const { return state_->tap.value().tensor(Tap::q).value(); }

}  // namespace kvstone
