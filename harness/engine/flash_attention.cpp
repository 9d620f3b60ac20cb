#include "harness/engine/flash_attention.hpp"

#include <algorithm>
#include <mutex>

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>

#include "codecs/not_applicable.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct ContextDeleter {
    void operator()(ggml_context* context) const { ggml_free(context); }
};
struct BackendDeleter {
    void operator()(ggml_backend* backend) const { ggml_backend_free(backend); }
};
struct BufferDeleter {
    void operator()(ggml_backend_buffer* buffer) const { ggml_backend_buffer_free(buffer); }
};
using GgmlBuffer = std::unique_ptr<ggml_backend_buffer, BufferDeleter>;

ggml_type type_of(GgmlCacheType type) {
    switch (type) {
        case GgmlCacheType::q8_0:
            return GGML_TYPE_Q8_0;
        case GgmlCacheType::q4_0:
            return GGML_TYPE_Q4_0;
        case GgmlCacheType::f16:
            break;
    }
    return GGML_TYPE_F16;
}

ggml_backend_t start_backend(int threads) {
    static std::once_flag loaded;
    std::call_once(loaded, ggml_backend_load_all);
    auto* const backend = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
    if (backend == nullptr) throw NotApplicable("ggml has no CPU backend on this machine");
    auto* const registry = ggml_backend_dev_backend_reg(ggml_backend_get_device(backend));
    auto const set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(registry, "ggml_backend_set_n_threads"));
    if (set_threads != nullptr) set_threads(backend, threads);
    return backend;
}

std::int64_t whole(std::uint64_t number) { return static_cast<std::int64_t>(number); }

}  // namespace

std::optional<GgmlCacheType> ggml_cache_type(std::string_view codec) {
    if (codec == "fp16") return GgmlCacheType::f16;
    if (codec == "q8_0") return GgmlCacheType::q8_0;
    if (codec == "q4_0") return GgmlCacheType::q4_0;
    return std::nullopt;
}

struct GgmlAttention::State {
    GgmlAttentionShape shape;
    std::unique_ptr<ggml_backend, BackendDeleter> backend;
    std::unique_ptr<ggml_context, ContextDeleter> context;
    std::vector<GgmlBuffer> caches;  ///< wrappers around memory of the caller's
    GgmlBuffer own;
    ggml_cgraph* graph = nullptr;
    std::vector<ggml_tensor*> nodes;

    /// A tensor in memory of the caller's.
    ggml_tensor* place(ggml_type type, void const* data, std::uint64_t dim) {
        auto* const tensor = ggml_new_tensor_4d(context.get(), type, whole(dim), whole(shape.tokens),
                                                whole(shape.kv_heads), whole(shape.layers));
        auto const bytes = ggml_nbytes(tensor);
        auto* const memory = const_cast<void*>(data);  // never written to
        caches.emplace_back(
            ggml_backend_dev_buffer_from_host_ptr(ggml_backend_get_device(backend.get()), memory, bytes, bytes));
        if (caches.back() == nullptr ||
            ggml_backend_tensor_alloc(caches.back().get(), tensor, memory) != GGML_STATUS_SUCCESS)
            throw NotApplicable("ggml takes no memory of the host's");
        return tensor;
    }
    /// One layer of K or V.
    ggml_tensor* layer_of(ggml_tensor* all, std::uint64_t layer) const {
        return ggml_view_3d(context.get(), all, all->ne[0], all->ne[1], all->ne[2], all->nb[1], all->nb[2],
                            layer * all->nb[3]);
    }
};

GgmlAttention::GgmlAttention(GgmlCacheType type, GgmlAttentionShape const& shape, std::vector<GgmlCache> const& caches,
                             std::vector<float> const& queries)
    : state_(std::make_unique<State>()) {
    auto& state = *state_;
    auto const cache_type = type_of(type);
    auto const block = static_cast<std::uint64_t>(ggml_blck_size(cache_type));
    if (shape.k_dim % block != 0 || shape.v_dim % block != 0)
        throw NotApplicable("ggml's blocks do not fill vectors of these dims");
    state.shape = shape;
    state.backend.reset(start_backend(shape.threads));
    auto const nodes = shape.layers * caches.size();
    auto const tensors = 5 * nodes + 2 * caches.size();
    state.context.reset(
        ggml_init({.mem_size = tensors * ggml_tensor_overhead() + ggml_graph_overhead_custom(2 * tensors, false),
                   .mem_buffer = nullptr,
                   .no_alloc = true}));
    state.graph = ggml_new_graph_custom(state.context.get(), 2 * tensors, false);
    std::vector<ggml_tensor*> inputs;
    for (auto const& cache : caches) {
        auto* const k = state.place(cache_type, cache.k, shape.k_dim);
        auto* const v = state.place(cache_type, cache.v, shape.v_dim);
        for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
            inputs.push_back(ggml_new_tensor_3d(state.context.get(), GGML_TYPE_F32, whole(shape.k_dim),
                                                whole(shape.queries), whole(shape.heads)));
            state.nodes.push_back(ggml_flash_attn_ext(state.context.get(), inputs.back(), state.layer_of(k, layer),
                                                      state.layer_of(v, layer), nullptr,
                                                      static_cast<float>(shape.scale), 0, 0));
            if (!ggml_backend_supports_op(state.backend.get(), state.nodes.back()))
                throw NotApplicable("ggml's CPU backend does not attend to this shape");
            ggml_build_forward_expand(state.graph, state.nodes.back());
        }
    }
    state.own.reset(ggml_backend_alloc_ctx_tensors(state.context.get(), state.backend.get()));
    if (state.own == nullptr) throw SystemError("ggml has no memory for queries and outputs");
    auto const values = shape.heads * shape.queries * shape.k_dim;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        ggml_backend_tensor_set(inputs[i], queries.data() + i * values, 0, values * sizeof(float));
}
GgmlAttention::~GgmlAttention() = default;
GgmlAttention::GgmlAttention(GgmlAttention&&) noexcept = default;

void GgmlAttention::run() const {
    if (ggml_backend_graph_compute(state_->backend.get(), state_->graph) != GGML_STATUS_SUCCESS)
        throw SystemError("ggml's flash attention failed");
}

std::vector<float> GgmlAttention::outputs() const {
    auto const& shape = state_->shape;
    std::vector<float> all;
    std::vector<float> node(shape.queries * shape.heads * shape.v_dim);
    for (auto const* const tensor : state_->nodes) {
        ggml_backend_tensor_get(tensor, node.data(), 0, node.size() * sizeof(float));
        // ggml's order is [query][head][dim].
        for (std::uint64_t head = 0; head < shape.heads; ++head) {
            for (std::uint64_t query = 0; query < shape.queries; ++query) {
                auto const first = node.begin() + whole((query * shape.heads + head) * shape.v_dim);
                all.insert(all.end(), first, first + whole(shape.v_dim));
            }
        }
    }
    return all;
}

}  // namespace kvstone
