// `kvstone size`: the bytes of a model's cache under codecs, and the sequences in a budget.

#include "harness/sizing/size.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "backends/backend.hpp"
#include "harness/cli/cli.hpp"
#include "harness/engine/gguf_cache.hpp"
#include "harness/sizing/studies.hpp"
#include "harness/sources/builtin.hpp"
#include "harness/sources/config_cache.hpp"
#include "harness/sources/data.hpp"
#include "harness/sources/known_models.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {
namespace {

struct SizeOptions {
    std::string model;
    std::string study;
    std::vector<std::string> codecs;
    std::vector<std::string> contexts;
    std::uint64_t batch = 1;
    std::uint64_t devices = 1;
    std::string budget;
    std::string elements = "f16";
    std::string state_elements = "f16";
};

ModelCache cache_named(std::string const& model) {
    if (model.ends_with(".json")) return read_config_cache(model);
    if (std::filesystem::is_directory(model)) return read_config_cache(model + "/config.json");
    if (model.ends_with(".gguf")) {
        if (!std::filesystem::is_regular_file(model)) throw ConfigError("there is no such model file", model);
        return read_gguf_cache(model);
    }
    auto const file = model == "tiny" ? builtin_path(model) : fetched_model(model);
    if (file.empty()) return known_model(model);
    auto cache = read_gguf_cache(file);
    cache.name = model;
    return cache;
}

SizeQuestion question_of(SizeOptions const& options) {
    SizeQuestion question;
    question.cache = cache_named(options.model);
    question.codecs = options.codecs.empty() ? std::vector<std::string>{"fp16"} : options.codecs;
    for (auto const& context : options.contexts) {
        auto const value = scalar_of("--context", context);
        question.contexts.push_back(tokens_of(value));
        if (question.contexts.back() == 0) refuse(value, "expected a number of tokens", {"512", "32k"});
    }
    if (question.contexts.empty()) {
        if (question.cache.max_tokens == 0)
            throw ConfigError("--context is missing, and the model does not state a number of tokens", {}, {"8k"});
        question.contexts.push_back(question.cache.max_tokens);
    }
    question.batch = options.batch;
    question.devices = options.devices;
    question.elements = options.elements == "f32" ? ElementType::f32 : ElementType::f16;
    question.state_value_bytes = options.state_elements == "f32" ? 4 : 2;
    if (!options.budget.empty()) question.budget_bytes = bytes_of(scalar_of("--budget", options.budget));
    return question;
}

ExitCode print_size(SizeOptions const& options, bool json) {
    BackendRuntime const runtime;
    if (!options.study.empty()) {
        auto const study = study_of(options.study);
        std::cout << (json ? study_json(study).dump(2) + "\n" : study_text(study, standard_output()));
        return exit_pass;
    }
    if (options.model.empty())
        throw ConfigError("no model", {}, {"a name (`kvstone list models`)", "FILE.gguf", "config.json", "--study"});
    auto const answer = size_of(question_of(options));
    std::cout << (json ? size_answer_json(answer).dump(2) + "\n" : size_answer_text(answer, standard_output()));
    // Nothing that was asked has an answer.
    bool const none = std::ranges::none_of(answer.rows, [](auto const& row) { return row.why_not.empty(); });
    return none ? exit_bad_input : exit_pass;
}

}  // namespace

void add_size(CommandLine& line) {
    auto options = std::make_shared<SizeOptions>();
    auto* command = line.verb("size",
                              "Bytes of a model's cache by codec, context and batch: growth, windows and state apart, "
                              "a device's share, and the sequences that a budget holds",
                              {"kvstone size llama-3.1-8b --codec fp16 --codec nf4 --context 32k",
                               "kvstone size model.gguf --batch 16 --budget '64 GiB'"});
    command->add_option("model", options->model,
                        "A name (`kvstone list models`), tiny, a model of ./dev data, a GGUF file, or a config.json");
    command->add_option("--codec", options->codecs, "Codec text or preset; repeated: several (default: fp16)");
    command->add_option(
        "--context", options->contexts,
        "Tokens of a sequence: 8192, 32k; repeated: several (default: as many as the model was made for)");
    command->add_option("--batch", options->batch, "Sequences of that length")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    command->add_option("--budget", options->budget, "Memory for caches, of each device: '64 GiB', '64 GB'");
    command->add_option("--tensor-parallel", options->devices, "Devices that share the heads of a layer")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    command->add_option("--elements", options->elements, "Type of K and V before a codec")
        ->check(CLI::IsMember({"f16", "f32"}))
        ->capture_default_str();
    command->add_option("--state-elements", options->state_elements, "Type of states, which no codec codes")
        ->check(CLI::IsMember({"f16", "f32"}))
        ->capture_default_str();
    command->add_option("--study", options->study, "In place of a model: a study's claims beside figures of its shape")
        ->check(CLI::IsMember(study_names()));
    command->callback([&line, options] { line.action = [&line, options] { return print_size(*options, line.json); }; });
}

}  // namespace kvstone
