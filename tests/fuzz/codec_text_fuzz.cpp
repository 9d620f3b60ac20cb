// Codec text: any bytes are refused, or print back to a text that parses to the same.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "codecs/codec.hpp"
#include "scenarios/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    try {
        auto const codec = kvstone::Codec::parse({reinterpret_cast<char const*>(data), size});
        auto const text = codec.text();
        if (kvstone::Codec::parse(text) != codec || kvstone::Codec::parse(text).text() != text) std::abort();
    } catch (kvstone::ConfigError const&) {
    }
    return 0;
}
