#pragma once
// A database of pairs of weights and codec made up for tests of reports: three files of weights, compared with one of them.

#include <array>

#include "tests/results/store_fixture.hpp"

namespace kvstone::test {

inline constexpr std::array weights_codecs{"fp16", "q8_0", "q4_0", "int:bits=2,axis=token"};
inline constexpr std::array<std::uint64_t, 2> weights_contexts{512, 2048};

/// Of a file (0 is the reference) and a codec: smaller files and codecs err more, by sums. Bytes of all passages are stored.
struct WeightsFigures {
    double weights_bytes, cache_bytes, compute_bytes, kld;
    double p999;  ///< in another order than the mean
};
inline WeightsFigures weights_figures(std::size_t file, std::size_t codec, std::uint64_t context) {
    constexpr double mebibyte = 1 << 20;
    constexpr std::array files{16 * mebibyte, 8.5 * mebibyte, 4.5 * mebibyte};
    constexpr std::array bits{16.0, 8.5, 4.5, 2.5}, of_codec{0.0, 4e-5, 6e-3, 0.4};
    constexpr std::array of_file{0.0, 2e-4, 5e-3};
    return {files[file], bits[codec] / 16 * static_cast<double>(context) * 8192, 3 * mebibyte,
            of_file[file] + of_codec[codec], 100 * of_file[file] + 10 * of_codec[codec]};
}

inline bool lacks_p999(std::size_t file, std::size_t codec, std::uint64_t context) {
    return file == 0 && codec == 0 && context == weights_contexts[0];
}

/// The position in the text behind which the largest KL divergence of each cell lies.
inline constexpr std::int64_t largest_kld_at = 640;

inline void write_weights(std::string const& path) {
    std::vector<Cell> cells;
    std::vector<Measurement> measurements;
    for (auto const context : weights_contexts)
        for (std::size_t file = 0; file < 3; ++file)
            for (std::size_t codec = 0; codec < weights_codecs.size(); ++codec) {
                auto c = cell(weights_codecs[codec], context);
                c.workload = "model";
                c.options = {{"protocol", "inline"}};
                c.source_name = fmt::format("weights{}", file);
                c.source = {{"kind", "model"},
                            {"sha256", fmt::format("{:064}", file)},
                            {"reference_sha256", fmt::format("{:064}", 0)},
                            {"text_sha256", "bb22"}};
                c.id = fmt::format("{:016}", cells.size());
                c.canonical = fmt::format(R"({{"cell":{}}})", cells.size());
                auto const [weights, cache, compute, kld, p999] = weights_figures(file, codec, context);
                constexpr double passages = 4;
                auto m = measurement(c);
                m.samples.clear();
                m.profiles.clear();
                m.figures = {{"kv", "bits_per_value", 16 * cache / static_cast<double>(context * 8192), 1, {}, {}},
                             {"kv", "kld_mean", kld, 2044, kld * 0.9, kld * 1.1},
                             {"kv", "kld_p99", p999 / 4, 2044, p999 / 5, p999 / 3},
                             {"kv", "kld_max", p999 * 2, 2044, p999, p999 * 2},
                             {"kv", "large_kld_share", kld / 2, 2044, kld / 4, kld},
                             {"kv", "kld_mean_digits", kld * 2, 20, {}, {}},
                             {"kv", "weights_bytes", weights, 1, {}, {}},
                             {"kv", "compute_bytes", compute, 1, {}, {}},
                             {"kv", "stored_bytes", passages * cache, 1, {}, {}},
                             {"kv", "passages", passages, 1, {}, {}},
                             {"kv", "prefill_tokens_per_s", 100.0 + 10 * static_cast<double>(file), 8, 99.0, 141.0}};
                // As of a row of fewer than 1,000 scored tokens.
                if (!lacks_p999(file, codec, context))
                    m.figures.push_back({"kv", "kld_p999", p999, 2044, p999 / 2, p999 * 2});
                for (std::int64_t bin = 0; bin < 4; ++bin)
                    m.profiles.push_back(
                        {"kv", "kld_max", -1, -1, largest_kld_at + 64 * (bin - 2), bin == 2 ? p999 * 2 : kld});
                cells.push_back(std::move(c));
                measurements.push_back(std::move(m));
            }
    auto store = Store::open(path);
    store.ingest(store.begin_campaign(plan(cells), build(), "hw", false), measurements);
}

}  // namespace kvstone::test
