#include "codecs/from_outside.hpp"

#include <algorithm>
#include <iterator>

namespace kvstone {
namespace {

struct Form {
    std::string_view stage;
    char const* text;
};
// Stages register before main(), and ask.
constexpr Form forms[] = {{engine_cache_stage, "engine:k=q8_0,v=q8_0"},
                          {"external", "external:name=mine,kind=command,hash=0123456789abcdef"}};

}  // namespace

bool is_engine_cache(std::string_view codec) {
    return codec.starts_with(engine_cache_stage) && codec.substr(engine_cache_stage.size()).starts_with(':');
}

bool is_of_scenario(std::string_view codec) { return codec.find("external:name=") != std::string_view::npos; }

bool is_declared(std::string_view codec) { return codec.find(",kind=declared,hash=") != std::string_view::npos; }

bool is_from_outside(std::string_view stage) {
    return std::ranges::find(forms, stage, &Form::stage) != std::end(forms);
}

std::string shown_example(StageInfo const& info) {
    if (!info.examples.empty()) return info.examples.front();
    return std::ranges::find(forms, info.name, &Form::stage)->text;
}

}  // namespace kvstone
