// libFuzzer: config.json of models. Anything but a shape, a cache or ConfigError is a finding.

#include <string>
#include <string_view>

#include "harness/sources/config_cache.hpp"
#include "harness/sources/config_keys.hpp"
#include "harness/sources/model_config.hpp"
#include "scenarios/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    try {
        kvstone::parse_model_config(text, "fuzz");
    } catch (kvstone::ConfigError const&) {
    }
    try {
        kvstone::cache_of_config(kvstone::text_config_of(text, "fuzz"), "fuzz");
    } catch (kvstone::ConfigError const&) {
    }
    return 0;
}
