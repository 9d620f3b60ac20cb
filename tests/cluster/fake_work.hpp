#pragma once
// Items and measurements that need no codec.

#include <string>
#include <vector>

#include "cluster/dispatcher.hpp"

namespace kvstone {

inline WorkItem fake_item(int index, std::string const& backend = "openmp", bool timing = false, int source = 0) {
    WorkItem item;
    item.cell.workload = "roundtrip";
    item.cell.source = {{"kind", "synthetic"}, {"seed", source}};
    item.cell.codec = "raw";
    item.cell.codec_name = "raw";
    item.cell.source_name = "fake";
    item.cell.locator = Json::object();
    item.cell.backend = backend;
    item.cell.batch = static_cast<std::uint64_t>(index) + 1;
    identify(item.cell);
    item.measure.timing = timing;
    return item;
}

/// The index that fake_item was given.
inline int number_of(WorkItem const& item) { return static_cast<int>(item.cell.batch) - 1; }

inline std::vector<WorkItem> fake_items(int count, bool timing = false) {
    std::vector<WorkItem> items;
    for (int i = 0; i < count; ++i) items.push_back(fake_item(i, "openmp", timing, i / 8));
    return items;
}

inline WorkerInfo fake_worker(std::string node = "node", std::vector<std::string> backends = {"openmp"}) {
    return {std::move(node), "class", std::move(backends), {{"name", "host"}}};
}

/// The measurement of a measuring function: a figure that only this item has.
inline Measurement fake_measurement(WorkItem const& item) {
    Measurement measurement;
    measurement.status = Status::ok;
    measurement.figures.push_back({"k", "mae", static_cast<double>(number_of(item)), 1, {}, {}});
    return measurement;
}

}  // namespace kvstone
