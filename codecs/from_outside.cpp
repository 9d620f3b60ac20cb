#include "codecs/from_outside.hpp"

namespace kvstone {

bool is_engine_cache(std::string_view codec) {
    return codec.starts_with(engine_cache_stage) && codec.substr(engine_cache_stage.size()).starts_with(':');
}

std::string shown_example(StageInfo const& info) {
    return info.examples.empty() ? info.example_from_outside : info.examples.front();
}

}  // namespace kvstone
