#include "harness/workloads/append/append.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "backends/timer.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/stream/token_stream.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/counted_work.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/verify.hpp"
#include "results/statistics/median.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// A tensor in the backend's memory, filled from the host.
class PlacedTensor {
  public:
    PlacedTensor(ElementType type, KvShape const& shape, BackendKind kind)
        : type_(type), shape_(shape), host_(shape.values() * element_bytes(type)), memory_(kind, host_.size()) {}
    KvView view() const { return {memory_.data(), type_, shape_, KvStrides::packed(shape_)}; }
    /// Copies one token of `source` to place `token`.
    void take(HostTensor const& source, std::uint64_t from, std::uint64_t token) {
        auto const bytes = shape_.dim * element_bytes(type_);
        for (std::uint64_t head = 0; head < shape_.layers * shape_.heads; ++head) {
            std::memcpy(host_.data() + (head * shape_.tokens + token) * bytes,
                        source.bytes.get() + (head * source.shape.tokens + from) * bytes, bytes);
        }
    }
    void place() { copy_to_backend(memory_.kind(), memory_.data(), host_.data(), host_.size()); }
    std::vector<std::byte> const& host() const { return host_; }

  private:
    ElementType type_;
    KvShape shape_;
    std::vector<std::byte> host_;
    Buffer memory_;
};

KvShape with_tokens(KvShape shape, std::uint64_t tokens) {
    shape.tokens = tokens;
    return shape;
}

/// K or V of all sequences.
class Cache {
  public:
    Cache(Component component, HostTensor source, Rope const* rope, BackendKind kind, Codec const& codec,
          Cell const& cell)
        : component_(component),
          source_(std::move(source)),
          rope_(rope),
          kind_(kind),
          codec_(codec),
          batch_(cell.batch),
          page_(cell.page),
          step_(source_.type, with_tokens(source_.shape, batch_), kind) {}

    std::string_view name() const { return name_of(component_); }
    std::uint64_t context() const { return source_.shape.tokens; }
    double token_bytes() const { return static_cast<double>(source_.span().size()) / static_cast<double>(context()); }
    std::uint64_t values() const { return source_.shape.values(); }
    std::vector<TokenStream> const& streams() const { return streams_; }
    PlacedTensor page_tensor(std::uint64_t tokens) const {
        return {source_.type, with_tokens(source_.shape, tokens), kind_};
    }

    /// Sequences of `prompt` tokens.
    void begin(std::uint64_t prompt) {
        streams_.clear();
        for (std::uint64_t s = 0; s < batch_; ++s) {
            streams_.emplace_back(codec_, component_, source_.shape, source_.type, kind_, page_, rope_);
            streams_.back().append(tokens_of(s, prompt).view());
            fence(kind_);
        }
    }
    /// The model's tensors for the next step.
    void compute() {
        for (std::uint64_t s = 0; s < batch_; ++s) step_.take(source_, place_of(s, streams_[s].tokens()), s);
        step_.place();
    }
    void append() {
        auto const one = with_tokens(source_.shape, 1);
        for (std::uint64_t s = 0; s < batch_; ++s) streams_[s].append(step_.view().box(0, 0, s, one));
    }

    std::size_t held_bytes() const {
        std::size_t bytes = 0;
        for (auto const& stream : streams_) bytes += stream.held_bytes();
        return bytes;
    }
    /// Holds every sequence against the bulk encoding of its tokens; returns the stored bytes of all, or the fault.
    std::string verify(std::uint64_t& stored_bytes) const {
        for (std::uint64_t s = 0; s < batch_; ++s) {
            auto const tokens = tokens_of(s, context());
            TensorCodec bulk(codec_, component_, source_.shape, source_.type, kind_, rope_);
            bulk.encode(tokens.view());
            auto const container = bulk.seal();
            stored_bytes += container.size();
            if (streams_[s].seal() != container)
                return fmt::format("the stream of sequence {} is not the encoding of its tokens as a whole", s);
            if (s > 0) continue;
            PlacedTensor const decoded(source_.type, source_.shape, kind_);
            bulk.decode(decoded.view());
            if (!reads_back(streams_[s], tokens.host(), on_host(decoded)))
                return "a page reads back as neither the decoded tokens nor the original ones";
        }
        return {};
    }

    std::uint64_t place_of(std::uint64_t sequence, std::uint64_t token) const {
        return (sequence * context() / batch_ + token) % context();
    }

  private:
    PlacedTensor tokens_of(std::uint64_t sequence, std::uint64_t tokens) const {
        PlacedTensor tensor(source_.type, with_tokens(source_.shape, tokens), kind_);
        for (std::uint64_t t = 0; t < tokens; ++t) tensor.take(source_, place_of(sequence, t), t);
        tensor.place();
        return tensor;
    }
    std::vector<std::byte> on_host(PlacedTensor const& tensor) const {
        std::vector<std::byte> host(tensor.host().size());
        copy_to_host(kind_, host.data(), reinterpret_cast<std::byte const*>(tensor.view().data), host.size());
        return host;
    }
    bool reads_back(TokenStream const& stream, std::vector<std::byte> const& original,
                    std::vector<std::byte> const& decoded) const {
        PlacedTensor const read(source_.type, source_.shape, kind_);
        for (std::uint64_t t = 0; t < context(); t += page_) {
            auto const tokens = std::min(page_, context() - t);
            stream.decode_pages(t, read.view().box(0, 0, t, with_tokens(source_.shape, tokens)));
        }
        fence(kind_);
        auto const values = on_host(read);
        auto const bytes = source_.shape.dim * element_bytes(source_.type);
        for (std::size_t at = 0; at < values.size(); at += bytes) {
            if (std::memcmp(values.data() + at, decoded.data() + at, bytes) != 0 &&
                std::memcmp(values.data() + at, original.data() + at, bytes) != 0)
                return false;
        }
        return true;
    }

    Component component_;
    HostTensor source_;
    Rope const* rope_;
    BackendKind kind_;
    Codec const& codec_;
    std::uint64_t batch_;
    std::uint64_t page_;
    PlacedTensor step_;
    std::vector<TokenStream> streams_;
};

/// Samples of K, of V, and of both.
struct Times {
    std::vector<std::vector<double>> of_component;
    std::vector<double> both;
};

/// Grows all sequences from their prompts to the context; a sample a round: nanoseconds per token of one sequence.
void grow(std::vector<Cache>& caches, BackendKind kind, std::uint64_t batch, StoppingRule& rule, Times& times) {
    auto const context = caches.front().context();
    auto const prompt = context / 2;
    for (auto& cache : caches) cache.begin(prompt);
    std::uint64_t round = 1;
    for (auto const& cache : caches) round = std::max(round, cache.streams().front().block_of(context - 1).tokens);
    std::vector<double> sums(caches.size());
    std::uint64_t steps = 0;
    for (auto token = prompt; token < context; ++token) {
        for (auto& cache : caches) cache.compute();
        for (std::size_t c = 0; c < caches.size(); ++c) {
            sums[c] += static_cast<double>(fenced_ns(kind, [&] { caches[c].append(); }));
        }
        if (++steps < std::min(round, context - prompt)) continue;
        double both = 0;
        for (std::size_t c = 0; c < caches.size(); ++c) {
            both += sums[c];
            times.of_component[c].push_back(sums[c] / static_cast<double>(steps * batch));
        }
        rule.add(both);
        times.both.push_back(both / static_cast<double>(steps * batch));
        std::fill(sums.begin(), sums.end(), 0.0);
        steps = 0;
    }
}

/// Nanoseconds for a page of one sequence.
struct PageTimes {
    std::vector<double> ns;
    std::uint64_t tokens = 0;
};

PageTimes read_pages(Cache const& cache, BackendKind kind, Measure const& measure) {
    auto const& streams = cache.streams();
    auto const context = cache.context();
    auto const block = streams.front().block_of(context / 2);
    PageTimes times{{}, std::min(block.tokens, context)};
    auto const first = block.first % block.tokens;
    auto const pages = std::max<std::uint64_t>(1, (context - first) / block.tokens);
    std::mt19937_64 random(1);
    MedianIntervalRule rule(measure.repetitions, measure.min_time_s);
    auto const page = cache.page_tensor(times.tokens);
    while (!rule.done()) {
        auto const& stream = streams[random() % streams.size()];
        auto const at = std::min(first + random() % pages * block.tokens, context - times.tokens);
        times.ns.push_back(
            static_cast<double>(fenced_ns(kind, [&] { stream.decode_pages(at, page.view(), DecodeFor::timing); })));
        rule.add(times.ns.back());
    }
    return times;
}

/// A time and the rate it means for `bytes`: bytes per nanosecond are 10^9 bytes per second.
void add_time(FigureWriter& figures, char const* time, char const* rate, double ns, double bytes, std::uint64_t n,
              std::optional<Interval> interval) {
    figures.add(time, ns, n, interval);
    if (interval) interval = Interval{bytes / interval->high, bytes / interval->low};
    figures.add(rate, bytes / ns, n, interval);
}

void add_append_times(Measurement& measurement, std::string_view component, std::vector<double> const& samples,
                      double token_bytes) {
    FigureWriter figures(measurement, std::string(component));
    add_time(figures, "append_ns_per_token", "append_gb_per_s", median(samples), token_bytes, samples.size(),
             median_interval(samples));
    measurement.samples.push_back({std::string(component), "append_ns_per_token", samples});
}

void add_page_times(Measurement& measurement, std::string_view component, double ns, double bytes, std::uint64_t n,
                    std::optional<Interval> const& interval) {
    FigureWriter figures(measurement, std::string(component));
    add_time(figures, "page_read_ns", "page_read_gb_per_s", ns, bytes, n, interval);
}

void time_appends(std::vector<Cache>& caches, BackendKind kind, AttemptRequest const& request,
                  Measurement& measurement) {
    Times times;
    times.of_component.resize(caches.size());
    MedianIntervalRule rule(request.measure.repetitions, request.measure.min_time_s);
    {
        Times thrown_away = times;
        warm_up(request.measure, [&] {
            MedianIntervalRule once(1, 0);
            grow(caches, kind, request.cell.batch, once, thrown_away);
        });
    }
    if (!request.measure.timing) return;
    while (!rule.done()) grow(caches, kind, request.cell.batch, rule, times);
    double both_bytes = 0;
    double page_ns = 0;
    double page_bytes = 0;
    std::uint64_t page_samples = 0;
    std::optional<Interval> page_interval = Interval{};
    for (std::size_t c = 0; c < caches.size(); ++c) {
        auto const name = caches[c].name();
        auto const token_bytes = caches[c].token_bytes();
        both_bytes += token_bytes;
        add_append_times(measurement, name, times.of_component[c], token_bytes);
        auto const pages = read_pages(caches[c], kind, request.measure);
        auto const own_bytes = token_bytes * static_cast<double>(pages.tokens);
        auto const own_interval = median_interval(pages.ns);
        add_page_times(measurement, name, median(pages.ns), own_bytes, pages.ns.size(), own_interval);
        measurement.samples.push_back({std::string(name), "page_read_ns", pages.ns});
        page_ns += median(pages.ns);
        page_bytes += own_bytes;
        page_samples = c == 0 ? pages.ns.size() : std::min<std::uint64_t>(page_samples, pages.ns.size());
        if (page_interval && own_interval)
            page_interval = Interval{page_interval->low + own_interval->low, page_interval->high + own_interval->high};
        else
            page_interval.reset();
    }
    if (caches.size() < 2) return;
    add_append_times(measurement, "kv", times.both, both_bytes);
    add_page_times(measurement, "kv", page_ns, page_bytes, page_samples, page_interval);
}

/// Growing from the prompt, and reading back every page of whole blocks, once each; the first time is not counted.
void count_appends(Cache& cache, BackendKind kind) {
    auto const context = cache.context(), prompt = context / 2;
    for (bool const counted : {false, true}) {
        cache.begin(prompt);
        std::optional<CountedWork> work;
        if (counted) work.emplace();
        for (auto token = prompt; token < context; ++token) {
            cache.compute();
            auto const append = [&] {
                cache.append();
                fence(kind);
            };
            counted ? work->count(append) : append();
        }
        if (counted)
            work->write("encode", cache.name(),
                        cache.streams().size() * (context - prompt) * (cache.values() / context));
    }
    auto const& stream = cache.streams().front();
    auto const block = stream.block_of(context / 2);
    auto const tokens = std::min(block.tokens, context);
    auto const page = cache.page_tensor(tokens);
    auto const first = block.first % block.tokens;
    auto const last = context - tokens;
    auto const read_all = [&] {
        for (auto at = std::min(first, last); at <= last; at += tokens)
            stream.decode_pages(at, page.view(), DecodeFor::timing);
        fence(kind);
    };
    auto const pages = (last - std::min(first, last)) / tokens + 1;
    read_all();
    count_pass("decode", cache.name(), pages * tokens * cache.values() / context, read_all);
}

}  // namespace

void run_append(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    auto const kind = backend_named(cell.backend);
    auto const codec = Codec::parse(cell.codec);
    auto tensors = load_cell_tensors(request, {}, measurement);
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    std::vector<Cache> caches;
    take_k_and_v(tensors, [&](Component component, HostTensor tensor) {
        caches.emplace_back(component, std::move(tensor), rope, kind, codec, cell);
    });
    for (auto const& cache : caches)
        if (cache.context() < 2) throw NotApplicable("a cache that grows needs a prompt and a token", "context", {"2"});

    if (request.measure.work) {
        for (auto& cache : caches) count_appends(cache, kind);
        return;
    }
    time_appends(caches, kind, request, measurement);
    if (!request.measure.quality) return;
    double held = 0, stored = 0, values = 0;
    for (auto const& cache : caches) {
        std::uint64_t stored_bytes = 0;
        auto const wrong = cache.verify(stored_bytes);
        if (!wrong.empty()) refuse(measurement, Status::verify_failed, std::string(cache.name()), wrong);
        auto const own_values = static_cast<double>(cell.batch * cache.values());
        auto const own_held = static_cast<double>(cache.held_bytes());
        FigureWriter figures(measurement, std::string(cache.name()));
        figures.add("append_bits_per_value", 8 * own_held / own_values);
        figures.add("bits_per_value", 8 * static_cast<double>(stored_bytes) / own_values);
        held += own_held;
        stored += static_cast<double>(stored_bytes);
        values += own_values;
    }
    FigureWriter figures(measurement, "kv");
    if (caches.size() == 2) {
        figures.add("append_bits_per_value", 8 * held / values);
        figures.add("bits_per_value", 8 * stored / values);
    }
    add_memory_peaks(measurement, kind);
}

}  // namespace kvstone
