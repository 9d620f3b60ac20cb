#include "harness/sources/dump_advice.hpp"

#include <algorithm>
#include <cctype>
#include <functional>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "harness/sources/layer_stack.hpp"

namespace kvstone {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// An array, or one a layer, that could be K or V.
struct Candidate {
    std::string name;
    ArrayInfo const* info = nullptr;
    std::size_t layers = 0;  ///< 0: one array
    std::uint64_t values = 0;
};

bool could_be_values(ArrayInfo const& info) {
    return info.dtype != "BOOL" && info.shape.size() >= 2 && info.shape.size() <= 5 &&
           (info.element_bytes == 1 || info.element_bytes == 2 || info.dtype == "f32");
}

/// The name with one of its numbers replaced, where there are arrays for 0 and 1 in its place.
std::optional<std::string> pattern_of(ArrayFile const& file, std::string const& name) {
    for (std::size_t begin = 0; begin < name.size(); ++begin) {
        if (!is_digit(name[begin]) || (begin > 0 && is_digit(name[begin - 1]))) continue;
        auto end = begin;
        while (end < name.size() && is_digit(name[end])) ++end;
        auto const with = [&](std::string const& text) { return name.substr(0, begin) + text + name.substr(end); };
        if (file.arrays().contains(with("0")) && file.arrays().contains(with("1"))) return with("{layer}");
    }
    return {};
}

std::vector<Candidate> candidates_of(ArrayFile const& file) {
    std::vector<Candidate> all;
    for (auto const& [name, info] : file.arrays()) {
        if (!could_be_values(info)) continue;
        std::uint64_t values = 1;
        for (auto const length : info.shape) values *= length;
        auto const pattern = pattern_of(file, name);
        auto const called = pattern && is_layer_pattern(*pattern) ? *pattern : name;
        auto const known = std::ranges::find(all, called, &Candidate::name);
        if (known != all.end()) {
            ++known->layers;
            known->values += values;
        } else {
            all.push_back({called, &info, called == name ? std::size_t{0} : std::size_t{1}, values});
        }
    }
    std::ranges::stable_sort(all, std::greater{}, &Candidate::values);
    return all;
}

/// The name that V would have where K has this one, by the last "key" or "k" in it.
std::optional<std::string> value_name(std::string const& name) {
    for (auto const& [k, v] :
         {std::pair{"keys", "values"}, {"key", "value"}, {"Key", "Value"}, {"k", "v"}, {"K", "V"}}) {
        std::string const word = k;
        for (auto at = name.rfind(word); at != std::string::npos;
             at = at == 0 ? std::string::npos : name.rfind(word, at - 1)) {
            auto const is_letter = [&](std::size_t place) {
                return place < name.size() && std::isalpha(static_cast<unsigned char>(name[place])) != 0;
            };
            if ((at > 0 && is_letter(at - 1)) || is_letter(at + word.size())) continue;
            return name.substr(0, at) + v + name.substr(at + word.size());
        }
    }
    return {};
}

std::string quoted(std::string const& name) {
    bool const plain = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '/' || c == '-';
    }) && (std::isalpha(static_cast<unsigned char>(name[0])) != 0 || name[0] == '/');
    return plain ? name : Json(name).dump();
}

std::string advice_on(ArrayFile const& file, Candidate const& candidate, std::string const& names) {
    auto const& info = *candidate.info;
    auto text = fmt::format("dump: {{path: {}, {}", quoted(file.path()), names);
    if (candidate.layers == 0) {
        if (info.shape.size() == 2) text += ", layout: token dim";
        if (info.shape.size() == 3) text += ", layout: head token dim";
        if (info.shape.size() == 5) text += ", layout: layer batch head token dim";
    }
    auto dtype = info.dtype;
    bool const told = dtype == "f32" || dtype == "f16" || dtype == "bf16" || dtype == "i8" || dtype.starts_with("f8_e");
    if (!told) {
        dtype = info.element_bytes == 1 ? "i8" : "bf16";
        text += ", dtype: " + dtype;
    }
    if (dtype == "i8" || dtype.starts_with("f8_e")) {
        auto const scale = std::ranges::find_if(file.arrays(), [](auto const& array) {
            return (array.second.dtype == "f32" || array.second.dtype == "f64") &&
                   std::ranges::all_of(array.second.shape, [](auto length) { return length == 1; });
        });
        text += ", scale: " + (scale == file.arrays().end() ? std::string("1") : quoted(scale->first));
    }
    return text + "}";
}

}  // namespace

std::vector<std::string> dump_advice(ArrayFile const& file) {
    constexpr std::size_t most_texts = 2;
    auto const all = candidates_of(file);
    std::vector<std::string> texts;
    for (auto const& candidate : all) {
        auto const v = value_name(candidate.name);
        if (!v || std::ranges::find(all, *v, &Candidate::name) == all.end()) continue;
        if (texts.size() < most_texts)
            texts.push_back(
                advice_on(file, candidate, fmt::format("k: {}, v: {}", quoted(candidate.name), quoted(*v))));
    }
    if (!texts.empty() || all.empty()) return texts;
    auto const& largest = all.front();
    for (auto const* name : {"k", "v"})
        texts.push_back(advice_on(file, largest, fmt::format("{}: {}", name, quoted(largest.name))));
    return texts;
}

}  // namespace kvstone
