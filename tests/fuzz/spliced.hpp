#pragma once
// Inputs that get past the first check: something good, a part of which was replaced.

#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstone {

/// Inputs of fewer bytes alter nothing: the valid text must then be accepted, or the fuzzer reaches no code behind it.
constexpr std::size_t least_altering = 3;

/// Two bytes say where; the next what is taken away there: as many bytes as come (a binary format's offsets still hold),
/// none, the rest of a word, or up to 63 bytes. The rest of the input comes in their place.
inline std::string spliced(std::string good, std::uint8_t const* data, std::size_t size) {
    if (size < least_altering) return good;
    auto const where = (data[0] | static_cast<std::size_t>(data[1]) << 8) % (good.size() + 1);
    auto const word = good.find_first_of(" ,:{}[]\"'\n", where) - where;
    std::size_t const away[] = {size - least_altering, 0, word, data[2] / 4U};
    return good.replace(where, away[data[2] % 4], reinterpret_cast<char const*>(data + least_altering),
                        size - least_altering);
}

}  // namespace kvstone
