// Entropy coders beside their peers (tests/bench/codecs/entropy.cpp), then every other example of the registry, encoded and
// decoded, with one thread and with two.
//
// M          bytes read plus written per second over those of the same round's copy of the tensor (memcpy, or stores that
//            pass the cache where those are faster): median of the rounds. An encoder whose range is over everything has
//            to read everything twice; its second figure, after the slash, counts every value once.
// goal       of M on one thread, by family and class of vector unit (tests/bench/codecs/targets.hpp). `1x`: no slower than
//            ggml. A figure below its goal has a mark; the table ends with their number.
// x2         speed of two threads over one.
// plain      speed over the loop that anyone would write first, compiled for the least processor, one thread each (for
//            clipping: over nth_element).
// ggml       speed over libggml's own rows, with the fastest of its code for this processor, one thread each. oneDNN is no
//            part of the toolchain, and FBGEMM is not packaged; zstd, blosc2 and htscodecs are in the first table.
// bits       stored bits a value, everything included.
// The end says in how many of the families that have peers (ggml, plain) we are first in both directions, and which are not.
// Arguments: --entropy: the first table alone. Or Google Benchmark's (--benchmark_filter=..., --benchmark_min_time=...,
// --benchmark_repetitions=...): the second table alone, with pipelines of entropy coders, which can take seconds a pass; its
// own figures, of one thread, --benchmark_out=FILE keeps. KVSTONE_BENCH_MB sets the tensor's size (256).

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "backends/kernels/simd_target.hpp"
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

/// Speed over another's time; 0 where there is none.
double speed_over(std::vector<Round> const& rounds, double Round::* other) {
    return median(rounds, [&](Round const& r) { return r.*other / r.pass_ns; });
}
std::string speed_text(double speed) { return speed == 0 ? "" : fmt::format("{:.{}f}", speed, speed < 9.95 ? 2 : 1); }

/// Two digits behind the point, as tables show them: what looks like its goal has met it.
double rounded(double figure) { return std::round(100 * figure) / 100; }

/// What the end of the table says.
struct Verdicts {
    int goals = 0;
    int met = 0;
    std::set<std::string> with_peers;  ///< families
    /// Family to the peer that was faster by most, and our speed over it.
    std::map<std::string, std::pair<double, std::string>> beaten{};

    /// " ", or "!" where the goal is missed.
    char const* judge(double figure, double goal) {
        if (goal == 0) return " ";
        ++goals;
        bool const reached = rounded(figure) >= goal;
        met += reached ? 1 : 0;
        return reached ? " " : "!";
    }
    void compare(Family const& family, std::string const& what, double speed) {
        if (speed == 0) return;
        with_peers.emplace(family.name);
        if (rounded(speed) >= 1) return;
        auto& worst = beaten.try_emplace(std::string(family.name), speed, what).first->second;
        if (speed < worst.first) worst = {speed, what};
    }
};

/// This processor's name, as the system tells it.
std::string processor_name() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "a processor without a name";
}

char const* name_of_class(SimdLevel level) {
    if (level == SimdLevel::avx512) return "AVX-512";
    return level == SimdLevel::avx2 ? "AVX2" : "any other: none of M";
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
        fmt::print("vector unit {} on {}; goals of {}\n", simd_target(), processor_name(), name_of_class(simd_level()));
        fmt::print("peers: plain loops and libggml; oneDNN is no part of the toolchain, and FBGEMM is not packaged\n");
        fmt::print("{:<38}{:>6}{:>11}{:>6}{:>6}{:>6}{:>7} |{:>11}{:>6}{:>6}{:>6}{:>7}\n", "codec", "bits", "encode M",
                   "goal", "x2", "plain", "ggml", "decode M", "goal", "x2", "plain", "ggml");
        std::map<std::string_view, std::vector<std::string>> by_family;
        for (auto const& text : known_) {
            if (rounds_.contains({text, true}) || rounds_.contains({text, false})) {
                by_family[family_of(text).name].push_back(text);
            }
        }
        Verdicts verdicts;
        for (auto const& [family, texts] : by_family) {
            fmt::print("{}\n", family);
            for (auto const& text : texts) print_codec(text, verdicts);
        }
        fmt::print("{} of {} goals met\n", verdicts.met, verdicts.goals);
        fmt::print("first in {} of {} families with peers\n", verdicts.with_peers.size() - verdicts.beaten.size(),
                   verdicts.with_peers.size());
        for (auto const& [family, worst] : verdicts.beaten) {
            fmt::print("  not in {}: {:.2f}x of {}\n", family, worst.first, worst.second);
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

    void print_codec(std::string const& text, Verdicts& verdicts) const {
        auto const encode = rounds_.find({text, true});
        auto const decode = rounds_.find({text, false});
        auto const& any = encode != rounds_.end() ? encode->second : decode->second;
        auto const bits = median(any.one, [](Round const& r) { return 8 * r.stored_bytes / r.values; });
        if (text.size() > 35) fmt::print("  {}\n", text);
        fmt::print("  {:<36}{:>6.2f}", text.size() > 35 ? "" : text, bits);
        print_direction(encode, text, verdicts);
        fmt::print(" |");
        print_direction(decode, text, verdicts);
        fmt::print("\n");
    }

    using Results = std::map<std::pair<std::string, bool>, Rounds>;

    void print_direction(Results::const_iterator const found, std::string const& text, Verdicts& verdicts) const {
        if (found == rounds_.end()) {
            fmt::print("{:>36}", "");
            return;
        }
        auto const& family = family_of(text);
        auto const goals = family.goals(simd_level());
        auto const goal = found->first.second ? goals.encode : goals.decode;
        auto const& [one, two] = found->second;
        auto const m = roofline_share(one, &Round::traffic_bytes);
        auto const once = roofline_share(one, &Round::traffic_once_bytes);
        auto const share =
            fmt::format("{:.2f}{}{}", m, m != once ? fmt::format("/{:.2f}", once) : "", verdicts.judge(m, goal));
        auto const plain = speed_over(one, &Round::plain_ns), ggml = speed_over(one, &Round::peer_ns);
        bool const over_ggml = family.beats_ggml && ggml > 0;
        auto const mark = verdicts.judge(ggml, over_ggml ? 1 : 0);
        auto const direction = found->first.second ? " encode" : " decode";
        verdicts.compare(family, "ggml at " + text + direction, ggml);
        verdicts.compare(family, "a plain loop at " + text + direction, plain);
        auto const pass = [](Round const& r) { return r.pass_ns; };
        auto const goal_text = goal > 0 ? fmt::format("{:.2f}", goal) : std::string(over_ggml ? "1x" : "");
        fmt::print("{:>11}{:>6}{:>6.2f}{:>6}{:>6}{}", share, goal_text, median(one, pass) / median(two, pass),
                   speed_text(plain), speed_text(ggml), mark);
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
        if (entry.kind == StageKind::selector) continue;  // of K and V together
        if (plain_run && entry.kind == StageKind::entropy) continue;
        for (auto const& example : entry.info.examples) measured.add(example);
    }
    bench::Progress progress;
    benchmark::RunSpecifiedBenchmarks(&progress);
    measured.print();
    return 0;
}
