#pragma once
// The engine's own memory of K and V, found by watching its writes, so that no names of an architecture are needed.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "harness/engine/engine.hpp"

struct ggml_tensor;

namespace kvstone {

/// K or V of one layer.
struct SlotName {
    Component component;
    std::uint64_t layer;
};

/// The name of the cells that a step of the graph writes, if it writes any.
std::optional<SlotName> written_slots(ggml_tensor const& step);

class EngineSlots {
  public:
    explicit EngineSlots(Engine const& engine);

    /// Learns the place of cells from a step that wrote those of the sequence's first `tokens` tokens. Throws
    /// ConfigError where they have a layout that this class cannot read.
    void learn(ggml_tensor const& step, SlotName const& name, std::uint64_t tokens);
    /// Throws ConfigError where a layer's K or V was not learnt.
    void require_all() const;
    /// Throws ConfigError unless a step that writes cells puts the tokens [first, first + count) into the cells of
    /// their positions.
    void check_places(ggml_tensor const& step, std::uint64_t first, std::uint64_t count) const;
    /// Throws ConfigError for a model whose cache cannot be reached.
    [[noreturn]] void refuse(std::string const& why) const;

    std::uint64_t dim(Component component) const { return dims_[static_cast<std::size_t>(component)]; }
    /// Copies between an f32 view in host memory and the cells of tokens from `first` on, in layers from `layer` on.
    void copy(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view, bool to_cells) const;

  private:
    /// One layer's K or V: a token's row [head, dim] contiguous, or (V without flash attention) each channel's tokens.
    struct Layer {
        ggml_tensor* tensor = nullptr;
        std::uint64_t room = 0;  ///< tokens
        bool by_channel = false;
    };

    Engine const* engine_;
    std::array<std::vector<Layer>, 2> layers_;
    std::array<std::uint64_t, 2> dims_{};
};

}  // namespace kvstone
