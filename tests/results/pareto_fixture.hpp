#pragma once
// Rows made by hand for tests of answers: a model's figures of codecs.

#include "results/statistics/estimate.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone::test {

struct ModelFigures {
    double bits = 8;
    double kld = 0.01, kld_low = 0.01, kld_high = 0.01;
    double speed = 100, speed_low = 100, speed_high = 100;
    double read = 1;
};

inline Cell model_cell(std::string const& codec, std::uint64_t context = 1024, std::string const& protocol = "decode") {
    auto c = cell(codec, context);
    c.workload = "model";
    c.options = {{"protocol", protocol}};
    c.source = {{"kind", "model"}, {"sha256", "aa11"}, {"text_sha256", "bb22"}};
    c.id = fmt::format("{:0>16}", fmt::format("{}{}{}", codec, context, protocol));
    return c;
}

/// Items behind the cache of model_cell().
inline Cell tasks_cell(std::string const& codec, std::uint64_t context = 768, std::string const& task = "key_value",
                       std::string const& protocol = "decode") {
    auto c = model_cell(codec, context, protocol);
    c.workload = "tasks";
    c.options = {{"protocol", protocol}, {"task", task}};
    c.id = fmt::format("{:0>16}", fmt::format("{}{}{}{}", codec, context, protocol, task));
    return c;
}

inline Measurement tasks_measurement(Cell const& c, std::string const& metric, Estimate const& figure,
                                     double read = 1) {
    auto m = measurement(c);
    m.figures = {{"kv", "bits_per_value", 8, 1, {}, {}},
                 {"kv", metric, figure.value, 72, figure.low, figure.high},
                 {"kv", "compressed_read_fraction", read, 72, {}, {}}};
    m.samples.clear();
    m.profiles.clear();
    return m;
}

inline Measurement model_measurement(Cell const& c, ModelFigures const& f) {
    auto m = measurement(c);
    m.figures = {{"kv", "bits_per_value", f.bits, 1, {}, {}},
                 {"kv", "kld_mean", f.kld, 2044, f.kld_low, f.kld_high},
                 {"kv", "decode_tokens_per_s", f.speed, 8, f.speed_low, f.speed_high},
                 {"kv", "compressed_read_fraction", f.read, 2044, {}, {}}};
    m.samples.clear();
    m.profiles.clear();
    return m;
}

}  // namespace kvstone::test
