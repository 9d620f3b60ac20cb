#include "harness/sources/rope.hpp"

#include <fmt/format.h>

#include "backends/portable_math.hpp"
#include "harness/sources/elements.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

std::vector<double> rope_frequencies(Rope const& rope) {
    std::vector<double> frequencies(rope.dims / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
        auto const exponent = -2.0 * static_cast<double>(i) / static_cast<double>(rope.dims);
        frequencies[i] = rope.scale * portable::pow(rope.base, exponent);
        if (!rope.frequency_factors.empty()) frequencies[i] /= rope.frequency_factors[i];
    }
    return frequencies;
}

HostTensor rotate(HostTensor const& tensor, Rope const& rope, bool inverse) {
    auto const& shape = tensor.shape;
    if (rope.dims % 2 != 0 || rope.dims > shape.dim ||
        (!rope.frequency_factors.empty() && rope.frequency_factors.size() != rope.dims / 2)) {
        throw ConfigError(fmt::format("RoPE over {} channels with {} frequency factors does not fit vectors of {}",
                                      rope.dims, rope.frequency_factors.size(), shape.dim));
    }
    auto const frequencies = rope_frequencies(rope);
    auto const bytes = allocate_bytes(shape.values() * sizeof(float));
    auto* const values = reinterpret_cast<float*>(bytes.get());
#pragma omp parallel for schedule(static)
    for (std::uint64_t token = 0; token < shape.tokens; ++token) {
        std::vector<double> cosine(frequencies.size());
        std::vector<double> sine(frequencies.size());
        for (std::size_t i = 0; i < frequencies.size(); ++i) {
            auto const angle = static_cast<double>(token) * frequencies[i];
            cosine[i] = portable::cos(angle);
            sine[i] = inverse ? -portable::sin(angle) : portable::sin(angle);
        }
        for (std::uint64_t group = 0; group < shape.layers * shape.heads; ++group) {
            auto const begin = (group * shape.tokens + token) * shape.dim;
            for (std::uint64_t c = rope.dims; c < shape.dim; ++c) {
                values[begin + c] = element_value(tensor.type, tensor.bytes.get(), begin + c);
            }
            for (std::size_t i = 0; i < frequencies.size(); ++i) {
                auto const first = begin + (rope.interleaved ? 2 * i : i);
                auto const second = first + (rope.interleaved ? 1 : rope.dims / 2);
                double const x = element_value(tensor.type, tensor.bytes.get(), first);
                double const y = element_value(tensor.type, tensor.bytes.get(), second);
                values[first] = static_cast<float>(x * cosine[i] - y * sine[i]);
                values[second] = static_cast<float>(x * sine[i] + y * cosine[i]);
            }
        }
    }
    return {ElementType::f32, shape, bytes};
}

Json to_json(Rope const& rope) {
    Json json{{"base", rope.base}, {"dims", rope.dims}, {"interleaved", rope.interleaved}, {"scale", rope.scale}};
    if (!rope.frequency_factors.empty()) json["frequency_factors"] = rope.frequency_factors;
    return json;
}

Rope rope_from_json(Json const& json) {
    Rope rope;
    rope.base = json.at("base").get<double>();
    rope.dims = json.at("dims").get<std::uint64_t>();
    rope.interleaved = json.at("interleaved").get<bool>();
    rope.scale = json.at("scale").get<double>();
    if (json.contains("frequency_factors")) {
        rope.frequency_factors = json["frequency_factors"].get<std::vector<double>>();
    }
    return rope;
}

}  // namespace kvstone
