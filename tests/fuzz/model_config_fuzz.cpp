// libFuzzer: config.json of models. Anything but a shape or ConfigError is a finding.

#include <string_view>

#include "harness/sources/model_config.hpp"
#include "scenarios/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    try {
        kvstone::parse_model_config({reinterpret_cast<char const*>(data), size}, "fuzz");
    } catch (kvstone::ConfigError const&) {
    }
    return 0;
}
