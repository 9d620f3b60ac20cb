#include "harness/workloads/cell_tensors.hpp"

#include <fmt/format.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/sources/layout_check.hpp"
#include "harness/workloads/verify.hpp"

namespace kvstone {

KvTensors load_cell_tensors(AttemptRequest const& request, Needs needs, Measurement& measurement) {
    auto const& cell = request.cell;
    auto tensors = load_tensors(cell.source, cell.locator, cell.context, needs);
    // Nobody but a dump's user says how its tensors lie.
    if (cell.source.at("kind") != "dump" || !request.measure.quality) return tensors;
    for (auto const& [name, tensor] : {std::pair{"k", &tensors.k}, {"v", &tensors.v}}) {
        if (!tensor->has_value()) continue;
        auto const layout = check_layout(**tensor);
        if (layout.verdict == "suspect")
            warn(measurement,
                 fmt::format("suspect_layout: {} has more structure as '{}' ({:.2f}) than as read ({:.2f})", name,
                             layout.best_other, layout.as_best_other.sum(), layout.as_read.sum()));
    }
    return tensors;
}

}  // namespace kvstone
