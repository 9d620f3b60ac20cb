#include "harness/sources/latent.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

HostTensor with_latent_behind(HostTensor const& tensor, std::uint64_t latent) {
    auto const bytes = allocate_bytes(tensor.span().size());
    auto const element = element_bytes(tensor.type);
    auto const front = latent * element;
    auto const vector = tensor.shape.dim * element;
#pragma omp parallel for schedule(static)
    for (std::uint64_t i = 0; i < tensor.shape.vectors(); ++i) {
        auto const* const from = tensor.bytes.get() + i * vector;
        std::memcpy(bytes.get() + i * vector, from + front, vector - front);
        std::memcpy(bytes.get() + (i + 1) * vector - front, from, front);
    }
    return {tensor.type, tensor.shape, bytes};
}

}  // namespace

void check_latent(std::string_view tensor, KvShape const& shape, std::uint64_t latent, std::string const& what) {
    if (tensor == "v") throw ConfigError(what + ": latent attention keeps no V", "latent", {"k: NAME alone"});
    if (tensor != "q" && shape.heads != 1)
        throw ConfigError(
            fmt::format("{}: a latent is one vector a token, and {} has {} heads", what, tensor, shape.heads),
            "latent");
    if (shape.dim <= latent)
        throw ConfigError(fmt::format("{}: a latent of {} channels stands beside others, and vectors have {}", what,
                                      latent, shape.dim),
                          std::to_string(latent));
}

void take_latent(KvTensors& tensors, std::uint64_t latent, std::string const& what) {
    for (auto const& [name, tensor] :
         {std::pair{"k", &tensors.k}, {"v", &tensors.v}, {"k_prerope", &tensors.k_prerope}, {"q", &tensors.q}}) {
        if (!tensor->has_value()) continue;
        check_latent(name, (*tensor)->shape, latent, what);
        *tensor = with_latent_behind(**tensor, latent);
    }
    tensors.latent = latent;
}

KvView latent_of(KvView const& cache, std::uint64_t latent) {
    auto view = cache;
    view.data = static_cast<std::byte*>(cache.data) + (cache.shape.dim - latent) * element_bytes(cache.type);
    view.shape.dim = latent;
    return view;
}

}  // namespace kvstone
