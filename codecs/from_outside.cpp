#include "codecs/from_outside.hpp"

#include <map>

namespace kvstone {
namespace {

std::map<std::string_view, char const*> const forms{
    {engine_cache_stage, "engine:k=q8_0,v=q8_0"},
    {"external", "external:name=mine,kind=command,hash=0123456789abcdef"}};

}  // namespace

bool is_engine_cache(std::string_view codec) {
    return codec.starts_with(engine_cache_stage) && codec.substr(engine_cache_stage.size()).starts_with(':');
}

bool is_declared(std::string_view codec) { return codec.find(",kind=declared,hash=") != std::string_view::npos; }

bool is_from_outside(std::string_view stage) { return stage == engine_cache_stage || stage == "external"; }

std::string shown_example(StageInfo const& info) {
    return info.examples.empty() ? forms.at(info.name) : info.examples.front();
}

}  // namespace kvstone
