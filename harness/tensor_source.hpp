#pragma once
// Where K and V come from: a synthetic shape, a dump, or a model's own cache.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/rope.hpp"
#include "harness/query_sample.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// A tensor in host memory, packed as [layer, head, token, dim]; the bytes may be a mapped file.
struct HostTensor {
    ElementType type = ElementType::f32;
    KvShape shape;
    std::shared_ptr<std::byte const> bytes;  ///< shape.values() * element_bytes(type) of them

    std::span<std::byte const> span() const { return {bytes.get(), shape.values() * element_bytes(type)}; }
};

struct KvTensors {
    std::optional<HostTensor> k;  ///< after RoPE
    std::optional<HostTensor> v;
    std::optional<HostTensor> k_prerope;
    std::optional<HostTensor> q;             ///< its heads are the query heads, its tokens the queries asked for
    std::vector<std::uint64_t> q_positions;  ///< token of each query of a sample; empty: every token has one
    std::optional<Rope> rope;
    Json metadata;  ///< model, text, settings: whatever the source says of itself
};

/// Which tensors to bring; what is not asked for costs neither time nor memory.
struct Needs {
    bool k = true;
    bool v = true;
    bool k_prerope = false;
    bool q = false;
    QuerySample q_sample = {};  ///< of Q, these queries alone
};

/// Obtains the tensors of a cell: source as identified, locator as found on this machine, the first `context` tokens
/// (0: all). Of what `needs` names, tensors that the source does not have stay empty. Throws CorruptData for bad
/// content, SystemError for files that cannot be read, and ConfigError for a source that this build cannot serve.
KvTensors load_tensors(Json const& source, Json const& locator, std::uint64_t context, Needs needs = {});

}  // namespace kvstone
