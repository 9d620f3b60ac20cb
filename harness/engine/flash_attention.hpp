#pragma once
// ggml's own attention over a cache in its own formats: the reference for our kernel.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace kvstone {

/// Types of ggml's caches for which a codec of the same name stores the same bytes.
enum class GgmlCacheType : std::uint8_t { f16, q8_0, q4_0 };
/// The type for a codec's text: fp16, q8_0, q4_0; nothing where ggml has none.
std::optional<GgmlCacheType> ggml_cache_type(std::string_view codec);

/// K and V of one sequence, [layer, head, token, dim] without gaps, in host memory that outlives its readers.
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
    /// `queries` [sequence][layer][head][query][dim] are copied. Throws NotApplicable where this build or this machine
    /// has no such backend, or ggml has no attention for that shape.
    GgmlAttention(GgmlCacheType type, GgmlAttentionShape const& shape, std::vector<GgmlCache> const& caches,
                  std::vector<float> const& queries);
    ~GgmlAttention();
    GgmlAttention(GgmlAttention&&) noexcept;

    /// One step. Throws SystemError where ggml fails.
    void run() const;
    /// Outputs of the last step, [sequence][layer][head][query][dim of V].
    std::vector<float> outputs() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
