#include "codecs/from_outside.hpp"

#include <cctype>

namespace kvstone {

bool is_engine_cache(std::string_view codec) {
    return codec.starts_with(engine_cache_stage) && codec.substr(engine_cache_stage.size()).starts_with(':');
}

std::string shown_example(StageInfo const& info) {
    if (!info.examples.empty()) return info.examples.front();
    auto text = info.name;
    for (auto const& option : info.options) {
        if (option.default_value) continue;
        auto value = option.choices.empty() ? option.name : option.choices.front();
        if (option.choices.empty())
            for (auto& c : value) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        text += (text == info.name ? ":" : ",") + option.name + "=" + value;
    }
    return text;
}

}  // namespace kvstone
