#pragma once
// Small files for the tests of tensor sources.

#include <cstdint>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <string>

#include "harness/sources/tensor_source.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {

inline std::string read_file(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The values' bytes, as they lie in memory.
template <class T>
std::string bytes_of(std::initializer_list<T> values) {
    std::string bytes;
    for (auto const value : values) bytes.append(reinterpret_cast<char const*>(&value), sizeof value);
    return bytes;
}

inline std::string safetensors_bytes(std::string const& header, std::string const& data) {
    return bytes_of<std::uint64_t>({header.size()}) + header + data;
}

inline std::string npy_bytes(std::string const& dict, std::string const& data, char version = 1) {
    auto const length = static_cast<std::uint32_t>(dict.size());
    std::string bytes("\x93NUMPY");
    bytes += version;
    bytes += '\0';
    bytes += version == 1 ? bytes_of<std::uint16_t>({static_cast<std::uint16_t>(length)}) : bytes_of({length});
    return bytes + dict + data;
}

/// Values as floats, whatever the tensor's type is: for f32 tensors only.
inline std::vector<float> floats(HostTensor const& tensor) {
    std::vector<float> values(tensor.shape.values());
    std::memcpy(values.data(), tensor.bytes.get(), values.size() * sizeof(float));
    return values;
}

/// The message of the exception of type E that `action` throws; empty where it throws none.
template <class E, class Action>
std::string message_of(Action&& action) {
    try {
        action();
    } catch (E const& error) {
        return error.what();
    }
    return {};
}

}  // namespace kvstone
