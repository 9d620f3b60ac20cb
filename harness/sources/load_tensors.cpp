#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

KvTensors load_tensors(Json const& source, Json const& locator, std::uint64_t context, Needs needs) {
    auto const kind = source.at("kind").get<std::string>();
    if (kind == "synthetic") return make_synthetic(source, context, needs);
    if (kind == "dump") return load_dump(source, locator.at("path").get<std::string>(), context, needs);
    if (kind == "model") return load_model(source, locator, context, needs);
    throw ConfigError("unknown kind of source", kind, {"synthetic", "dump", "model"});
}

}  // namespace kvstone
