// One step of decoding over stored planes, beside our own kernel over fp16 and ggml's flash_attn_ext in the same rounds: 8 KV
// heads of 128 channels, 4 query heads to each and then 1. OMP_NUM_THREADS says with how many threads.
//
// ms, GB/s   of a step, and stored bytes that it reads a second; the median of all rounds. With one thread the process's own
//            time, which does not count when others have the core
// share      of the byte ratio to fp16: fp16's time over this one's, over fp16's bytes over these; goals: .8 of q8_0, .7 of
//            4 bits at 32k
// fp16, ggml f16, ggml   their time over this one's, ratios of medians: goal 2 of fp16 over ggml f16
// Arguments: contexts (default: 512 4096 32768), then after `--` codecs.

#include <cstring>
#include <ctime>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <omp.h>

#include "backends/backend.hpp"
#include "codecs/container/stored_tensor.hpp"
#include "codecs/kernels/coded_attention.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/engine/flash_attention.hpp"
#include "results/statistics/median.hpp"

namespace kvstone::bench {
namespace {

constexpr std::uint64_t kv_heads = 8;
constexpr std::uint64_t dim = 128;
constexpr double round_s = 2;  ///< rounds of one context go on for so long, and are five at the least

double seconds(auto const& action) {
    auto const now = [] {
        timespec time{};
        clock_gettime(omp_get_max_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    };
    auto const start = now();
    action();
    return now() - start;
}

struct Contender {
    std::string name;
    StoredTensor k;
    StoredTensor v;
    StoredCache cache;
    std::optional<GgmlAttention> ggml = {};
    std::vector<double> own_s = {};
    std::vector<double> ggml_s = {};

    double bytes() const { return static_cast<double>(k.plane_bytes() + v.plane_bytes()); }
};

std::vector<float> normal_values(std::uint64_t count) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> pool(65537), values(count);
    for (auto& value : pool) value = normal(random);
    for (std::uint64_t i = 0; i < count; ++i) values[i] = pool[(i * 7 + i / 977) % pool.size()];
    return values;
}

std::vector<Contender> contenders_of(std::vector<std::string> const& codecs, std::uint64_t tokens, std::uint64_t group,
                                     std::vector<float> const& queries) {
    KvShape const shape{1, kv_heads, tokens, dim};
    auto values = normal_values(shape.values());
    KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
    std::vector<Contender> all;
    for (auto const& text : codecs) {
        auto const codec = Codec::parse(text);
        StoredTensor k(codec, Component::k, view, BackendKind::openmp),
            v(codec, Component::v, view, BackendKind::openmp);
        StoredCache const cache{k.rows(), v.rows()};
        all.push_back({text, std::move(k), std::move(v), cache});
        auto const type = ggml_cache_type(text);
        if (!type) continue;
        try {
            all.back().ggml.emplace(*type,
                                    GgmlAttentionShape{.layers = 1,
                                                       .kv_heads = kv_heads,
                                                       .heads = kv_heads * group,
                                                       .queries = 1,
                                                       .tokens = tokens,
                                                       .k_dim = dim,
                                                       .v_dim = dim,
                                                       .scale = 0.1,
                                                       .threads = omp_get_max_threads()},
                                    std::vector<GgmlCache>{{cache.k.payload, cache.v.payload}}, queries);
        } catch (NotApplicable const& none) {
            fmt::print("no ggml: {}\n", none.what());
        }
    }
    return all;
}

void measure(std::uint64_t tokens, std::uint64_t group, std::vector<std::string> const& codecs) {
    auto const queries = normal_values(kv_heads * group * dim);
    std::vector<float> outputs(queries.size());
    auto all = contenders_of(codecs, tokens, group, queries);
    double spent = 0;
    for (int round = 0; round < 5 || spent < round_s; ++round) {
        for (auto& one : all) {
            one.own_s.push_back(seconds([&] {
                attend(BackendKind::openmp, {.sequences = {&one.cache, 1},
                                             .queries = queries.data(),
                                             .outputs = outputs.data(),
                                             .rows = group,
                                             .scale = 0.1});
            }));
            if (one.ggml) one.ggml_s.push_back(seconds([&] { one.ggml->run(); }));
            spent += one.own_s.back() + (one.ggml ? one.ggml_s.back() : 0);
        }
    }
    auto const& fp16 = all.front();
    auto const ratio = [](double of, double over) { return of > 0 ? fmt::format("{:.2f}", of / over) : "-"; };
    fmt::print("{} tokens, {} query heads a KV head, {} threads, {} rounds\n{:<52}{:>9}{:>8}{:>8}{:>8}{:>11}{:>8}\n",
               tokens, group, omp_get_max_threads(), fp16.own_s.size(), "codec", "ms", "GB/s", "share", "fp16",
               "ggml f16", "ggml");
    for (auto const& one : all) {
        auto const own = median(one.own_s);
        auto const speedup = median(fp16.own_s) / own;
        auto const ggml_s = [&](Contender const& of) { return of.ggml_s.empty() ? 0 : median(of.ggml_s); };
        fmt::print("{:<52}{:>9.3f}{:>8.1f}{:>8.2f}{:>8.2f}{:>11}{:>8}\n", one.name, 1e3 * own, 1e-9 * one.bytes() / own,
                   speedup / (fp16.bytes() / one.bytes()), speedup, ratio(ggml_s(fp16), own), ratio(ggml_s(one), own));
    }
}

}  // namespace
}  // namespace kvstone::bench

int main(int count, char** arguments) {
    using namespace kvstone;
    BackendRuntime const runtime;
    std::vector<std::uint64_t> contexts;
    std::vector<std::string> codecs{"fp16"};
    bool after = false;
    for (int i = 1; i < count; ++i) {
        if (std::strcmp(arguments[i], "--") == 0)
            after = true;
        else if (after)
            codecs.emplace_back(arguments[i]);
        else
            contexts.push_back(std::stoull(arguments[i]));
    }
    if (contexts.empty()) contexts = {512, 4096, 32768};
    if (codecs.size() == 1)
        codecs = {"fp16",
                  "bf16",
                  "fp8:format=e4m3",
                  "q8_0",
                  "int:bits=8,axis=token,group=32",
                  "int:bits=8,axis=channel,group=32",
                  "q4_0",
                  "nf4",
                  "int:bits=4,axis=token,group=32",
                  "int:bits=4,scheme=asymmetric,axis=token,group=32",
                  "k{int:bits=4,scheme=asymmetric,axis=channel,group=32} "
                  "v{int:bits=4,scheme=asymmetric,axis=token,group=32}"};
    for (auto const tokens : contexts)
        for (std::uint64_t const group : {4, 1}) bench::measure(tokens, group, codecs);
}
