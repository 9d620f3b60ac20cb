#include "scenarios/grid.hpp"

#include <algorithm>
#include <unordered_set>

#include "scenarios/canonical_text.hpp"

namespace kvstone {
namespace {

constexpr int most_threads = 65536;
constexpr std::uint64_t largest_batch = 1'000'000;
constexpr std::uint64_t largest_page = 65536;

template <class T, class Read>
std::vector<T> values_of(YamlValue const* list, std::vector<T> by_default, Read const& read) {
    if (list == nullptr) return by_default;
    std::vector<T> values;
    for (auto const& item : items_of(*list)) {
        auto value = read(item);
        if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(std::move(value));
    }
    return values;
}

bool has_words(Cell const& cell, SourceEntry const& source, CodecEntry const& codec,
               std::vector<std::string> const& words) {
    auto const in = [](std::string const& text, std::string const& word) {
        return text.find(word) != std::string::npos;
    };
    return std::all_of(words.begin(), words.end(), [&](std::string const& word) {
        auto const in_name = [&](std::string const& name) { return in(name, word); };
        return in(cell.canonical, word) || in(cell.id, word) || in_name(codec.name) || in_name(source.name) ||
               std::ranges::any_of(codec.other_names, in_name) || std::ranges::any_of(source.other_names, in_name);
    });
}

}  // namespace

std::size_t Axes::cells() const {
    std::size_t product = 1;
    for (auto const size : {sources.size(), contexts.size(), codecs.size(), backends.size(), batches.size(),
                            pages.size(), threads.size(), workloads.size()})
        if (__builtin_mul_overflow(product, size, &product)) return SIZE_MAX;
    return product;
}

int threads_of(YamlValue const& value) {
    if (value.kind == YamlValue::Kind::scalar && value.text == "all") return 0;
    return static_cast<int>(whole_number_of(value, 0, most_threads));
}

void read_grid(Axes& axes, YamlValue const& grid, YamlValue const* threads, Vocabulary const& vocabulary) {
    YamlMap const map(grid, {"context", "codec", "backend", "batch", "page", "threads"});
    axes.codecs = codecs_of(map.at("codec"), vocabulary);
    axes.contexts = values_of<std::uint64_t>(map.find("context"), {0}, tokens_of);
    axes.backends = values_of<std::string>(map.find("backend"), {"openmp"}, [&](YamlValue const& item) {
        return choice_of(item, "backend", vocabulary.backends);
    });
    axes.batches = values_of<std::uint64_t>(
        map.find("batch"), {1}, [](YamlValue const& item) { return whole_number_of(item, 1, largest_batch); });
    axes.pages = values_of<std::uint64_t>(map.find("page"), {default_page_tokens},
                                          [](YamlValue const& item) { return whole_number_of(item, 1, largest_page); });
    if (threads != nullptr && map.find("threads") != nullptr)
        refuse(*threads, "threads stand in grid already", {"grid.threads", "measure.threads"});
    axes.threads =
        threads != nullptr ? std::vector{threads_of(*threads)} : values_of<int>(map.find("threads"), {0}, threads_of);
}

Expansion expand(Axes const& axes, std::vector<Json> const& exclude, std::vector<Json> const& require,
                 Only const& only) {
    auto const on_axes = [&](std::vector<Json> const& matches) {
        std::vector<AxisMatch> all;
        for (auto const& match : matches) all.emplace_back(match, axes);
        return all;
    };
    auto const excluded = on_axes(exclude);
    auto const required = on_axes(require);
    std::vector<std::vector<AxisMatch>> parts;
    for (auto const& part : only.parts) parts.push_back(on_axes(part));
    std::vector<std::string> source_texts;
    for (auto const& source : axes.sources) source_texts.push_back(source.source.dump());

    // Axes have each value once, so cells repeat only where a source's own codec is another entry's.
    bool const may_repeat = std::any_of(axes.codecs.begin(), axes.codecs.end(),
                                        [](CodecEntry const& codec) { return !codec.sources.empty(); });
    std::unordered_set<std::string> seen;

    Expansion all;
    all.require_met.resize(require.size());
    auto const visit = [&](auto... at) {
        auto const takes = [&](AxisMatch const& match) { return match.takes(at...); };
        if (std::any_of(excluded.begin(), excluded.end(), takes)) return;
        auto const [source, context, codec, backend, batch, page, thread, workload] = std::array{at...};
        Cell cell;
        cell.workload = axes.workloads[workload].name;
        cell.options = axes.workloads[workload].options;
        cell.context = axes.contexts[context];
        cell.batch = axes.batches[batch];
        cell.page = axes.pages[page];
        cell.codec = axes.codecs[codec].text_for(axes.sources[source].name, axes.sources[source].other_names);
        cell.backend = axes.backends[backend];
        cell.threads = axes.threads[thread];
        cell.codec_name = axes.codecs[codec].name;
        cell.source_name = axes.sources[source].name;
        identify_with_source_text(cell, source_texts[source]);
        if (may_repeat && !seen.insert(cell.id).second) return;
        bool is_required = false;
        for (std::size_t i = 0; i < required.size(); ++i) {
            if (!takes(required[i])) continue;
            all.require_met[i] = true;
            is_required = true;
        }
        if (!std::ranges::all_of(parts, [&](auto const& part) { return std::ranges::any_of(part, takes); })) return;
        if (!has_words(cell, axes.sources[source], axes.codecs[codec], only.words)) return;
        cell.source = axes.sources[source].source;
        cell.locator = axes.sources[source].locator;
        cell.locator.update(axes.workloads[workload].locator);
        for (auto const& external : definitions_in(cell.codec, axes.externals))
            cell.locator["codecs"].push_back(to_json(external));
        if (is_required) all.required.push_back(cell.id);
        all.cells.push_back(std::move(cell));
    };
    for (std::size_t s = 0; s < axes.sources.size(); ++s)
        for (std::size_t c = 0; c < axes.contexts.size(); ++c)
            for (std::size_t q = 0; q < axes.codecs.size(); ++q)
                for (std::size_t b = 0; b < axes.backends.size(); ++b)
                    for (std::size_t n = 0; n < axes.batches.size(); ++n)
                        for (std::size_t p = 0; p < axes.pages.size(); ++p)
                            for (std::size_t t = 0; t < axes.threads.size(); ++t)
                                for (std::size_t w = 0; w < axes.workloads.size(); ++w) visit(s, c, q, b, n, p, t, w);
    return all;
}

}  // namespace kvstone
