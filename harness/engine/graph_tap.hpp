#pragma once
// Listens to libllama's graph as it runs and keeps K, V and Q of every layer.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/sources/tensor_source.hpp"

struct ggml_tensor;

namespace kvstone {

/// The tensors that are kept: K as it enters the cache, K before RoPE, V, and Q as it is multiplied with K.
enum class Tap : std::uint8_t { k, k_before, v, q };

struct TapShape {
    std::uint64_t layers = 0;
    std::uint64_t heads = 0;
    std::uint64_t kv_heads = 0;
    std::uint64_t tokens = 0;
    bool has_rope = false;
};

/// The engine names a layer's tensors Kcur-N, Vcur-N and Qcur-N (Kcur_normed-N where they are normalised). Several
/// steps one after the other may have the same name; the last one counts. K before RoPE is the last one before the step
/// that rotates. Values are copied as [layer, head, token, dim], f32.
class GraphTap {
  public:
    /// K before RoPE is kept for all tokens where it is needed, else for the first 64, which are enough to find RoPE's
    /// parameters.
    GraphTap(TapShape const& shape, Needs needs);

    /// Called before the tokens [first, first + count) run.
    void start_batch(std::uint64_t first, std::uint64_t count);
    /// Throws ConfigError, beginning with `what`, where a layer lacks the needed tensors, or has them in an unexpected
    /// form.
    void finish_batch(std::string const& what) const;
    /// The engine's callback; user_data is a GraphTap.
    static bool evaluate(ggml_tensor* tensor, bool ask, void* user_data);

    std::optional<HostTensor> const& tensor(Tap tap) const { return kept_[static_cast<std::size_t>(tap)].tensor; }
    /// The frequency factors of RoPE, where the model has them.
    std::vector<double> const& frequency_factors() const { return frequency_factors_; }

  private:
    struct Kept {
        bool needed = false;
        std::uint64_t heads = 0;
        std::uint64_t tokens = 0;  ///< the first tokens, this many
        std::optional<HostTensor> tensor;
        std::byte* bytes = nullptr;
        std::vector<bool> seen;  ///< by layer, in this batch
    };

    void take(ggml_tensor const& tensor);
    void store(Kept& kept, ggml_tensor const& tensor, std::uint64_t layer);
    void take_frequency_factors(ggml_tensor const& tensor);

    TapShape shape_;
    std::array<Kept, 4> kept_;
    std::uint64_t first_ = 0;
    std::uint64_t count_ = 0;
    std::vector<double> frequency_factors_;
    std::string refusal_;
};

}  // namespace kvstone
