#pragma once
// A model of architecture llama as its definition has it: double precision, every attention weight by itself, no cache.

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <ggml.h>
#include <gguf.h>

#include "harness/engine/engine.hpp"

namespace kvstone {

class LlamaReference {
  public:
    /// Of a GGUF file with matrices in f16 or f32, RoPE on neighbouring pairs, and the output tied to the embedding.
    explicit LlamaReference(std::string const& path) {
        ggml_context* data = nullptr;
        auto* const file = gguf_init_from_file(path.c_str(), {.no_alloc = false, .ctx = &data});
        if (file == nullptr) throw std::runtime_error("no GGUF file: " + path);
        for (auto* tensor = ggml_get_first_tensor(data); tensor != nullptr; tensor = ggml_get_next_tensor(data, tensor))
            if (tensor->type == GGML_TYPE_F16 || tensor->type == GGML_TYPE_F32)  // the file's bytes are a tensor, too
                tensors_[tensor->name] = values_of(*tensor);
        auto const key = [&](char const* name) { return gguf_find_key(file, name); };
        layers_ = gguf_get_val_u32(file, key("llama.block_count"));
        heads_ = gguf_get_val_u32(file, key("llama.attention.head_count"));
        kv_heads_ = gguf_get_val_u32(file, key("llama.attention.head_count_kv"));
        epsilon_ = gguf_get_val_f32(file, key("llama.attention.layer_norm_rms_epsilon"));
        base_ = gguf_get_val_f32(file, key("llama.rope.freq_base"));
        width_ = tensors_.at("output_norm.weight").size();
        dim_ = tensors_.at("blk.0.attn_q.weight").size() / width_ / heads_;
        gguf_free(file);
        ggml_free(data);
    }

    /// Logits behind the token at `query`, which stands at that position, where attention sees `sees(query, token)` of the
    /// tokens up to itself.
    using Sees = std::function<bool(std::size_t query, std::size_t token)>;
    std::vector<std::vector<double>> logits(std::span<Token const> tokens, Sees const& sees) const {
        std::vector<std::vector<double>> x;
        for (auto const token : tokens) {
            auto const row = tensors_.at("token_embd.weight").begin() + static_cast<std::ptrdiff_t>(token) * width();
            x.emplace_back(row, row + width());
        }
        for (std::size_t layer = 0; layer < layers_; ++layer) {
            auto const name = "blk." + std::to_string(layer) + ".";
            attend(name, sees, x);
            for (auto& own : x) {
                auto const normed = norm(name + "ffn_norm", own);
                auto gate = times(name + "ffn_gate", normed);
                auto const up = times(name + "ffn_up", normed);
                for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
                add(own, times(name + "ffn_down", gate));
            }
        }
        for (auto& own : x) own = times("token_embd", norm("output_norm", own));
        return x;
    }

  private:
    using Vector = std::vector<double>;

    static Vector values_of(ggml_tensor const& tensor) {
        Vector values(static_cast<std::size_t>(ggml_nelements(&tensor)));
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = tensor.type == GGML_TYPE_F16 ? ggml_fp16_to_fp32(static_cast<ggml_fp16_t*>(tensor.data)[i])
                                                     : static_cast<float*>(tensor.data)[i];
        return values;
    }
    std::ptrdiff_t width() const { return static_cast<std::ptrdiff_t>(width_); }
    static void add(Vector& to, Vector const& from) {
        for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    }
    Vector norm(std::string const& name, Vector x) const {
        double squares = 0;
        for (auto const value : x) squares += value * value;
        auto const& weight = tensors_.at(name + ".weight");
        for (std::size_t i = 0; i < x.size(); ++i)
            x[i] *= weight[i] / std::sqrt(squares / static_cast<double>(x.size()) + epsilon_);
        return x;
    }
    Vector times(std::string const& name, Vector const& x) const {
        auto const& matrix = tensors_.at(name + ".weight");
        Vector y(matrix.size() / x.size());
        for (std::size_t row = 0; row < y.size(); ++row)
            for (std::size_t i = 0; i < x.size(); ++i) y[row] += matrix[row * x.size() + i] * x[i];
        if (auto const bias = tensors_.find(name + ".bias"); bias != tensors_.end()) add(y, bias->second);
        return y;
    }
    void rotate(Vector& x, std::size_t position) const {
        for (std::size_t i = 0; i < x.size(); i += 2) {
            auto const pair = static_cast<double>(i % dim_);
            auto const angle = static_cast<double>(position) * std::pow(base_, -pair / static_cast<double>(dim_));
            auto const a = x[i], b = x[i + 1];
            x[i] = a * std::cos(angle) - b * std::sin(angle);
            x[i + 1] = a * std::sin(angle) + b * std::cos(angle);
        }
    }
    void attend(std::string const& name, Sees const& sees, std::vector<Vector>& x) const {
        std::vector<Vector> q, k, v;
        for (std::size_t t = 0; t < x.size(); ++t) {
            auto const normed = norm(name + "attn_norm", x[t]);
            rotate(q.emplace_back(times(name + "attn_q", normed)), t);
            rotate(k.emplace_back(times(name + "attn_k", normed)), t);
            v.push_back(times(name + "attn_v", normed));
        }
        for (std::size_t t = 0; t < x.size(); ++t) {
            Vector out(q[t].size());
            for (std::size_t head = 0; head < heads_; ++head) {
                auto const own = head * dim_, shared = head / (heads_ / kv_heads_) * dim_;
                Vector weights(t + 1);
                double sum = 0;
                for (std::size_t other = 0; other <= t; ++other) {
                    if (!sees(t, other)) continue;
                    double logit = 0;
                    for (std::size_t c = 0; c < dim_; ++c) logit += q[t][own + c] * k[other][shared + c];
                    sum += weights[other] = std::exp(logit / std::sqrt(static_cast<double>(dim_)));
                }
                for (std::size_t other = 0; other <= t; ++other)
                    for (std::size_t c = 0; c < dim_; ++c) out[own + c] += weights[other] / sum * v[other][shared + c];
            }
            add(x[t], times(name + "attn_output", out));
        }
    }

    std::map<std::string, Vector> tensors_;
    std::size_t layers_, heads_, kv_heads_, width_, dim_;
    double epsilon_, base_;
};

}  // namespace kvstone
