#pragma once
// Model files made by tests: of architectures and vocabularies that the shipped model does not have.

#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <ggml.h>
#include <gguf.h>

#include "harness/sources/builtin.hpp"

namespace kvstone {

/// A file of metadata and f32 tensors of arbitrary small values.
class GgufFile {
  public:
    explicit GgufFile(std::string architecture) : architecture_(std::move(architecture)) {
        gguf_set_val_str(file_.get(), "general.architecture", architecture_.c_str());
    }
    /// The shipped model's vocabulary, 512 tokens.
    GgufFile& shipped_vocabulary() {
        std::unique_ptr<gguf_context, Free> const shipped(
            gguf_init_from_file(builtin_path("tiny").c_str(), {.no_alloc = true, .ctx = nullptr}));
        std::vector<std::string> others;
        for (std::int64_t i = 0; i < gguf_get_n_kv(shipped.get()); ++i) {
            std::string const key = gguf_get_key(shipped.get(), i);
            if (!key.starts_with("tokenizer.")) others.push_back(key);
        }
        for (auto const& key : others) gguf_remove_key(shipped.get(), key.c_str());
        gguf_set_kv(file_.get(), shipped.get());
        return *this;
    }
    /// Words of SentencePiece's kind, behind one for the unknown, one for the begin and one for the end of a text.
    GgufFile& vocabulary(std::vector<std::string> words) {
        words.insert(words.begin(), {"<unk>", "<s>", "</s>"});
        std::vector<char const*> tokens;
        for (auto const& word : words) tokens.push_back(word.c_str());
        std::vector<float> const scores(words.size());
        std::vector<std::int32_t> kinds(words.size(), 1);
        kinds[0] = 2;
        kinds[1] = kinds[2] = 3;
        gguf_set_val_str(file_.get(), "tokenizer.ggml.model", "llama");
        gguf_set_arr_str(file_.get(), "tokenizer.ggml.tokens", tokens.data(), tokens.size());
        gguf_set_arr_data(file_.get(), "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
        gguf_set_arr_data(file_.get(), "tokenizer.ggml.token_type", GGUF_TYPE_INT32, kinds.data(), kinds.size());
        return *this;
    }
    /// Under the architecture's name.
    GgufFile& number(std::string const& key, std::uint32_t value) {
        gguf_set_val_u32(file_.get(), (architecture_ + "." + key).c_str(), value);
        return *this;
    }
    /// One of so many that hold a model's tensors together.
    GgufFile& parts(std::uint16_t count) {
        gguf_set_val_u16(file_.get(), "split.count", count);
        return *this;
    }
    GgufFile& real(std::string const& key, float value) {
        gguf_set_val_f32(file_.get(), (architecture_ + "." + key).c_str(), value);
        return *this;
    }
    GgufFile& tensor(std::string const& name, std::vector<std::int64_t> const& sizes) {
        auto* const tensor =
            ggml_new_tensor(tensors_.get(), GGML_TYPE_F32, static_cast<int>(sizes.size()), sizes.data());
        ggml_set_name(tensor, name.c_str());
        auto* const values = static_cast<float*>(tensor->data);
        for (std::int64_t i = 0; i < ggml_nelements(tensor); ++i)
            values[i] = 0.2F * std::sin(static_cast<float>(i + ++made_));
        gguf_add_tensor(file_.get(), tensor);
        return *this;
    }
    std::string write(std::string const& path) const {
        if (!gguf_write_to_file(file_.get(), path.c_str(), false)) throw std::runtime_error("cannot write " + path);
        return path;
    }

  private:
    struct Free {
        void operator()(gguf_context* file) const { gguf_free(file); }
        void operator()(ggml_context* tensors) const { ggml_free(tensors); }
    };
    std::string architecture_;
    std::unique_ptr<gguf_context, Free> file_{gguf_init_empty()};
    std::unique_ptr<ggml_context, Free> tensors_{
        ggml_init({.mem_size = 4 << 20, .mem_buffer = nullptr, .no_alloc = false})};
    std::int64_t made_ = 0;
};

/// One layer of the usual kind, without a vocabulary.
inline GgufFile small_llama(std::int64_t vocabulary) {
    GgufFile file("llama");
    file.number("context_length", 4096).number("embedding_length", 32).number("block_count", 1);
    file.number("feed_forward_length", 64).number("attention.head_count", 4).number("attention.head_count_kv", 2);
    file.number("rope.dimension_count", 8).real("attention.layer_norm_rms_epsilon", 1e-5F);
    file.tensor("token_embd.weight", {32, vocabulary}).tensor("output_norm.weight", {32});
    file.tensor("blk.0.attn_norm.weight", {32}).tensor("blk.0.ffn_norm.weight", {32});
    file.tensor("blk.0.attn_q.weight", {32, 32}).tensor("blk.0.attn_output.weight", {32, 32});
    file.tensor("blk.0.attn_k.weight", {32, 16}).tensor("blk.0.attn_v.weight", {32, 16});
    file.tensor("blk.0.ffn_gate.weight", {32, 64}).tensor("blk.0.ffn_up.weight", {32, 64});
    file.tensor("blk.0.ffn_down.weight", {64, 32});
    return file;
}

/// Recurrent: keeps a state.
inline GgufFile small_mamba() {
    GgufFile file("mamba");
    file.shipped_vocabulary().number("context_length", 4096).number("embedding_length", 32).number("block_count", 1);
    file.number("feed_forward_length", 0).number("attention.head_count", 0).number("ssm.conv_kernel", 4);
    file.number("ssm.inner_size", 64).number("ssm.state_size", 16).number("ssm.time_step_rank", 2);
    file.real("attention.layer_norm_rms_epsilon", 1e-5F);
    file.tensor("token_embd.weight", {32, 512})
        .tensor("output_norm.weight", {32})
        .tensor("blk.0.attn_norm.weight", {32});
    file.tensor("blk.0.ssm_in.weight", {32, 128}).tensor("blk.0.ssm_conv1d.weight", {4, 64});
    file.tensor("blk.0.ssm_conv1d.bias", {64}).tensor("blk.0.ssm_x.weight", {64, 34});
    file.tensor("blk.0.ssm_dt.weight", {2, 64}).tensor("blk.0.ssm_dt.bias", {64}).tensor("blk.0.ssm_a", {16, 64});
    file.tensor("blk.0.ssm_d", {64}).tensor("blk.0.ssm_out.weight", {64, 32});
    return file;
}

/// Latent attention: keeps one vector a token that K and V are made of.
inline GgufFile small_deepseek() {
    GgufFile file("deepseek2");
    file.shipped_vocabulary().number("context_length", 4096).number("embedding_length", 32).number("block_count", 1);
    file.number("feed_forward_length", 64).number("attention.head_count", 4).number("attention.head_count_kv", 1);
    file.number("attention.key_length", 24).number("attention.value_length", 16);
    file.number("attention.key_length_mla", 16).number("attention.value_length_mla", 8);
    file.number("attention.kv_lora_rank", 16).number("attention.q_lora_rank", 16).number("rope.dimension_count", 8);
    file.number("leading_dense_block_count", 1).number("expert_feed_forward_length", 64).number("expert_count", 0);
    file.number("expert_used_count", 0).number("expert_shared_count", 1).real("expert_weights_scale", 1);
    file.real("attention.layer_norm_rms_epsilon", 1e-5F).number("vocab_size", 512);
    file.tensor("token_embd.weight", {32, 512}).tensor("output_norm.weight", {32}).tensor("output.weight", {32, 512});
    file.tensor("blk.0.attn_norm.weight", {32}).tensor("blk.0.attn_q_a.weight", {32, 16});
    file.tensor("blk.0.attn_q_a_norm.weight", {16}).tensor("blk.0.attn_q_b.weight", {16, 64});
    file.tensor("blk.0.attn_kv_a_mqa.weight", {32, 24}).tensor("blk.0.attn_kv_a_norm.weight", {16});
    file.tensor("blk.0.attn_k_b.weight", {8, 16, 4}).tensor("blk.0.attn_v_b.weight", {16, 8, 4});
    file.tensor("blk.0.attn_output.weight", {32, 32}).tensor("blk.0.ffn_norm.weight", {32});
    file.tensor("blk.0.ffn_gate.weight", {32, 64}).tensor("blk.0.ffn_up.weight", {32, 64});
    file.tensor("blk.0.ffn_down.weight", {64, 32});
    return file;
}

/// Three layers of four see the last `window` tokens only.
inline GgufFile small_cohere(std::uint32_t window) {
    GgufFile file("cohere2");
    file.shipped_vocabulary().number("context_length", 4096).number("embedding_length", 32).number("block_count", 4);
    file.number("feed_forward_length", 64).number("attention.head_count", 4).number("attention.head_count_kv", 2);
    file.number("attention.sliding_window", window).number("rope.dimension_count", 8).real("logit_scale", 1);
    file.real("attention.layer_norm_epsilon", 1e-5F).number("vocab_size", 512);
    file.tensor("token_embd.weight", {32, 512}).tensor("output_norm.weight", {32});
    for (int layer = 0; layer < 4; ++layer) {
        auto const name = "blk." + std::to_string(layer) + ".";
        file.tensor(name + "attn_norm.weight", {32}).tensor(name + "attn_q.weight", {32, 32});
        file.tensor(name + "attn_k.weight", {32, 16}).tensor(name + "attn_v.weight", {32, 16});
        file.tensor(name + "attn_output.weight", {32, 32}).tensor(name + "ffn_gate.weight", {32, 64});
        file.tensor(name + "ffn_up.weight", {32, 64}).tensor(name + "ffn_down.weight", {64, 32});
    }
    return file;
}

}  // namespace kvstone
