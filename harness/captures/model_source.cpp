#include "harness/captures/model_source.hpp"

#include "harness/captures/capture_cache.hpp"
#include "harness/engine/engine.hpp"
#include "harness/engine/model_capture.hpp"

namespace kvstone {

KvTensors load_model(Json const& source, Json const& locator, std::uint64_t context, Needs needs) {
    // Two captures per model, text and context: the tensors that most workloads read, and all tensors. Their common
    // tensors are alike, so that a workload that needs fewer takes the second where it exists. `queries` in the
    // locator: a later cell needs it.
    bool const everything = needs.k_prerope || needs.q || locator.value("queries", false);
    auto const key = [&](char const* tensors) {
        return Json{{"format", 1},        {"model", source.at("sha256")}, {"text", source.at("text_sha256")},
                    {"context", context}, {"tensors", tensors},           {"engine", engine_version()}};
    };
    auto const folder = capture_folder();
    char const* const all = "k v k_prerope q";
    if (!everything) {
        if (auto found = find_capture(folder, key(all), needs)) return *std::move(found);
    }
    return cached_capture(folder, key(everything ? all : "k v"), needs, [&] {
        auto tensors = capture_model(locator.at("path").get<std::string>(), locator.at("text").get<std::string>(),
                                     context, {.k = true, .v = true, .k_prerope = everything, .q = everything});
        tensors.metadata["source"] = source.dump();
        return tensors;
    });
}

}  // namespace kvstone
