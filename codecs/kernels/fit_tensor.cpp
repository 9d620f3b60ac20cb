#include "codecs/kernels/fit_tensor.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/kernels/map_values.hpp"
#include "backends/spaces.hpp"
#include "codecs/kernels/fitted_bases.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

struct CalibratedValue {
    template <class T>
    KOKKOS_INLINE_FUNCTION float operator()(T value) const {
        return to_float(value);
    }
};

TensorBases fit_tensor(KvView const& tensor, CalibrationGroups const& of) {
    auto const& shape = tensor.shape;
    VectorGroups groups{shape, of.layers, of.over == "head" ? 1 : shape.heads, 0};
    if (of.heads > 0) groups.group_heads = std::min(of.heads, shape.heads);
    groups.rank = groups.length();
    if (shape.values() == 0) throw ConfigError("a text without tokens makes no bases");
    if (shape.layers % of.layers != 0)
        throw ConfigError("groups of layers go into all layers", fmt::format("{} of {}", of.layers, shape.layers));
    if (shape.heads % groups.group_heads != 0)
        throw ConfigError("groups of heads go into all heads", fmt::format("{} of {}", of.heads, shape.heads));
    if (groups.length() > most_fitted_channels)
        throw ConfigError("vectors are merged into longer ones than can be fitted", fmt::format("{}", groups.length()),
                          {fmt::format("up to {}", most_fitted_channels)});
    TensorBases fitted;
    auto const coded = groups.coded();
    fitted.shape = {coded.layers, coded.heads, coded.dim, coded.dim};
    fitted.basis.resize(fitted.shape.values());
    fitted.variance.resize(groups.count() * groups.length());
    if (of.mean) fitted.mean.resize(groups.count() * groups.length());
    std::vector<float> values(shape.values());
    Buffer const workspace(BackendKind::openmp, fit_bytes(groups));
    with_space(BackendKind::openmp, [&](auto const& space) {
        with_elements(tensor,
                      [&](auto span) { map_to_packed(space, read_only(span), values.data(), CalibratedValue{}); });
        fit_bases(space, groups, KvSpan<float const>{values.data(), shape, KvStrides::packed(shape)},
                  fitted.basis.data(), of.mean ? fitted.mean.data() : nullptr, workspace.data(),
                  fitted.variance.data());
    });
    fence(BackendKind::openmp);
    return fitted;
}

}  // namespace kvstone
