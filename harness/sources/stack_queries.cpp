#include "harness/sources/stack_queries.hpp"

#include <fmt/format.h>

#include "harness/sources/elements.hpp"
#include "harness/sources/rope.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

HostTensor stacked(HostTensor const& k, HostTensor const& q) {
    auto const group = q.shape.heads / k.shape.heads;
    auto shape = k.shape;
    shape.tokens *= 1 + group;
    auto const bytes = allocate_bytes(shape.values() * sizeof(float));
    auto* to = reinterpret_cast<float*>(bytes.get());
    auto const of_head = k.shape.tokens * k.shape.dim;
    auto const copy = [&](HostTensor const& from, std::uint64_t head) {
        for (std::uint64_t i = 0; i < of_head; ++i)
            *to++ = element_value(from.type, from.bytes.get(), head * of_head + i);
    };
    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
        copy(k, head);
        for (std::uint64_t i = 0; i < group; ++i) copy(q, head * group + i);
    }
    return {ElementType::f32, shape, bytes};
}

}  // namespace

void add_queries(KvTensors& tensors) {
    if (!tensors.k || !tensors.q)
        throw ConfigError("the source has no queries, or no K that they meet", "--queries yes",
                          {"a model (kvstone calibrate MODEL --text FILE)", "a dump with k and q"});
    auto const& k = tensors.k->shape;
    auto const& q = tensors.q->shape;
    if (q.layers != k.layers || q.tokens != k.tokens || q.dim != k.dim || q.heads % k.heads != 0)
        throw ConfigError("the queries are not one a token, for the same number of heads of each K head",
                          fmt::format("{}x{}x{}x{} beside K of {}x{}x{}x{}", q.layers, q.heads, q.tokens, q.dim,
                                      k.layers, k.heads, k.tokens, k.dim));
    if (tensors.k_prerope && tensors.rope) {
        tensors.k_prerope = stacked(*tensors.k_prerope, rotate(*tensors.q, *tensors.rope, true));
    } else {
        tensors.k_prerope.reset();
    }
    tensors.k = stacked(*tensors.k, *tensors.q);
}

}  // namespace kvstone
