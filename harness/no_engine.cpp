// In place of harness/engine/ and the code on top of it, in a build without libllama: reports that.

#include "codecs/not_applicable.hpp"
#include "harness/captures/model_source.hpp"
#include "harness/engine/cache_shape.hpp"
#include "harness/engine/flash_attention.hpp"
#include "harness/engine/gguf_cache.hpp"
#include "harness/workloads/model/model.hpp"
#include "harness/workloads/prefix_cache/block_source.hpp"
#include "harness/workloads/tasks/tasks.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr char const* no_engine = "this build reads no models: it was made without libllama";

}  // namespace

KvTensors load_model(Json const&, Json const&, std::uint64_t, Needs) { throw ConfigError(no_engine); }

CacheShape cache_shape_of(std::string const&) { throw ConfigError(no_engine); }

ModelCache read_gguf_cache(std::string const&) { throw ConfigError(no_engine); }

std::string weights_type_of(std::string const&) { return "?"; }

std::uint64_t trained_tokens_of(std::string const&) { return 0; }

std::unique_ptr<BlockSource> model_blocks(AttemptRequest const&, RequestTrace const&) { throw ConfigError(no_engine); }
std::optional<GgmlCacheType> ggml_cache_type(std::string_view) { return std::nullopt; }

struct GgmlAttention::State {};
GgmlAttention::GgmlAttention(GgmlCacheType, GgmlAttentionShape const&, std::vector<GgmlCache> const&,
                             std::vector<float> const&) {
    throw NotApplicable("this build was made without libllama");
}
GgmlAttention::~GgmlAttention() = default;
GgmlAttention::GgmlAttention(GgmlAttention&&) noexcept = default;
void GgmlAttention::run() const {}
std::vector<float> GgmlAttention::outputs() const { return {}; }

void run_model(AttemptRequest const&, Measurement& measurement) {
    measurement.status = Status::skipped;
    measurement.reason = no_engine;
}

void run_tasks(AttemptRequest const&, Measurement& measurement) {
    measurement.status = Status::skipped;
    measurement.reason = no_engine;
}

}  // namespace kvstone
