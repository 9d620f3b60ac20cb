// Dumps: K, V, Q as files of arrays hold them, whatever tool wrote them.
//
// A dump of KVstone's own names its tensors k, v, k_prerope and q and lies as [layer, head, token, dim]: it is mapped
// and used in place. Foreign ones name their tensors and layout; what lies otherwise is copied once. i8 becomes f32 by
// the scale that the dump names.

#include <new>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/sources/array_file.hpp"
#include "harness/sources/finite.hpp"
#include "harness/sources/layout.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr char const* tensor_names[] = {"k", "v", "k_prerope", "q"};
constexpr char const* own_layout = "layer head token dim";

std::vector<std::string> names_of(ArrayFile const& file) {
    std::vector<std::string> names;
    for (auto const& [name, info] : file.arrays()) {
        names.push_back(fmt::format("{} ({} {})", name, shape_text(info.shape), info.dtype));
    }
    return names;
}

ArrayInfo const& array_named(ArrayFile const& file, std::string const& name) {
    auto const found = file.arrays().find(name);
    if (found == file.arrays().end()) {
        throw ConfigError(file.path() + ": the dump has no such array", name, names_of(file));
    }
    return found->second;
}

/// What the dump says of one of its arrays.
struct Reading {
    std::string array;
    std::string layout = own_layout;
    std::string dtype;            ///< empty: what the file says
    std::optional<double> scale;  ///< of i8
};

double scalar(ArrayFile const& file, std::string const& name) {
    auto const& info = array_named(file, name);
    auto const what = fmt::format("{}: scale '{}'", file.path(), name);
    if (array_bytes(info.shape, info.element_bytes, what) != info.element_bytes ||
        (info.dtype != "f32" && info.dtype != "f64")) {
        throw ConfigError(
            fmt::format("{} is {} of {}; one value of f32 or f64 is read", what, shape_text(info.shape), info.dtype));
    }
    auto const bytes = file.bytes(name);
    if (info.dtype == "f64") {
        double value = 0;
        std::memcpy(&value, bytes.get(), sizeof value);
        return value;
    }
    float value = 0;
    std::memcpy(&value, bytes.get(), sizeof value);
    return value;
}

HostTensor scaled(std::span<std::byte const> integers, KvShape const& shape, double scale) {
    auto const bytes = allocate_bytes(shape.values() * sizeof(float));
    auto* values = reinterpret_cast<float*>(bytes.get());
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < integers.size(); ++i) {
        values[i] = static_cast<float>(static_cast<double>(std::to_integer<std::int8_t>(integers[i])) * scale);
    }
    return {ElementType::f32, shape, bytes};
}

HostTensor read_tensor(ArrayFile const& file, Reading const& reading, std::uint64_t context) {
    auto const& info = array_named(file, reading.array);
    auto const what = fmt::format("{}: array '{}'", file.path(), reading.array);
    auto const dtype = reading.dtype.empty() ? info.dtype : reading.dtype;
    bool const quantised = dtype == "i8";
    if (!quantised && dtype != "f32" && dtype != "f16" && dtype != "bf16") {
        throw ConfigError(what + ": a dtype that is not read", dtype, {"f32", "f16", "bf16", "i8"});
    }
    if (dtype_bytes(dtype) != info.element_bytes) {
        throw ConfigError(fmt::format("{}: {} values cannot be read as {}", what, info.dtype, dtype));
    }
    if (quantised != reading.scale.has_value()) {
        throw ConfigError(what + (quantised ? ": i8 values need a scale" : ": only i8 values take a scale"), dtype);
    }

    auto const layout = read_layout(reading.layout, info.shape, info.fortran_order, what);
    if (context > layout.shape.tokens) {
        throw ConfigError(
            fmt::format("{}: a context of {} tokens is asked of {} tokens", what, context, layout.shape.tokens));
    }
    auto shape = layout.shape;
    if (context != 0) shape.tokens = context;
    auto const type = dtype == "f16" ? ElementType::f16 : dtype == "bf16" ? ElementType::bf16 : ElementType::f32;

    auto bytes = file.bytes(reading.array);
    bool const one_run = layout.packed() && (shape.tokens == layout.shape.tokens || shape.layers * shape.heads == 1);
    bool const aligned = reinterpret_cast<std::uintptr_t>(bytes.get()) % info.element_bytes == 0;
    if (!one_run || !aligned) {
        auto const packed = allocate_bytes(shape.values() * info.element_bytes);
        gather(layout, shape.tokens, info.element_bytes, bytes.get(), packed.get());
        bytes = packed;
    }
    auto const tensor =
        quantised ? scaled({bytes.get(), shape.values()}, shape, *reading.scale) : HostTensor{type, shape, bytes};
    require_finite(tensor, what);
    return tensor;
}

/// Which array is which, from the source's members and the file's contents.
std::map<std::string, Reading> readings(ArrayFile const& file, Json const& source) {
    std::map<std::string, Reading> result;
    if (source.contains("raw")) {
        for (auto const& [name, entry] : source["raw"].items()) {
            result[name] = {name, entry.at("layout").get<std::string>(), {}, {}};
            if (entry.contains("scale")) result[name].scale = entry["scale"].get<double>();
        }
        return result;
    }
    Reading common;
    common.layout = source.value("layout", common.layout);
    common.dtype = source.value("dtype", "");
    if (source.contains("scale")) common.scale = scalar(file, source["scale"].get<std::string>());
    for (auto const* name : tensor_names) {
        if (source.contains(name)) (result[name] = common).array = source[name].get<std::string>();
    }
    if (!result.empty()) return result;
    for (auto const* name : tensor_names) {
        if (file.arrays().contains(name)) (result[name] = common).array = name;
    }
    if (result.empty()) {
        throw ConfigError(
            fmt::format("{}: no array is called k or v: say which is which, as in `k: NAME`; the file has {}",
                        file.path(), fmt::join(names_of(file), ", ")));
    }
    return result;
}

void require_matching(KvTensors const& tensors, std::string const& path) {
    HostTensor const* first = nullptr;
    for (auto const* tensor : {&tensors.k, &tensors.v, &tensors.k_prerope, &tensors.q}) {
        if (!tensor->has_value()) continue;
        auto const& shape = (*tensor)->shape;
        if (first != nullptr && (shape.layers != first->shape.layers || shape.tokens != first->shape.tokens)) {
            throw CorruptData(
                fmt::format("{}: tensors of one cache with {} layers x {} tokens and {} layers x {} tokens", path,
                            first->shape.layers, first->shape.tokens, shape.layers, shape.tokens));
        }
        if (first == nullptr) first = &**tensor;
    }
    if (tensors.k && tensors.v && tensors.k->shape.heads != tensors.v->shape.heads) {
        throw CorruptData(
            fmt::format("{}: K has {} heads, V has {}", path, tensors.k->shape.heads, tensors.v->shape.heads));
    }
}

}  // namespace

std::shared_ptr<std::byte> allocate_bytes(std::size_t bytes) {
    constexpr std::align_val_t alignment{256};
    return {static_cast<std::byte*>(::operator new(bytes, alignment)),
            [](std::byte* data) { ::operator delete(data, std::align_val_t{256}); }};
}

KvTensors load_dump(Json const& source, std::string const& path, std::uint64_t context, Needs needs) {
    auto const file = source.contains("raw") ? open_raw(path, source["raw"]) : open_arrays(path);
    return load_arrays(*file, source, context, needs);
}

KvTensors load_arrays(ArrayFile const& file, Json const& source, std::uint64_t context, Needs needs) {
    KvTensors tensors;
    tensors.metadata = file.metadata();
    for (auto const& [name, reading] : readings(file, source)) {
        if (name == "k" && needs.k) tensors.k = read_tensor(file, reading, context);
        if (name == "v" && needs.v) tensors.v = read_tensor(file, reading, context);
        if (name == "k_prerope" && needs.k_prerope) tensors.k_prerope = read_tensor(file, reading, context);
        if (name == "q" && needs.q) tensors.q = read_tensor(file, reading, context);
    }
    require_matching(tensors, file.path());
    if (tensors.metadata.contains("rope")) {
        try {
            tensors.rope = rope_from_json(Json::parse(tensors.metadata["rope"].get<std::string>()));
        } catch (Json::exception const& error) {
            throw CorruptData(fmt::format("{}: RoPE in the metadata: {}", file.path(), error.what()));
        }
    }
    return tensors;
}

KvTensors read_dump(std::string const& path, Needs needs) { return load_dump(Json::object(), path, 0, needs); }

}  // namespace kvstone
