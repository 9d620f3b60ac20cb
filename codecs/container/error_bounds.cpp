#include "codecs/container/error_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "backends/kernels/floats.hpp"
#include "codecs/pipeline/pipeline.hpp"
#include "codecs/pipeline/sections.hpp"

namespace kvstone {
namespace {

/// The transformed values.
std::vector<float> transformed(DynamicTransform const& transform, Section const& section,
                               std::vector<float> const& values) {
    std::vector<Buffer> memory;
    std::vector<Plane> planes;
    for (auto const& spec : transform.planes(section)) {
        memory.emplace_back(BackendKind::openmp, spec.bytes);
        planes.push_back({memory.back().data(), spec.bytes});
    }
    Buffer const workspace(BackendKind::openmp, transform.workspace_bytes(section));
    auto const shape = transform.coded_shape(section);
    std::vector<float> coded(shape.values());
    transform.encode(BackendKind::openmp, section, {values.data(), section.shape, KvStrides::packed(section.shape)},
                     {coded.data(), shape, KvStrides::packed(shape)}, planes, workspace.data());
    fence(BackendKind::openmp);
    return coded;
}

/// Bounds of one section, in its own packed order.
std::vector<double> section_bounds(Pipeline const& pipeline, Section const& section, std::vector<float> values) {
    std::vector<Section> seen{section};
    std::vector<std::vector<float>> before;
    for (auto const& transform : pipeline.transforms) {
        before.push_back(std::move(values));
        values = transformed(*transform, seen.back(), before.back());
        seen.push_back(seen.back());
        seen.back().shape = transform->coded_shape(seen.end()[-2]);
    }
    std::vector<double> bounds(values.size());
    pipeline.quantiser->error_bounds(seen.back(), values.data(), bounds.data());
    for (auto i = before.size(); i-- > 0;) {
        auto const& transform = *pipeline.transforms[i];
        auto const coded = bounds;
        if (!transform.keeps_shape()) bounds.assign(before[i].size(), 0);
        transform.carry_bounds(seen[i], before[i].data(), coded.data(), bounds.data());
    }
    return bounds;
}

/// Half a unit in the last place of `type` at a magnitude. Decoded values beyond the largest number of the type become that
/// number (nearest_element()), which lies between them and every original.
double rounding(ElementType type, double magnitude) {
    if (type == ElementType::f16) return std::max(std::ldexp(std::fmin(magnitude, 65504), -11), std::ldexp(1.0, -25));
    if (type == ElementType::bf16) return std::max(std::ldexp(magnitude, -8), std::ldexp(1.0, -134));
    return 0;
}

}  // namespace

std::vector<double> declared_error_bounds(Codec const& codec, Component component, KvShape const& shape,
                                          ElementType type, std::span<float const> original, Rope const* rope) {
    if (original.size() != shape.values()) throw std::invalid_argument("values and shape disagree");
    std::vector<double> bounds(original.size());
    auto const strides = KvStrides::packed(shape);
    auto const pipelines = pipelines_of(codec);
    for (auto [section, rule, kept_plain] : cut_sections(codec, pipelines, component, shape, type)) {
        section.rope = rope;
        auto const first = section.layer * strides.layer + section.head * strides.head + section.token * strides.token;
        std::vector<std::uint64_t> places;
        for (std::uint64_t l = 0; l < section.shape.layers; ++l) {
            for (std::uint64_t h = 0; h < section.shape.heads; ++h) {
                auto const run = first + l * strides.layer + h * strides.head;
                for (std::uint64_t i = 0; i < section.shape.tokens * shape.dim; ++i) places.push_back(run + i);
            }
        }
        std::vector<float> values;
        for (auto const place : places) values.push_back(original[place]);
        auto const own = section_bounds(pipelines[rule], section, std::move(values));
        for (std::size_t i = 0; i < places.size(); ++i) bounds[places[i]] = own[i];
    }
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        auto const magnitude = std::fabs(static_cast<double>(original[i]));
        if (!std::isfinite(magnitude)) {
            bounds[i] = std::numeric_limits<double>::infinity();
        } else if (bounds[i] > 0) {
            bounds[i] += rounding(type, magnitude + bounds[i]);
        }
    }
    return bounds;
}

}  // namespace kvstone
