#include "harness/engine/engine_context.hpp"

#include <algorithm>

#include <llama.h>

#include "scenarios/errors.hpp"

namespace kvstone {

void EngineContextDeleter::operator()(llama_context* context) const { llama_free(context); }

EngineContext open_context(Engine const& engine, std::uint64_t tokens, std::uint64_t branches, GraphListener listener,
                           void* user_data) {
    auto parameters = llama_context_default_params();
    parameters.n_ctx = static_cast<std::uint32_t>(tokens);
    parameters.n_batch = static_cast<std::uint32_t>(std::min(tokens, engine_batch_tokens));
    parameters.n_ubatch = parameters.n_batch;
    parameters.n_seq_max = static_cast<std::uint32_t>(1 + branches);
    parameters.kv_unified = branches > 0;
    parameters.n_threads = engine.threads();
    parameters.n_threads_batch = parameters.n_threads;
    parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    parameters.type_k = GGML_TYPE_F32;
    parameters.type_v = GGML_TYPE_F32;
    parameters.offload_kqv = engine.gpu_layers() != 0;
    parameters.op_offload = engine.gpu_layers() != 0;
    parameters.swa_full = true;
    parameters.no_perf = true;
    parameters.cb_eval = listener;
    parameters.cb_eval_user_data = user_data;
    EngineContext context(llama_init_from_model(engine.model(), parameters));
    if (context == nullptr) throw SystemError("the engine cannot make a context: " + engine.complaint());
    return context;
}

}  // namespace kvstone
