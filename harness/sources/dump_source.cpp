// Dumps: K, V, Q as files of arrays hold them, whatever tool wrote them.
//
// A dump of KVstone's own names its tensors k, v, k_prerope and q and lies as [layer, head, token, dim]: it is mapped
// and used in place. Foreign ones name their tensors and layout; what lies otherwise is copied once. i8, f8_e4m3 (OCP's
// E4M3 as safetensors, vLLM and SGLang have it: no infinity, largest number 448) and f8_e5m2 become f32 by the scale that
// the dump names. `dtype:` says what the elements of an array are whose type in the file is opaque: bytes, words or
// void. What a file says of itself is not overruled.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <new>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/kernels/small_floats.hpp"
#include "harness/files/array_file.hpp"
#include "harness/sources/finite.hpp"
#include "harness/sources/layout.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr char const* tensor_names[] = {"k", "v", "k_prerope", "q"};
constexpr char const* own_layout = "layer head token dim";
/// Types that do not say what the elements are.
constexpr std::string_view opaque_dtypes[] = {"u8", "U16", "I16", "|V1", "<V1", "|V2", "<V2", "<u2", "<i2"};

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
    std::optional<double> scale;  ///< of i8 and f8
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

/// An array of one value, or a number.
double scale_named(ArrayFile const& file, std::string const& text) {
    if (file.arrays().contains(text)) return scalar(file, text);
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size() && std::isfinite(value)) return value;
    return scalar(file, text);  // tells which arrays there are
}

bool is_scaled(std::string_view dtype) { return dtype == "i8" || dtype == "f8_e4m3" || dtype == "f8_e5m2"; }

/// The number of each code of a dtype of one byte.
std::array<double, 256> values_of_codes(std::string_view dtype) {
    std::array<double, 256> values{};
    for (std::uint32_t code = 0; code < values.size(); ++code) {
        if (dtype == "i8")
            values[code] = static_cast<std::int8_t>(code);
        else if (dtype == "f8_e4m3")
            values[code] = small_float_value<E4M3>(code);
        else
            values[code] = small_float_value<E5M2>(code);
    }
    return values;
}

HostTensor scaled(std::span<std::byte const> codes, KvShape const& shape, std::string_view dtype, double scale) {
    auto numbers = values_of_codes(dtype);
    for (auto& number : numbers) number *= scale;
    auto const bytes = allocate_bytes(shape.values() * sizeof(float));
    auto* values = reinterpret_cast<float*>(bytes.get());
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < codes.size(); ++i) {
        values[i] = static_cast<float>(numbers[std::to_integer<std::size_t>(codes[i])]);
    }
    return {ElementType::f32, shape, bytes};
}

/// What the elements of an array are. Throws ConfigError where they cannot be read so.
std::string dtype_of(ArrayInfo const& info, Reading const& reading, std::string const& what) {
    static std::vector<std::string> const read{"f32", "f16", "bf16", "i8", "f8_e4m3", "f8_e5m2"};
    bool const opaque = std::ranges::find(opaque_dtypes, info.dtype) != std::end(opaque_dtypes);
    auto const dtype = reading.dtype.empty() ? info.dtype : reading.dtype;
    if (dtype != info.dtype && !opaque)
        throw ConfigError(
            fmt::format("{}: the file says that its elements are {}, and dtype says {}: only bytes, words and void "
                        "(U8, U16, I16, V2...) can be given another type",
                        what, info.dtype, dtype),
            dtype, {info.dtype});
    if (opaque && reading.dtype.empty())
        throw ConfigError(fmt::format("{}: {} does not tell what the elements are; say it, as in dtype: {}", what,
                                      info.dtype, info.element_bytes == 2 ? "bf16" : "i8"),
                          info.dtype, read);
    if (std::ranges::find(read, dtype) == read.end())
        throw ConfigError(what + ": a dtype that is not read", dtype, read);
    if (dtype_bytes(dtype) != info.element_bytes)
        throw ConfigError(fmt::format("{}: {} values cannot be read as {}", what, info.dtype, dtype));
    if (is_scaled(dtype) && !reading.scale)
        throw ConfigError(fmt::format("{}: {} values need a scale: an array of one value, or a number", what, dtype),
                          dtype, {"scale: NAME", "scale: 1"});
    if (!is_scaled(dtype) && reading.scale) throw ConfigError(what + ": only i8 and f8 values take a scale", dtype);
    return dtype;
}

/// An array as it is to be read, checked without its values.
struct ArrayReading {
    std::string dtype;
    ArrayLayout layout;
};

ArrayReading check_array(ArrayFile const& file, Reading const& reading, std::string const& what) {
    auto const& info = array_named(file, reading.array);
    return {dtype_of(info, reading, what), read_layout(reading.layout, info.shape, info.fortran_order, what)};
}

std::string name_for_errors(ArrayFile const& file, Reading const& reading) {
    return fmt::format("{}: array '{}'", file.path(), reading.array);
}

HostTensor read_tensor(ArrayFile const& file, Reading const& reading, std::uint64_t context) {
    auto const& info = array_named(file, reading.array);
    auto const what = name_for_errors(file, reading);
    auto const [dtype, layout] = check_array(file, reading, what);
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
    auto const tensor = is_scaled(dtype) ? scaled({bytes.get(), shape.values()}, shape, dtype, *reading.scale)
                                         : HostTensor{type, shape, bytes};
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
    if (source.contains("scale")) common.scale = scale_named(file, source["scale"].get<std::string>());
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

void check_dump(Json const& source, Json const& locator) {
    auto const path = locator.at("path").get<std::string>();
    try {
        auto const file = source.contains("raw") ? open_raw(path, source["raw"]) : open_arrays(path);
        for (auto const& [name, reading] : readings(*file, source))
            check_array(*file, reading, name_for_errors(*file, reading));
    } catch (CorruptData const&) {
    } catch (SystemError const&) {
    }
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
            tensors.rope = rope_from_json(parse_json(tensors.metadata["rope"].get<std::string>()));
            if (!(tensors.rope->base >= 1))
                throw CorruptData(fmt::format("{}: RoPE in the metadata: a base of {}, which is below 1", file.path(),
                                              tensors.rope->base));
        } catch (Json::exception const& error) {
            throw CorruptData(fmt::format("{}: RoPE in the metadata: {}", file.path(), error.what()));
        }
    }
    return tensors;
}

KvTensors read_dump(std::string const& path, Needs needs) { return load_dump(Json::object(), path, 0, needs); }

}  // namespace kvstone
