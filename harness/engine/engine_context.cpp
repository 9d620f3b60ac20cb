#include "harness/engine/engine_context.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <ggml.h>
#include <llama.h>

#include "codecs/not_applicable.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

ggml_type type_named(std::string const& name) {
    for (int type = 0; type < GGML_TYPE_COUNT; ++type)
        if (auto const* const known = ggml_type_name(static_cast<ggml_type>(type)); known != nullptr && name == known)
            return static_cast<ggml_type>(type);
    throw NotApplicable("this build of the engine has no such type", name);
}

llama_flash_attn_type flash_of(FlashAttention flash) {
    switch (flash) {
        case FlashAttention::off:
            return LLAMA_FLASH_ATTN_TYPE_DISABLED;
        case FlashAttention::on:
            return LLAMA_FLASH_ATTN_TYPE_ENABLED;
        case FlashAttention::automatic:
            break;
    }
    return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

/// The engine reads this variable while it makes a cache: there is no parameter.
class Rotation {
  public:
    explicit Rotation(bool rotates) {
        if (auto const* const set = std::getenv(variable)) before_ = set;
        rotates ? unsetenv(variable) : setenv(variable, "1", 1);
    }
    ~Rotation() { before_ ? setenv(variable, before_->c_str(), 1) : unsetenv(variable); }
    Rotation(Rotation const&) = delete;
    Rotation& operator=(Rotation const&) = delete;

  private:
    static constexpr auto variable = "LLAMA_ATTN_ROT_DISABLE";
    std::optional<std::string> before_;
};

}  // namespace

void EngineContextDeleter::operator()(llama_context* context) const { llama_free(context); }

EngineContext open_context(Engine const& engine, std::uint64_t tokens, std::uint64_t branches, GraphListener listener,
                           void* user_data, EngineCache const& cache) {
    auto parameters = llama_context_default_params();
    parameters.n_ctx = static_cast<std::uint32_t>(tokens);
    parameters.n_batch = static_cast<std::uint32_t>(std::min(tokens, engine_batch_tokens));
    parameters.n_ubatch = parameters.n_batch;
    parameters.n_seq_max = static_cast<std::uint32_t>(1 + branches);
    parameters.kv_unified = branches > 0;
    parameters.n_threads = engine.threads();
    parameters.n_threads_batch = parameters.n_threads;
    parameters.flash_attn_type = flash_of(cache.flash);
    parameters.type_k = type_named(cache.k_type);
    parameters.type_v = type_named(cache.v_type);
    parameters.offload_kqv = engine.gpu_layers() != 0;
    parameters.op_offload = engine.gpu_layers() != 0;
    parameters.swa_full = true;
    parameters.no_perf = true;
    parameters.cb_eval = listener;
    parameters.cb_eval_user_data = user_data;
    Rotation const rotation(cache.rotates);
    EngineContext context(llama_init_from_model(engine.model(), parameters));
    if (context == nullptr && cache != EngineCache{})
        throw NotApplicable(fmt::format("the engine has no cache with K in {} and V in {} for this model: {}",
                                        cache.k_type, cache.v_type, engine.complaint()));
    if (context == nullptr) throw SystemError("the engine cannot make a context: " + engine.complaint());
    return context;
}

}  // namespace kvstone
