#include <algorithm>

#include "scenarios/grid.hpp"

namespace kvstone {
namespace {

/// The axis value that a scalar of a match names, as JSON; null where the axis does not have it.
using FindValue = Json (*)(YamlValue const& item, Axes const& axes, Vocabulary const& vocabulary);

template <class T>
Json if_among(std::vector<T> const& values, T const& value) {
    return std::find(values.begin(), values.end(), value) == values.end() ? Json() : Json(value);
}

Json find_codec(YamlValue const& item, Axes const& axes, Vocabulary const& vocabulary) {
    auto const wanted = codec_text_of(item);
    for (auto const& codec : axes.codecs)
        if (codec.name == wanted || std::ranges::find(codec.other_names, wanted) != codec.other_names.end())
            return codec.sources.empty() ? codec.text : codec.name;
    try {
        auto const text = vocabulary.canonical_codec(wanted);
        for (auto const& codec : axes.codecs)
            if (codec.text == text || std::any_of(codec.sources.begin(), codec.sources.end(),
                                                  [&](SourceCodec const& own) { return own.text == text; }))
                return text;
    } catch (ConfigError const&) {
        // Neither a name nor a codec: refused by the caller, with the names there are.
    }
    return {};
}

Json find_source(YamlValue const& item, Axes const& axes, Vocabulary const&) {
    for (auto const& source : axes.sources)
        if (source.name == text_of(item) || std::ranges::count(source.other_names, text_of(item)) > 0)
            return source.name;
    return {};
}

struct Key {
    std::string name;
    FindValue find;
    std::vector<std::string> (*values)(Axes const&);
};

template <auto member>
std::vector<std::string> texts(Axes const& axes) {
    std::vector<std::string> all;
    for (auto const& value : axes.*member) {
        if constexpr (requires { value.name; })
            all.push_back(value.name);
        else if constexpr (requires { std::to_string(value); })
            all.push_back(value == 0 ? "all" : std::to_string(value));
        else
            all.push_back(value);
    }
    return all;
}

/// Of sources and codecs, with the names that mean the same.
template <auto member>
std::vector<std::string> names(Axes const& axes) {
    auto all = texts<member>(axes);
    for (auto const& value : axes.*member) all.insert(all.end(), value.other_names.begin(), value.other_names.end());
    return all;
}

void add_once(std::vector<std::string>& all, std::string text) {
    if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(std::move(text));
}

std::vector<std::string> workload_names(Axes const& axes) {
    std::vector<std::string> all;
    for (auto const& workload : axes.workloads) add_once(all, workload.name);
    return all;
}

std::vector<std::string> protocols(Axes const& axes) {
    std::vector<std::string> all;
    for (auto const& workload : axes.workloads)
        if (auto protocol = workload.option("protocol"); !protocol.empty()) add_once(all, std::move(protocol));
    return all;
}

/// Of workloads' options as a match states them: null stands for the default.
bool takes_options(Json const& wanted, Json const& options) {
    return std::ranges::all_of(wanted.items(), [&](auto const& option) {
        auto const found = options.find(option.key());
        return found == options.end() ? option.value().is_null() : *found == option.value();
    });
}

/// `wanted` is a name, {NAME: {option: value}}, or a list of these.
bool takes_workload(Json const& wanted, std::string const& name, Json const& options) {
    if (wanted.is_array())
        return std::ranges::any_of(wanted, [&](Json const& one) { return takes_workload(one, name, options); });
    if (wanted.is_string()) return wanted == name;
    auto const found = wanted.find(name);
    return found != wanted.end() && takes_options(*found, options);
}

/// A name, or a map as the list `workloads` has it.
Json find_workload(YamlValue const& item, Axes const& axes, Vocabulary const& vocabulary) {
    Json wanted;
    if (item.kind == YamlValue::Kind::map) {
        if (item.entries.size() != 1) refuse(item, "expected one workload", {"NAME", "NAME: {option: value}"});
        wanted = {
            {item.entries[0].key, given_options(item.entries[0].key, item.entries[0].value, axes.files, vocabulary)}};
    } else {
        wanted = text_of(item);
    }
    bool const there = std::ranges::any_of(axes.workloads, [&](WorkloadEntry const& workload) {
        return takes_workload(wanted, workload.name, workload.options);
    });
    return there ? wanted : Json();
}

std::vector<Key> const& keys() {
    static std::vector<Key> const all{{"source", find_source, names<&Axes::sources>},
                                      {"context",
                                       [](YamlValue const& item, Axes const& axes, Vocabulary const&) {
                                           return if_among(axes.contexts, tokens_of(item));
                                       },
                                       texts<&Axes::contexts>},
                                      {"codec", find_codec, names<&Axes::codecs>},
                                      {"backend",
                                       [](YamlValue const& item, Axes const& axes, Vocabulary const&) {
                                           return if_among(axes.backends, text_of(item));
                                       },
                                       texts<&Axes::backends>},
                                      {"batch",
                                       [](YamlValue const& item, Axes const& axes, Vocabulary const&) {
                                           return if_among(axes.batches, whole_number_of(item, 1, UINT64_MAX));
                                       },
                                       texts<&Axes::batches>},
                                      {"page",
                                       [](YamlValue const& item, Axes const& axes, Vocabulary const&) {
                                           return if_among(axes.pages, whole_number_of(item, 1, UINT64_MAX));
                                       },
                                       texts<&Axes::pages>},
                                      {"threads",
                                       [](YamlValue const& item, Axes const& axes, Vocabulary const&) {
                                           return if_among(axes.threads, threads_of(item));
                                       },
                                       texts<&Axes::threads>},
                                      {"workload", find_workload, workload_names},
                                      {"protocol",
                                       [](YamlValue const& item, Axes const& axes, Vocabulary const&) {
                                           return if_among(protocols(axes), text_of(item));
                                       },
                                       protocols}};
    return all;
}

bool takes(Json const& match, char const* key, Json const& value) {
    auto const found = match.find(key);
    if (found == match.end()) return true;
    if (!found->is_array()) return *found == value;
    return std::find(found->begin(), found->end(), value) != found->end();
}

bool takes_codec(Json const& match, std::string const& text, std::string const& name) {
    return takes(match, "codec", text) || takes(match, "codec", name);
}

std::vector<bool> taken_codecs(Json const& match, Axes const& axes, SourceEntry const& source) {
    std::vector<bool> mask;
    for (auto const& codec : axes.codecs)
        mask.push_back(takes_codec(match, codec.text_for(source.name, source.other_names), codec.name));
    return mask;
}

template <class Values, class Show>
std::vector<bool> taken(Json const& match, char const* key, Values const& values, Show const& show) {
    std::vector<bool> mask;
    for (auto const& value : values) mask.push_back(takes(match, key, show(value)));
    return mask;
}

Json itself(auto const& value) { return value; }

}  // namespace

Json match_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before) {
    auto const was_there = [&](Key const& key, YamlValue const& item) {
        if (before == nullptr) return false;
        bool const unknown = key.name == "protocol" ? before->workloads.empty() : key.values(*before).empty();
        return unknown || !key.find(item, *before, vocabulary).is_null();
    };
    std::vector<std::string> names;
    for (auto const& key : keys()) names.push_back(key.name);
    YamlMap const map(value, names);
    if (value.entries.empty()) refuse(value, "expected at least one key", names);
    Json match = Json::object();
    for (auto const& key : keys()) {
        auto const* named = map.find(key.name);
        if (named == nullptr) continue;
        Json values = Json::array();
        for (auto const* item : one_or_more(*named)) {
            auto found = key.find(*item, axes, vocabulary);
            if (!found.is_null())
                values.push_back(std::move(found));
            else if (!was_there(key, *item))
                refuse(*item, "no such " + key.name + " in this scenario", key.values(axes));
        }
        match[key.name] = values.size() == 1 ? values[0] : values;
    }
    return match;
}

bool matches(Json const& match, Cell const& cell) {
    return takes(match, "source", cell.source_name) && takes(match, "context", cell.context) &&
           takes_codec(match, cell.codec, cell.codec_name) && takes(match, "backend", cell.backend) &&
           takes(match, "batch", cell.batch) && takes(match, "page", cell.page) &&
           takes(match, "threads", cell.threads) &&
           (!match.contains("workload") || takes_workload(match["workload"], cell.workload, cell.options)) &&
           takes(match, "protocol", cell.options.value("protocol", ""));
}

AxisMatch::AxisMatch(Json const& match, Axes const& axes)
    : sources_(taken(match, "source", axes.sources, [](auto const& source) { return Json(source.name); })),
      contexts_(taken(match, "context", axes.contexts, itself<std::uint64_t>)),
      backends_(taken(match, "backend", axes.backends, itself<std::string>)),
      batches_(taken(match, "batch", axes.batches, itself<std::uint64_t>)),
      pages_(taken(match, "page", axes.pages, itself<std::uint64_t>)),
      threads_(taken(match, "threads", axes.threads, itself<int>)),
      workloads_(axes.workloads.size(), true) {
    if (match.contains("workload"))
        for (std::size_t i = 0; i < workloads_.size(); ++i)
            workloads_[i] = takes_workload(match["workload"], axes.workloads[i].name, axes.workloads[i].options);
    auto const by_protocol = taken(match, "protocol", axes.workloads,
                                   [](auto const& workload) { return Json(workload.option("protocol")); });
    for (std::size_t i = 0; i < workloads_.size(); ++i) workloads_[i] = workloads_[i] && by_protocol[i];
    for (auto const& source : axes.sources) codecs_.push_back(taken_codecs(match, axes, source));
}

}  // namespace kvstone
