// Entropy coders beside their peers (tests/bench/codecs/entropy.cpp), then every other example of the registry, encoded and
// decoded, with one thread and with two.
//
// M          bytes read plus written per second over those of the same round's copy of the tensor (memcpy, or stores that
//            pass the cache where those are faster): median of the rounds. An encoder whose range is over everything has
//            to read everything twice; its second figure, after the slash, counts every value once.
// goal, was  the target of M on one thread and what a prototype reached; M below `was` has a mark.
// x2         speed of two threads over one.
// plain      speed over the loop that anyone would write first, one thread each (for clipping: over nth_element).
// ggml       speed over libggml's own rows, one thread each.
// bits       stored bits a value, everything included.
// Arguments: --entropy: the first table alone. Or Google Benchmark's (--benchmark_filter=..., --benchmark_min_time=...,
// --benchmark_repetitions=...): the second table alone, with pipelines of entropy coders, which can take seconds a pass; its
// own figures, of one thread, --benchmark_out=FILE keeps. KVSTONE_BENCH_MB sets the tensor's size (256).

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "codecs/registry.hpp"
#include "tests/bench/codecs/entropy.hpp"
#include "tests/bench/codecs/rounds.hpp"
#include "tests/bench/codecs/targets.hpp"

namespace kvstone::bench {
namespace {

/// All rounds of one direction of one codec.
struct Rounds {
    std::vector<Round> one;
    std::vector<Round> two;
};

template <class Figure>
double median(std::vector<Round> const& rounds, Figure const& figure) {
    std::vector<double> figures;
    for (auto const& round : rounds) figures.push_back(figure(round));
    auto const middle = figures.begin() + static_cast<std::ptrdiff_t>(figures.size() / 2);
    std::ranges::nth_element(figures, middle);
    return *middle;
}

double roofline_share(std::vector<Round> const& rounds, double Round::* traffic) {
    return median(rounds, [&](Round const& r) { return r.*traffic / r.pass_ns * r.roofline_ns / 2 / r.tensor_bytes; });
}

/// Speed over another's time, as text; empty where there is none.
std::string ratio(std::vector<Round> const& rounds, double Round::* other) {
    auto const figure = median(rounds, [&](Round const& r) { return r.*other / r.pass_ns; });
    return figure == 0 ? "" : fmt::format("{:.{}f}", figure, figure < 9.95 ? 2 : 1);
}

std::string goal_text(Goal const& goal) {
    auto const figure = [](double value) {
        return value == 0 ? std::string("-") : fmt::format("{:.2f}", value).substr(value < 1 ? 1 : 0);
    };
    return goal.target == 0 && goal.reached == 0 ? "" : figure(goal.target) + " " + figure(goal.reached);
}

class Bench {
  public:
    void add(std::string const& example) {
        auto const text = Codec::parse(example).text();
        if (!known_.insert(text).second) return;
        for (bool const encode : {true, false}) {
            auto* const registered = benchmark::RegisterBenchmark(
                text + (encode ? " encode" : " decode"),
                [this, request = Request{text, encode}](benchmark::State& state) { measure(request, state); });
            registered->UseManualTime()->Unit(benchmark::kMillisecond);
        }
    }

    void print() const {
        fmt::print("{:<40}{:>6}{:>11}{:>12}{:>5}{:>6}{:>5} |{:>6}{:>11}{:>5}{:>6}{:>5}\n", "codec", "bits", "encode M",
                   "goal was", "x2", "plain", "ggml", "dec M", "goal was", "x2", "plain", "ggml");
        std::map<std::string_view, std::vector<std::string>> by_family;
        for (auto const& text : known_) {
            if (rounds_.contains({text, true}) || rounds_.contains({text, false})) {
                by_family[family_of(text).name].push_back(text);
            }
        }
        for (auto const& [family, texts] : by_family) {
            fmt::print("{}\n", family);
            for (auto const& text : texts) print_codec(text);
        }
    }

  private:
    void measure(Request const& request, benchmark::State& state) {
        auto& rounds = rounds_[{request.codec, request.encode}];
        for (auto _ : state) {
            try {
                rounds.one.push_back(one_.round(request));
                rounds.two.push_back(two_.round(request));
            } catch (std::exception const& error) {
                rounds_.erase({request.codec, request.encode});
                state.SkipWithError(error.what());
                return;
            }
            state.SetIterationTime(rounds.one.back().pass_ns * 1e-9);
        }
        state.counters["M"] = roofline_share(rounds.one, &Round::traffic_bytes);
    }

    void print_codec(std::string const& text) const {
        auto const& family = family_of(text);
        auto const encode = rounds_.find({text, true});
        auto const decode = rounds_.find({text, false});
        auto const& any = encode != rounds_.end() ? encode->second : decode->second;
        auto const bits = median(any.one, [](Round const& r) { return 8 * r.stored_bytes / r.values; });
        if (text.size() > 38) fmt::print("  {}\n", text);
        fmt::print("  {:<38}{:>6.2f}", text.size() > 38 ? "" : text, bits);
        print_direction(encode, family.encode, 12);
        fmt::print(" |");
        print_direction(decode, family.decode, 7);
        fmt::print("\n");
    }

    using Results = std::map<std::pair<std::string, bool>, Rounds>;

    void print_direction(Results::const_iterator const found, Goal const& goal, int width) const {
        if (found == rounds_.end()) {
            fmt::print("{:>{}}", "", width + 26);
            return;
        }
        auto const& [one, two] = found->second;
        auto const m = roofline_share(one, &Round::traffic_bytes);
        auto const once = roofline_share(one, &Round::traffic_once_bytes);
        auto const text =
            fmt::format("{:.2f}{}{}", m, m != once ? fmt::format("/{:.2f}", once) : "", m < goal.reached ? "!" : " ");
        auto const pass = [](Round const& r) { return r.pass_ns; };
        fmt::print("{:>{}}{:>10}{:>5.2f}{:>6}{:>5}", text, width, goal_text(goal),
                   median(one, pass) / median(two, pass), ratio(one, &Round::plain_ns), ratio(one, &Round::peer_ns));
    }

    RoundWorker one_{1};
    RoundWorker two_{2};
    std::set<std::string> known_;
    Results rounds_;
};

/// Names the present measurement on standard error: the table comes at the end.
class Progress : public benchmark::BenchmarkReporter {
  public:
    bool ReportContext(Context const&) override { return true; }
    void ReportRuns(std::vector<Run> const& runs) override {
        for (auto const& run : runs) {
            if (run.run_type == Run::RT_Aggregate) continue;
            auto const failed = run.skipped != benchmark::internal::NotSkipped;
            fmt::print(stderr, "{}  {}\n", run.benchmark_name(),
                       failed ? run.skip_message : fmt::format("{:.2f} ms", run.GetAdjustedRealTime()));
        }
    }
};

}  // namespace
}  // namespace kvstone::bench

int main(int argument_count, char** arguments) {
    using namespace kvstone;
    if (argument_count > 1 && std::strcmp(arguments[1], "--serve") == 0) return bench::serve_rounds();
    bool const entropy_alone = argument_count > 1 && std::strcmp(arguments[1], "--entropy") == 0;
    bool const plain_run = argument_count == 1;
    if (plain_run || entropy_alone) bench::print_entropy_coders();
    if (entropy_alone) return 0;
    char short_runs[] = "--benchmark_min_time=0.1s";
    std::vector<char*> all{arguments[0], short_runs};
    for (int i = 1; i < argument_count; ++i) all.push_back(arguments[i]);
    argument_count = static_cast<int>(all.size());
    benchmark::Initialize(&argument_count, all.data());
    if (benchmark::ReportUnrecognizedArguments(argument_count, all.data())) return 2;
    bench::Bench measured;
    for (auto const& [name, entry] : stage_registry()) {
        if (plain_run && entry.kind == StageKind::entropy) continue;
        for (auto const& example : entry.info.examples) measured.add(example);
    }
    bench::Progress progress;
    benchmark::RunSpecifiedBenchmarks(&progress);
    measured.print();
    return 0;
}
