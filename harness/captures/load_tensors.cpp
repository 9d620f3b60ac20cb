#include "harness/captures/load_tensors.hpp"

#include <cstring>

#include "harness/captures/model_source.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

KvTensors load_kind(Json const& source, Json const& locator, std::uint64_t context, Needs needs) {
    auto const kind = source.at("kind").get<std::string>();
    if (kind == "synthetic") return make_synthetic(source, context, needs);
    if (kind == "dump") return load_dump(source, locator.at("path").get<std::string>(), context, needs);
    if (kind == "model") return load_model(source, locator, context, needs);
    throw ConfigError("unknown kind of source", kind, {"synthetic", "dump", "model"});
}

/// The vectors of some tokens, given in rising order.
HostTensor tokens_of(HostTensor const& tensor, std::vector<std::uint64_t> const& tokens) {
    auto shape = tensor.shape;
    shape.tokens = tokens.size();
    auto const vector_bytes = shape.dim * element_bytes(tensor.type);
    auto const bytes = allocate_bytes(shape.vectors() * vector_bytes);
    auto* to = bytes.get();
    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
        for (auto const token : tokens) {
            std::memcpy(to, tensor.bytes.get() + (head * tensor.shape.tokens + token) * vector_bytes, vector_bytes);
            to += vector_bytes;
        }
    }
    return {tensor.type, shape, bytes};
}

}  // namespace

KvTensors load_tensors(Json const& source, Json const& locator, std::uint64_t context, Needs needs) {
    auto tensors = load_kind(source, locator, context, needs);
    if (tensors.q && needs.q_sample.queries > 0 && tensors.q_positions.empty()) {
        tensors.q_positions = needs.q_sample.positions(tensors.q->shape.tokens);
        tensors.q = tokens_of(*tensors.q, tensors.q_positions);
    }
    return tensors;
}

}  // namespace kvstone
