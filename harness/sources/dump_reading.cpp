#include "harness/sources/dump_reading.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/sources/dump_advice.hpp"
#include "harness/sources/kv_pair.hpp"
#include "harness/sources/layer_stack.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr char const* tensor_names[] = {"k", "v", "k_prerope", "q"};

std::vector<std::string> names_of(ArrayFile const& file) {
    constexpr std::size_t most_names = 12;
    std::vector<std::string> names;
    for (auto const& [name, info] : file.arrays()) {
        if (names.size() == most_names) {
            names.push_back(fmt::format("and {} more", file.arrays().size() - most_names));
            break;
        }
        names.push_back(fmt::format("{} ({} {})", name, shape_text(info.shape), info.dtype));
    }
    return names;
}

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

/// `reading` says all but the axes. The file's own axes hold where no others are given.
void add(DumpReadings& dump, std::string const& tensor, std::string const& array, DumpReading reading,
         std::string const& layout) {
    reading.array = array;
    bool const stacked = is_layer_pattern(array) && !dump.file->arrays().contains(array);
    if (stacked) {
        dump.stacks.push_back(stack_layers(*dump.file, array));
        dump.file = dump.stacks.back().get();
    }
    auto const& info = array_named(*dump.file, array);
    auto const& axes = layout.empty() ? info.layout : layout;
    if (stacked)
        reading.layout = axes.find("layer") == std::string::npos ? layout_of_stack(axes, info.shape.size() - 1) : axes;
    else if (!axes.empty())
        reading.layout = axes;
    dump.readings[tensor] = std::move(reading);
}

}  // namespace

ArrayInfo const& array_named(ArrayFile const& file, std::string const& name) {
    auto const found = file.arrays().find(name);
    if (found == file.arrays().end()) {
        throw ConfigError(file.path() + ": the dump has no such array", name, names_of(file));
    }
    return found->second;
}

DumpReadings dump_of(ArrayFile const& file, Json const& source) {
    DumpReadings dump{&file};
    if (source.contains("raw")) {
        for (auto const& [name, entry] : source["raw"].items()) {
            auto& reading = dump.readings[name] = {name, entry.at("layout").get<std::string>(), {}, {}, true};
            if (entry.contains("scale")) reading.scale = entry["scale"].get<double>();
            reading.tokens = entry.value("tokens", std::uint64_t{0});
            reading.dim = entry.value("dim", std::uint64_t{0});
        }
        return dump;
    }
    DumpReading common;
    auto const layout = source.value("layout", "");
    common.dtype = source.value("dtype", "");
    common.says_type = !common.dtype.empty();
    common.kv_heads = source.value("kv_heads", std::uint64_t{0});
    common.tokens = source.value("tokens", std::uint64_t{0});
    common.dim = source.value("dim", std::uint64_t{0});
    if (source.contains("batch")) common.batch = source["batch"].get<std::uint64_t>();
    if (source.contains("scale")) common.scale = scale_named(file, source["scale"].get<std::string>());
    for (auto const* name : tensor_names)
        if (source.contains(name)) add(dump, name, source[name].get<std::string>(), common, layout);
    if (!dump.readings.empty()) return dump;
    for (auto const* name : tensor_names)
        if (file.arrays().contains(name)) add(dump, name, name, common, layout);
    if (!dump.readings.empty()) return dump;
    if (auto const form = kv_cache_form(file, source.contains("latent")); form != KvCacheForm::none) {
        dump.stacks.push_back(split_kv_cache(file, form));
        dump.file = dump.stacks.back().get();
        add(dump, "k", "kv_cache.k", common, layout);
        if (form == KvCacheForm::pair) add(dump, "v", "kv_cache.v", common, layout);
        dump.found = form == KvCacheForm::pair ? "k and v from the halves of 'kv_cache'"
                                               : "k from 'kv_cache', as latent attention has it, without a V";
        return dump;
    }
    if (auto const usual = usual_layer_patterns(file)) {
        add(dump, "k", usual->first, common, layout);
        add(dump, "v", usual->second, common, layout);
        dump.found =
            fmt::format("k from '{}', v from '{}', each '{}'", usual->first, usual->second, dump.readings["k"].layout);
        return dump;
    }
    if (file.arrays().empty()) throw ConfigError(file.path() + ": there is no array in this file");
    throw ConfigError(fmt::format("{}: no array is called k or v: say which is which, as in `k: NAME`; the file has {}",
                                  file.path(), fmt::join(names_of(file), ", ")),
                      {}, dump_advice(file));
}

}  // namespace kvstone
