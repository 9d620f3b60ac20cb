#include "harness/sources/layout.hpp"

#include <cstring>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct Axis {
    std::uint64_t length = 1;
    std::uint64_t stride = 0;
};

}  // namespace

ArrayLayout read_layout(std::string const& layout, std::vector<std::uint64_t> const& axes, bool fortran_order,
                        std::string const& what, std::optional<std::uint64_t> batch) {
    std::istringstream words(layout);
    std::vector<std::string> names;
    for (std::string name; words >> name;) names.push_back(name);
    if (names.size() != axes.size()) {
        static std::map<std::size_t, std::vector<std::string>> const usual{
            {2, {"token dim"}},
            {3, {"head token dim", "token head dim", "layer token dim"}},
            {4, {"layer head token dim", "layer token head dim", "batch head token dim"}},
            {5, {"layer batch head token dim", "layer batch token head dim"}}};
        auto const fitting = usual.find(axes.size());
        throw ConfigError(fmt::format("{}: a layout of {} axes for an array of {} ({}); name its axes, slowest first",
                                      what, names.size(), axes.size(), shape_text(axes)),
                          layout, fitting == usual.end() ? std::vector<std::string>() : fitting->second);
    }
    std::map<std::string, Axis> named{{"layer", {}}, {"head", {}}, {"token", {}}, {"dim", {}}, {"batch", {}}};
    std::uint64_t stride = 1;
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto const fastest = fortran_order ? i : names.size() - 1 - i;
        auto const found = named.find(names[fastest]);
        if (found == named.end()) {
            throw ConfigError(what + ": unknown axis in the layout", names[fastest],
                              {"layer", "head", "token", "dim", "batch"});
        }
        if (found->second.stride != 0) throw ConfigError(what + ": the layout names an axis twice", names[fastest]);
        if (axes[fastest] == 0) {
            throw CorruptData(fmt::format("{}: zero {}s in the shape {}", what, names[fastest], shape_text(axes)));
        }
        found->second = {axes[fastest], stride};
        stride *= axes[fastest];
    }
    if (named["dim"].stride == 0 || named["token"].stride == 0) {
        throw ConfigError(what + ": a layout names token and dim at least", layout);
    }

    ArrayLayout result;
    if (batch) {
        auto& sequences = named["batch"];
        if (sequences.stride == 0)
            throw ConfigError(what + ": batch for a layout without that axis", layout, {"batch head token dim"});
        if (*batch >= sequences.length)
            throw ConfigError(fmt::format("{}: no sequence {} among {}", what, *batch, sequences.length),
                              fmt::format("{}", *batch), {fmt::format("0 to {}", sequences.length - 1)});
        result.offset = *batch * sequences.stride;
        sequences = {1, 0};
    }
    auto const heads = named["head"].length;
    result.shape = {named["layer"].length, heads * named["batch"].length, named["token"].length, named["dim"].length};
    result.dim_stride = named["dim"].stride;
    result.batches = named["batch"].length;
    result.batch_stride = named["batch"].stride;
    result.strides = {named["layer"].stride, named["head"].stride, named["token"].stride};
    // Of an axis of length 1 the stride says nothing: the packed one makes packed() true where the bytes are.
    auto const packed = KvStrides::packed(result.shape);
    if (named["layer"].length == 1) result.strides.layer = packed.layer;
    if (heads == 1 && result.batches == 1) result.strides.head = packed.head;
    if (heads == 1 && result.batches > 1) result.strides.head = result.batch_stride;
    if (result.shape.tokens == 1) result.strides.token = packed.token;
    if (result.shape.dim == 1) result.dim_stride = 1;
    if (result.batches > 1 && heads > 1 && result.batch_stride == heads * result.strides.head) result.batches = 1;
    if (result.batches > 1 && heads == 1) result.batches = 1;
    return result;
}

void gather(ArrayLayout const& layout, std::uint64_t tokens, std::size_t element_bytes, std::byte const* source,
            std::byte* destination) {
    auto const& shape = layout.shape;
    auto const heads_per_batch = shape.heads / layout.batches;
    auto const vector_bytes = shape.dim * element_bytes;
#pragma omp parallel for collapse(2) schedule(static)
    for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
        for (std::uint64_t head = 0; head < shape.heads; ++head) {
            auto const start = layout.offset + layer * layout.strides.layer +
                               head / heads_per_batch * layout.batch_stride +
                               head % heads_per_batch * layout.strides.head;
            auto* to = destination + (layer * shape.heads + head) * tokens * vector_bytes;
            if (layout.dim_stride == 1 && layout.strides.token == shape.dim) {
                std::memcpy(to, source + start * element_bytes, tokens * vector_bytes);
                continue;
            }
            for (std::uint64_t token = 0; token < tokens; ++token, to += vector_bytes) {
                auto const* from = source + (start + token * layout.strides.token) * element_bytes;
                if (layout.dim_stride == 1) {
                    std::memcpy(to, from, vector_bytes);
                    continue;
                }
                for (std::uint64_t channel = 0; channel < shape.dim; ++channel) {
                    std::memcpy(to + channel * element_bytes, from + channel * layout.dim_stride * element_bytes,
                                element_bytes);
                }
            }
        }
    }
}

}  // namespace kvstone
