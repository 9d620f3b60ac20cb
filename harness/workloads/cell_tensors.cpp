#include "harness/workloads/cell_tensors.hpp"

#include <fmt/format.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/sources/layout_check.hpp"
#include "harness/sources/padding.hpp"
#include "harness/workloads/counted_work.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

namespace {

[[noreturn]] void refuse_layout(Json const& source, std::string const& name, std::string const& axes,
                                std::string const& evidence) {
    auto const declared = source.contains("raw") ? source["raw"].at(name).at("layout").get<std::string>()
                                                 : source.value("layout", "layer head token dim");
    auto const right = renamed_layout(declared, axes);
    throw ConfigError("wrong_layout: " + evidence + (right.empty() ? "" : ": the layout is rather '" + right + "'"),
                      declared, right.empty() ? std::vector<std::string>() : std::vector{right});
}

}  // namespace

KvTensors load_cell_tensors(AttemptRequest const& request, Needs needs, Measurement& measurement) {
    auto const& cell = request.cell;
    auto tensors = load_tensors(cell.source, cell.locator, cell.context, needs);
    if (request.measure.work) keep_counted_part(tensors, *request.measure.work);
    // Only the layout of a dump is stated by its user.
    if (cell.source.at("kind") != "dump" || !request.measure.quality) return tensors;
    for (auto const& [name, tensor] : {std::pair{"k", &tensors.k}, {"v", &tensors.v}}) {
        if (!tensor->has_value()) continue;
        auto const& shape = (*tensor)->shape;
        auto const used = used_part(**tensor);
        if (used.tokens != 0 && (used.tokens < shape.tokens || used.dim < shape.dim))
            warn(measurement,
                 fmt::format("padded: {} has values other than 0 in {} of {} tokens and {} of {} channels, "
                             "from the first on",
                             name, used.tokens, shape.tokens, used.dim, shape.dim));
        auto const layout = check_layout(**tensor);
        if (layout.verdict != "suspect") continue;
        auto const evidence = layout.more_heads_than_channels
                                  ? fmt::format("{} has {} heads of {} channels as read, and looks as well as '{}'",
                                                name, shape.heads, shape.dim, layout.best_other)
                                  : fmt::format("{} has more structure as '{}' ({:.2f}) than as read ({:.2f})", name,
                                                layout.best_other, layout.as_best_other.sum(), layout.as_read.sum());
        if (layout.contradicted) refuse_layout(cell.source, name, layout.axes, evidence);
        warn(measurement, "suspect_layout: " + evidence);
    }
    return tensors;
}

}  // namespace kvstone
