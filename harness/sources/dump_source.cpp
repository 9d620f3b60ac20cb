// Dumps: K, V, Q as files of arrays hold them, whatever tool wrote them.
//
// A dump of KVstone's own names its tensors k, v, k_prerope and q and lies as [layer, head, token, dim]: it is mapped
// and used in place. Foreign ones name their tensors and layout (dump_reading.hpp); tensors in another layout are
// copied once. i8, f8_e4m3 (OCP's E4M3 as safetensors, vLLM and SGLang have it: no infinity, largest number 448) and
// f8_e5m2 become f32 by the scale that the dump names. `dtype:` names the type of an array's elements where the file's
// own is opaque: bytes, words or void. A type that the file states is not overruled; a type that the user states, and
// the values contradict, is refused.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <new>
#include <sstream>

#include <fmt/format.h>

#include "backends/kernels/small_floats.hpp"
#include "harness/files/array_file.hpp"
#include "harness/sources/dump_reading.hpp"
#include "harness/sources/element_check.hpp"
#include "harness/sources/finite.hpp"
#include "harness/sources/latent.hpp"
#include "harness/sources/layout.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Types that do not tell the kind of their elements.
constexpr std::string_view opaque_dtypes[] = {"u8", "U16", "I16", "|V1", "<V1", "|V2", "<V2", "<u2", "<i2"};

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

/// The type of an array's elements. Throws ConfigError where they cannot be read in this type.
std::string dtype_of(ArrayInfo const& info, DumpReading const& reading, std::string const& what) {
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
        throw ConfigError(fmt::format("{}: {} does not tell the type of the elements; say it, as in dtype: {}", what,
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

/// The layout of an array one of whose axes holds the channels of all heads, head by head, as two axes.
ArrayLayout layout_of_rows(ArrayInfo const& info, DumpReading const& reading, std::string const& what) {
    auto shape = info.shape;
    std::istringstream words(reading.layout);
    std::string layout;
    std::size_t axis = 0;
    for (std::string word; words >> word; ++axis) {
        if (word == "head")
            throw ConfigError(what + ": kv_heads for a layout that names heads already", reading.layout);
        if ((word == "dim" || word == "head*dim") && axis < shape.size()) {
            if (shape[axis] % reading.kv_heads != 0)
                throw ConfigError(fmt::format("{}: {} channels of all heads are no multiple of {} heads", what,
                                              shape[axis], reading.kv_heads));
            auto const dim = shape[axis] / reading.kv_heads;
            shape[axis] = info.fortran_order ? dim : reading.kv_heads;
            ++axis;
            shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis),
                         info.fortran_order ? reading.kv_heads : dim);
            word = info.fortran_order ? "dim head" : "head dim";
        }
        layout += (layout.empty() ? "" : " ") + word;
    }
    return read_layout(layout, shape, info.fortran_order, what, reading.batch);
}

/// The array without the room that it does not use.
ArrayLayout used_of(ArrayLayout layout, DumpReading const& reading, std::string const& what) {
    auto const use = [&](std::uint64_t& length, std::uint64_t used, char const* axis) {
        if (used > length)
            throw ConfigError(fmt::format("{}: {} {} in use are more than it has", what, used, axis),
                              fmt::format("{}", used), {fmt::format("1 to {}", length)});
        if (used != 0) length = used;
    };
    use(layout.shape.tokens, reading.tokens, "tokens");
    use(layout.shape.dim, reading.dim, "channels");
    return layout;
}

ArrayReading check_array(ArrayFile const& file, DumpReading const& reading, std::string const& what) {
    auto const& info = array_named(file, reading.array);
    auto dtype = dtype_of(info, reading, what);
    if (reading.kv_heads != 0) return {std::move(dtype), used_of(layout_of_rows(info, reading, what), reading, what)};
    if (reading.layout.find("head*dim") != std::string::npos)
        throw ConfigError(what + ": the file does not say how many heads its rows hold; say it, as in kv_heads: 8");
    return {std::move(dtype),
            used_of(read_layout(reading.layout, info.shape, info.fortran_order, what, reading.batch), reading, what)};
}

std::string name_for_errors(ArrayFile const& file, DumpReading const& reading) {
    return fmt::format("{}: array '{}'", file.path(), reading.array);
}

/// Throws ConfigError where the bytes are not of the type that they are said to be.
void require_plausible(std::span<std::byte const> bytes, std::string const& dtype, std::string const& what) {
    auto const check = check_elements(bytes, dtype);
    if (!check.likely.empty())
        throw ConfigError(fmt::format("{}: the values do not fit the stated dtype: {}", what, check.evidence), dtype,
                          {check.likely});
}

HostTensor read_tensor(ArrayFile const& file, DumpReading const& reading, std::uint64_t context) {
    auto const& info = array_named(file, reading.array);
    auto const what = name_for_errors(file, reading);
    auto const [dtype, layout] = check_array(file, reading, what);
    if (context > layout.shape.tokens) {
        throw ConfigError(fmt::format("{}: the context of {} tokens is longer than its {} tokens", what, context,
                                      layout.shape.tokens));
    }
    auto shape = layout.shape;
    if (context != 0) shape.tokens = context;
    auto const type = dtype == "f16" ? ElementType::f16 : dtype == "bf16" ? ElementType::bf16 : ElementType::f32;

    auto bytes = file.bytes(reading.array);
    if (reading.says_type)
        require_plausible({bytes.get(), array_bytes(info.shape, info.element_bytes, what)}, dtype, what);
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

/// A file of ours has its latent in metadata, and in its place.
void settle_latent(KvTensors& tensors, Json const& source, std::string const& path) {
    auto const said = tensors.metadata.contains("kvstone_dump") ? tensors.metadata.value("latent", "") : "";
    if (source.contains("latent")) {
        if (!said.empty()) throw ConfigError(path + ": the file itself says which channels are the latent", said);
        take_latent(tensors, source["latent"].get<std::uint64_t>(), path);
        tensors.query_dim = source.value("query_dim", std::uint64_t{0});
    } else if (!said.empty()) {
        auto const [end, error] = std::from_chars(said.data(), said.data() + said.size(), tensors.latent);
        bool const whole = error == std::errc{} && end == said.data() + said.size() && tensors.latent > 0;
        if (!whole || tensors.v ||
            (tensors.k && (tensors.k->shape.dim <= tensors.latent || tensors.k->shape.heads != 1)))
            throw CorruptData(
                fmt::format("{}: a latent of {} channels in the metadata, and tensors that have none", path, said));
    }
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
        auto const dump = dump_of(*file, source);
        auto const latent = source.value("latent", std::uint64_t{0});
        for (auto const& [name, reading] : dump.readings) {
            auto const what = name_for_errors(*dump.file, reading);
            auto const shape = check_array(*dump.file, reading, what).layout.shape;
            if (latent != 0) check_latent(name, shape, latent, what);
        }
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
    auto const dump = dump_of(file, source);
    if (!dump.found.empty()) tensors.metadata["read"] = dump.found;
    for (auto const& [name, reading] : dump.readings) {
        if (name == "k" && needs.k) tensors.k = read_tensor(*dump.file, reading, context);
        if (name == "v" && needs.v) tensors.v = read_tensor(*dump.file, reading, context);
        if (name == "k_prerope" && needs.k_prerope) tensors.k_prerope = read_tensor(*dump.file, reading, context);
        if (name == "q" && needs.q) tensors.q = read_tensor(*dump.file, reading, context);
        if (reading.scale)
            tensors.metadata["scale of " + name] = fmt::format(
                "{} times {} as f32",
                reading.dtype.empty() ? array_named(*dump.file, reading.array).dtype : reading.dtype, *reading.scale);
    }
    require_matching(tensors, file.path());
    settle_latent(tensors, source, file.path());
    if (source.contains("rope")) {
        if (tensors.metadata.contains("rope"))
            throw ConfigError(file.path() + ": the file itself says the RoPE of its K",
                              tensors.metadata["rope"].dump());
        tensors.rope = rope_from_json(source["rope"]);
    } else if (tensors.metadata.contains("rope")) {
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
