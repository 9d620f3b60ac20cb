#include "harness/sources/known_models.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "harness/sources/builtin.hpp"
#include "harness/sources/config_cache.hpp"
#include "harness/sources/shapes.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

ModelCache cache_of_shape(ModelShape const& shape) {
    ModelCache cache;
    cache.name = shape.name;
    cache.source = "shape of sources";
    cache.layers = shape.layers;
    // A latent stands in for K and V.
    CachedLayer const layer{shape.kv_heads, shape.head_dim, shape.latent == 0 ? shape.head_dim : 0, 0};
    cache.cached.assign(shape.layers, layer);
    return cache;
}

}  // namespace

std::vector<ModelCache> known_models() {
    auto const list = builtin_path("known_models");
    if (list.empty()) return {};
    std::ifstream lines(list);
    std::vector<ModelCache> models;
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        std::string name;
        std::string repository;
        std::string config;
        words >> name >> repository >> std::ws;
        std::getline(words, config);
        auto const json = parse_json_or_discard(config);
        if (!json.is_object())
            throw SystemError(fmt::format("{}:{}: expected a name, a repository and a JSON object", list, number));
        auto cache = cache_of_config(json, fmt::format("{}:{}", list, number));
        cache.name = name;
        cache.source = repository;
        models.push_back(std::move(cache));
    }
    return models;
}

ModelCache known_model(std::string const& name) {
    std::vector<std::string> names;
    for (auto& model : known_models()) {
        if (model.name == name) return std::move(model);
        names.push_back(model.name);
    }
    for (auto const& shape : model_shapes()) {
        if (shape.name == name) return cache_of_shape(shape);
        if (std::ranges::find(names, shape.name) == names.end()) names.push_back(shape.name);
    }
    throw ConfigError("unknown model", name, names);
}

}  // namespace kvstone
