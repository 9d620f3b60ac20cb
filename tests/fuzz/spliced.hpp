#pragma once
// Inputs that get past the first check: something good, a part of which was replaced.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstone {

/// Two bytes say where, one (signed) how many bytes more than stand there are taken away (0: as many, and all behind
/// stays where it was); the rest of the input stands there.
inline std::string spliced(std::string good, std::uint8_t const* data, std::size_t size) {
    if (size < 3) return good;
    auto const where = (data[0] | static_cast<std::size_t>(data[1]) << 8) % (good.size() + 1);
    auto const more = static_cast<std::int8_t>(data[2]);
    auto const away = std::max<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(size - 3) + more);
    return good.replace(where, static_cast<std::size_t>(away), reinterpret_cast<char const*>(data + 3), size - 3);
}

}  // namespace kvstone
