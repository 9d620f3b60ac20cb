#pragma once
// The output of transforms, read from the payload that `raw` stores behind them.

#include <cstring>
#include <string>
#include <vector>

#include "codecs/container/container.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {

/// Planes of f32 values through `text`, in the order in which the container has them.
inline std::vector<std::vector<std::byte>> planes_of(std::string const& text, KvShape const& shape,
                                                     std::vector<float> const& values) {
    auto const container = encoded(text, TestTensor(shape, ElementType::f32, values)).seal();
    std::vector<std::vector<std::byte>> planes;
    for (auto const& plane : read_container(container).planes) {
        planes.emplace_back(plane.data, plane.data + plane.bytes);
    }
    return planes;
}

using Bytes = std::vector<std::byte>;

/// Of a tensor of one vector.
inline std::vector<Bytes> stored_planes(std::string const& text, std::vector<float> const& values) {
    return planes_of(text, {1, 1, 1, values.size()}, values);
}

/// `head`, then `count` times `byte`.
inline Bytes followed_by(Bytes head, std::size_t count, int byte) {
    head.insert(head.end(), count, static_cast<std::byte>(byte));
    return head;
}

/// The tensor that `transforms` pass to the quantiser.
inline std::vector<float> transformed(std::string const& transforms, KvShape const& shape,
                                      std::vector<float> const& values) {
    auto const payload = planes_of(transforms + " | raw", shape, values).back();
    std::vector<float> result(payload.size() / sizeof(float));
    std::memcpy(result.data(), payload.data(), payload.size());
    return result;
}

/// The decoded tensor where `alter(values)` stands for a quantiser behind `transforms`.
template <class Alter>
std::vector<float> decoded_after(std::string const& transforms, KvShape const& shape, std::vector<float> const& values,
                                 Alter const& alter) {
    auto container = encoded(transforms + " | raw", TestTensor(shape, ElementType::f32, values)).seal();
    auto const payload = read_container(container).planes.back();
    std::vector<float> coded(payload.bytes / sizeof(float));
    std::memcpy(coded.data(), payload.data, payload.bytes);
    alter(coded);
    std::memcpy(container.data() + (payload.data - container.data()), coded.data(), payload.bytes);
    reseal_container(container);
    auto const bytes = decode_container(container);
    std::vector<float> result(values.size());
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
}

/// Signed integers of `bits` with one scale a vector, its largest magnitude over their largest.
inline void quantise_vectors(std::vector<float>& values, std::uint64_t dim, int bits) {
    auto const end = static_cast<float>((1 << (bits - 1)) - 1);
    for (std::size_t first = 0; first < values.size(); first += dim) {
        float largest = 0;
        for (std::size_t i = first; i < first + dim; ++i) largest = std::max(largest, std::fabs(values[i]));
        auto const scale = largest > 0 ? largest / end : 1.0F;
        for (std::size_t i = first; i < first + dim; ++i) values[i] = std::nearbyint(values[i] / scale) * scale;
    }
}

/// Squared error over squares of the original.
inline double relative_energy(std::vector<float> const& original, std::vector<float> const& result) {
    double error = 0;
    double energy = 0;
    for (std::size_t i = 0; i < original.size(); ++i) {
        double const difference = static_cast<double>(result[i]) - original[i];
        error += difference * difference;
        energy += static_cast<double>(original[i]) * original[i];
    }
    return error / energy;
}

/// Independent normal values (Box-Muller).
inline std::vector<float> normal_values(std::size_t count, unsigned seed = 1) {
    std::mt19937 random(seed);
    auto const uniform = [&] { return (static_cast<double>(random()) + 0.5) / 4294967296.0; };
    std::vector<float> values(count);
    for (auto& value : values) {
        auto const radius = std::sqrt(-2 * std::log(uniform()));
        value = static_cast<float>(radius * std::cos(2 * M_PI * uniform()));
    }
    return values;
}

}  // namespace kvstone
