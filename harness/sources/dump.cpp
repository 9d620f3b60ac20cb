#include "harness/sources/dump.hpp"

#include "harness/files/safetensors.hpp"
#include "harness/sources/rope.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

void write_dump(std::string const& path, KvTensors const& tensors) {
    std::vector<std::pair<std::string, HostTensor>> named;
    if (tensors.k) named.emplace_back("k", *tensors.k);
    if (tensors.v) named.emplace_back("v", *tensors.v);
    if (tensors.k_prerope) named.emplace_back("k_prerope", *tensors.k_prerope);
    if (tensors.q) named.emplace_back("q", *tensors.q);
    if (named.empty())
        throw ConfigError("nothing to dump: the source has none of the tensors that were asked for", path);
    auto metadata = Json::object();
    for (auto const& [key, value] : tensors.metadata.items()) {
        metadata[key] = value.is_string() ? value : Json(value.dump());
    }
    metadata["kvstone_dump"] = "1";
    if (tensors.rope) metadata["rope"] = to_json(*tensors.rope).dump();
    if (tensors.latent != 0) metadata["latent"] = std::to_string(tensors.latent);
    write_safetensors(path, named, metadata);
}

}  // namespace kvstone
