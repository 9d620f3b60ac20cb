// Captured Q and K are those that meet in the engine: their softmax is the one its graph computes.

#include <cmath>
#include <fstream>
#include <map>
#include <string_view>

#include <ggml-backend.h>
#include <gtest/gtest.h>
#include <llama.h>

#include "harness/engine/model_capture.hpp"
#include "tests/attention_reference.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

/// Softmaxes of the layers as the engine has them: [head][query][token], tokens padded.
struct Softmaxes {
    std::map<std::string, std::vector<float>> by_name;
    std::int64_t padded_tokens = 0;

    static bool take(ggml_tensor* tensor, bool ask, void* self) {
        if (!std::string_view(tensor->name).starts_with("kq_soft_max-")) return !ask;
        if (ask) return true;
        auto& softmaxes = *static_cast<Softmaxes*>(self);
        auto& values = softmaxes.by_name[tensor->name];
        values.resize(static_cast<std::size_t>(ggml_nelements(tensor)));
        ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
        softmaxes.padded_tokens = tensor->ne[0];
        return true;
    }
};

Softmaxes engine_softmaxes(std::string const& path, std::string const& text, std::int32_t tokens) {
    Softmaxes softmaxes;
    auto* const model = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    std::vector<llama_token> ids(text.size());
    llama_tokenize(llama_model_get_vocab(model), text.data(), static_cast<std::int32_t>(text.size()), ids.data(),
                   static_cast<std::int32_t>(ids.size()), true, false);
    auto parameters = llama_context_default_params();
    parameters.n_ctx = 256;
    parameters.n_threads = parameters.n_threads_batch = 1;
    parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    parameters.type_k = parameters.type_v = GGML_TYPE_F32;
    parameters.cb_eval = &Softmaxes::take;
    parameters.cb_eval_user_data = &softmaxes;
    auto* const context = llama_init_from_model(model, parameters);
    EXPECT_EQ(llama_decode(context, llama_batch_get_one(ids.data(), tokens)), 0);
    llama_free(context);
    llama_model_free(model);
    return softmaxes;
}

TEST(EngineAttention, HasTheSoftmaxOfCapturedQueriesAndKeys) {
    auto const model = test_data("models/stories260K.gguf");
    auto const text = test_data("text/tinystories_val_794k.txt");
    if (!model || !text) GTEST_SKIP() << "stories260K.gguf or its text is not among the test data";
    constexpr std::uint64_t tokens = 48;
    auto const captured =
        capture_model(model->string(), text->string(), tokens, {.k = true, .v = false, .k_prerope = false, .q = true});
    std::ifstream file(*text);
    std::string start(2000, ' ');
    file.read(start.data(), static_cast<std::streamsize>(start.size()));
    auto const engine = engine_softmaxes(model->string(), start, tokens);
    ASSERT_EQ(engine.by_name.size(), captured.k->shape.layers);

    auto const view = [](HostTensor const& tensor) -> KvView {
        return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
    };
    auto const q = view(*captured.q), k = view(*captured.k);
    auto const group = q.shape.heads / k.shape.heads;
    ASSERT_EQ(group, 2U);
    double most = 0, other_head = 0;
    for (std::uint64_t layer = 0; layer < k.shape.layers; ++layer) {
        auto const& weights = engine.by_name.at("kq_soft_max-" + std::to_string(layer));
        for (std::uint64_t head = 0; head < q.shape.heads; ++head)
            for (std::uint64_t query = 0; query < tokens; ++query) {
                auto const weights_of = [&](std::uint64_t kv_head) {
                    std::vector<double> logits;
                    for (std::uint64_t t = 0; t <= query; ++t) {
                        double sum = 0;
                        for (std::uint64_t c = 0; c < k.shape.dim; ++c)
                            sum += value_of(q, layer, head, query, c) * value_of(k, layer, kv_head, t, c);
                        logits.push_back(sum / std::sqrt(static_cast<double>(k.shape.dim)));
                    }
                    return softmax_reference(logits, AttentionFault::none);
                };
                auto const ours = weights_of(head / group), others = weights_of(head % k.shape.heads);
                auto const padded = static_cast<std::uint64_t>(engine.padded_tokens);
                for (std::uint64_t t = 0; t <= query; ++t) {
                    double const theirs = weights[(head * tokens + query) * padded + t];
                    most = std::max(most, std::fabs(ours[t] - theirs));
                    other_head = std::max(other_head, std::fabs(others[t] - theirs));
                }
            }
    }
    EXPECT_LT(most, 1e-5);
    EXPECT_GT(other_head, 0.1);
}

}  // namespace
}  // namespace kvstone
