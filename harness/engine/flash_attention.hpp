#pragma once
// ggml's own attention over a cache of its own formats: what a kernel of ours is held against.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace kvstone {

/// Types of a cache that ggml attends to and a codec of that name stores byte for byte.
enum class GgmlCacheType : std::uint8_t { f16, q8_0, q4_0 };
/// By a codec's text: fp16, q8_0, q4_0; nothing where ggml has no such type.
std::optional<GgmlCacheType> ggml_cache_type(std::string_view codec);

/// K and V of one sequence, [layer, head, token, dim] without gaps, in host memory that outlives what attends to it.
struct GgmlCache {
    void const* k = nullptr;
    void const* v = nullptr;
};

struct GgmlAttentionShape {
    std::uint64_t layers = 0;
    std::uint64_t kv_heads = 0;
    std::uint64_t heads = 0;    ///< of queries
    std::uint64_t queries = 0;  ///< of each head
    std::uint64_t tokens = 0;
    std::uint64_t k_dim = 0;
    std::uint64_t v_dim = 0;
    double scale = 1;
    int threads = 1;
};

/// A graph of ggml_flash_attn_ext, one node for each layer of each sequence, on ggml's CPU backend.
class GgmlAttention {
  public:
    /// `queries` [sequence][layer][head][query][dim] are copied. Throws NotApplicable where this build or this machine has
    /// no such backend, or ggml cannot attend to that shape.
    GgmlAttention(GgmlCacheType type, GgmlAttentionShape const& shape, std::vector<GgmlCache> const& caches,
                  std::vector<float> const& queries);
    ~GgmlAttention();
    GgmlAttention(GgmlAttention&&) noexcept;

    /// One step. Throws SystemError where ggml fails.
    void run() const;
    /// [sequence][layer][head][query][dim of V], of the last step.
    std::vector<float> outputs() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
