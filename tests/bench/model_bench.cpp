// How fast a model reads with the identity codec in its path, beside the engine alone.
//
//   bench_model [ROUNDS (7)] [TOKENS (1024)] [GGUF TEXT]...
//
// Everything runs in turn within a round; figures are medians over rounds, in tokens per second. `reads` is a context of TOKENS
// tokens in batches; `steps` are 64 tokens one by one behind it. llama-bench is found as $KVSTONE_LLAMA_BENCH, else in PATH.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "harness/sources/builtin.hpp"
#include "harness/workloads/model/codec_path.hpp"
#include "scenarios/cell.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t step_tokens = 64;

double seconds(std::function<void()> const& action) {
    auto const start = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median_of(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// One sequence with something in its path, and its rates round by round.
struct Contender {
    Contender(Engine const& engine, std::uint64_t capacity, std::string its_name, std::optional<Protocol> protocol)
        : name(std::move(its_name)), sequence(engine, capacity, !protocol.has_value()) {
        PathSettings settings;
        settings.protocol = protocol.value_or(Protocol::context);
        path = protocol ? codec_path(sequence, Codec::parse("raw"), settings) : plain_path(sequence, true);
    }
    void round(std::span<Token const> text) {
        auto const context = text.first(text.size() - step_tokens);
        auto const rest = text.last(step_tokens);
        reads.push_back(static_cast<double>(context.size()) / seconds([&] { path->begin(context); }));
        steps.push_back(static_cast<double>(rest.size()) / seconds([&] {
                            for (auto const& token : rest) path->feed({&token, 1}, [](auto...) {});
                        }));
    }
    std::string name;
    EngineSequence sequence;
    std::unique_ptr<CodecPath> path;
    std::vector<double> reads, steps;
};

/// Tokens per second of reading and of generating, as the engine's own benchmark says; nothing where it is not there.
std::optional<std::array<double, 2>> llama_bench(Engine const& engine, std::uint64_t tokens) {
    char const* named = std::getenv("KVSTONE_LLAMA_BENCH");
    std::string const tool = named != nullptr ? named : "llama-bench";
    auto const command =
        fmt::format("'{}' -m '{}' -p {} -n {} -t {} -b 512 -ub 512 -fa 0 -ctk f32 -ctv f32 -r 1 -o jsonl 2>/dev/null",
                    tool, engine.path(), tokens, step_tokens, engine.threads());
    auto* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return std::nullopt;
    std::string said;
    std::array<char, 4096> part{};
    while (auto const size = fread(part.data(), 1, part.size(), pipe)) said.append(part.data(), size);
    pclose(pipe);
    std::array<double, 2> rates{};
    for (std::size_t start = 0; start < said.size();) {
        auto const end = std::min(said.find('\n', start), said.size());
        auto const line = Json::parse(said.substr(start, end - start), nullptr, false);
        start = end + 1;
        if (line.is_object()) rates[line.at("n_gen") == 0 ? 0 : 1] = line.at("avg_ts").get<double>();
    }
    if (rates[0] == 0) return std::nullopt;
    return rates;
}

void measure(std::string const& model, std::string const& text_path, int rounds, std::uint64_t tokens) {
    Engine const engine(model);
    auto text = engine.read_tokens(text_path, tokens + step_tokens);
    text.resize(tokens + step_tokens);
    std::vector<std::unique_ptr<Contender>> all;
    all.push_back(std::make_unique<Contender>(engine, text.size(), "engine alone", std::nullopt));
    for (auto const protocol : {Protocol::context, Protocol::within, Protocol::decode})
        all.push_back(std::make_unique<Contender>(engine, text.size(), std::string(name_of(protocol)), protocol));
    for (auto const& one : all) one->round(text);  // warm
    std::vector<double> their_reads, their_steps;
    for (int i = 0; i < rounds; ++i) {
        for (auto const& one : all) one->round(text);
        if (auto const theirs = llama_bench(engine, tokens)) {
            their_reads.push_back((*theirs)[0]);
            their_steps.push_back((*theirs)[1]);
        }
    }
    fmt::print("{}: context {}, {} rounds, engine on {} threads\n{:<16}{:>12}{:>8}{:>12}{:>8}\n", model, tokens, rounds,
               engine.threads(), "codec raw", "reads/s", "ratio", "steps/s", "ratio");
    auto const read = median_of(all.front()->reads.empty() ? std::vector<double>{0} : all.front()->reads);
    auto const step = median_of(all.front()->steps);
    for (auto const& one : all)
        fmt::print("{:<16}{:>12.0f}{:>8.2f}{:>12.1f}{:>8.2f}\n", one->name, median_of(one->reads),
                   median_of(one->reads) / read, median_of(one->steps), median_of(one->steps) / step);
    if (their_reads.empty())
        fmt::print("llama-bench is neither named by KVSTONE_LLAMA_BENCH nor in PATH\n");
    else
        fmt::print("{:<16}{:>12.0f}{:>8.2f}{:>12.1f}{:>8.2f}\n", "llama-bench", median_of(their_reads),
                   median_of(their_reads) / read, median_of(their_steps), median_of(their_steps) / step);
}

}  // namespace
}  // namespace kvstone

int main(int argument_count, char** arguments) {
    using namespace kvstone;
    int const rounds = argument_count > 1 ? std::atoi(arguments[1]) : 7;
    auto const tokens = static_cast<std::uint64_t>(argument_count > 2 ? std::atoi(arguments[2]) : 1024);
    if (rounds < 1 || tokens < 1) {
        fmt::print(stderr, "bench_model [ROUNDS] [TOKENS] [GGUF TEXT]...\n");
        return 2;
    }
    BackendRuntime const runtime;
    if (argument_count > 4) {
        for (int i = 3; i + 1 < argument_count; i += 2) measure(arguments[i], arguments[i + 1], rounds, tokens);
        return 0;
    }
    measure(builtin_path("tiny"), builtin_path("builtin"), rounds, tokens);
    auto const model = test_data("models/stories260K.gguf");
    auto const text = test_data("text/tinystories_val_794k.txt");
    if (model && text)
        measure(model->string(), text->string(), rounds, tokens);
    else
        fmt::print("stories260K.gguf or its text is not among the test data\n");
    return 0;
}
