// `kvstone choose`: the codec for a model, a context and a bound on the model's loss.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/backend.hpp"
#include "harness/choice/choice.hpp"
#include "harness/choice/lacking.hpp"
#include "harness/choice/weights_choice.hpp"
#include "harness/cli/cli.hpp"
#include "harness/engine/gguf_cache.hpp"
#include "harness/sources/builtin.hpp"
#include "harness/sources/data.hpp"
#include "results/record/metrics.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/source_entry.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {
namespace {

struct ChooseOptions {
    std::string model;
    std::vector<std::string> models;
    std::uint64_t sequences = 1;
    std::string context;
    double max_kld = 0;
    std::optional<double> max_kld_p999;
    std::string also;
    std::string memory;
    std::string budget;
    std::string trace;
    std::string protocol;
};

/// The file of a model that is known by name; empty where none is, or it has not been fetched.
std::string file_of_named(std::string const& model) {
    if (model.starts_with("tiny")) return builtin_path(model);
    try {
        return fetched_model(model);
    } catch (ConfigError const&) {
        return {};  // a database may know it all the same
    }
}

std::uint64_t context_of(ChooseOptions const& options) {
    auto const context = scalar_of("--context", options.context);
    auto const tokens = tokens_of(context);
    if (tokens == 0) refuse(context, "expected a number of tokens", {"512", "32k"});
    return tokens;
}

Bounds bounds_of(ChooseOptions const& options) {
    if (!(options.max_kld >= 0))
        throw ConfigError("--max-kld: expected nats, 0 or more", fmt::format("{}", options.max_kld));
    if (options.max_kld_p999 && !(*options.max_kld_p999 >= 0))
        throw ConfigError("--max-kld-p999: expected nats, 0 or more", fmt::format("{}", *options.max_kld_p999));
    Bounds bounds{options.max_kld, {}};
    if (options.max_kld_p999) bounds.others.push_back({"kld_p999", true, false, *options.max_kld_p999});
    if (!options.also.empty()) std::ranges::move(parse_constraints(options.also), std::back_inserter(bounds.others));
    for (auto const& bound : bounds.others)
        if (is_speed(*find_metric(bound.metric)))
            throw ConfigError("--also: bounds of speeds are those of `kvstone show --best`", bound.metric);
    return bounds;
}

Question question_of(ChooseOptions const& options) {
    Question question;
    question.model = options.model;
    if (auto const named = file_of_named(options.model); !named.empty())
        question.gguf = named;
    else if (std::filesystem::is_regular_file(options.model))
        question.gguf = options.model;
    else if (options.model.ends_with(".gguf") || options.model.find('/') != std::string::npos)
        throw ConfigError("there is no such model file", options.model);
    question.context = context_of(options);
    question.bounds = bounds_of(options);
    if (!options.memory.empty()) question.memory_bytes = bytes_of(scalar_of("--memory", options.memory));
    if (!options.budget.empty()) question.budget_bytes = bytes_of(scalar_of("--budget", options.budget));
    question.trace = options.trace;
    if (!question.trace.empty() && !std::filesystem::is_regular_file(question.trace))
        throw ConfigError("--trace: there is no such file", question.trace);
    if (!question.trace.empty() && !question.budget_bytes)
        throw ConfigError("--trace: the hits of a cache depend on its size", question.trace, {"--budget '64 GiB'"});
    return question;
}

/// Empty where there is no file.
std::string hash_of_model(std::string const& gguf) {
    try {
        return gguf.empty() ? std::string() : named_hash(gguf);
    } catch (SystemError const& error) {
        throw ConfigError(fmt::format("the model cannot be read: {}", error.what()), gguf);
    }
}

/// The command that has to be run for an answer.
std::string command_for(Question const& question, CacheShape const* shape, std::string const& database) {
    auto context = question.context;
    if (shape != nullptr && shape->trained_tokens != 0) context = std::min(context, shape->trained_tokens / 2);
    auto command = fmt::format("kvstone run model-quality --db {} --set 'grid.context=[{}]'", database, context);
    if (question.model == "tiny") return command;
    auto gguf = question.gguf.empty() ? "FILE.gguf" : std::filesystem::absolute(question.gguf).string();
    if (auto const names = model_names(); std::ranges::find(names, question.model) != names.end())
        gguf = question.model;
    return command + fmt::format(" --set sources.0.model.gguf={} --set sources.0.model.text=FILE", gguf);
}

/// Says that nothing was measured, and the command that does it.
ExitCode lacking(CommandLine const& line, std::string const& what, std::string const& command, Json answer) {
    if (line.json) {
        answer.update({{"chosen", nullptr}, {"lacking", what}, {"run", command}});
        std::cout << answer.dump(2) << '\n';
    } else {
        print_words(what + ". Measure first:"), std::cout << "  " << command << '\n';
    }
    return exit_missing_cells;
}

/// As the rows of the database have it.
CacheShape stored_shape(std::vector<Candidate> const& all) {
    for (auto const& one : all)
        if (one.layers != 0) return {one.layers, one.heads, one.k_dim, one.v_dim, 0};
    throw ConfigError("these rows lack the shape of the model's cache: give the GGUF file as --model");
}

ExitCode choose_codec(CommandLine const& line, ChooseOptions const& options) {
    auto const question = question_of(options);
    auto const model = hash_of_model(question.gguf);
    std::optional<CacheShape> shape;
    if (!question.gguf.empty()) shape = cache_shape_of(question.gguf);
    auto const nothing_measured = [&](std::string const& what) {
        auto const command = command_for(question, shape ? &*shape : nullptr, line.database);
        return lacking(line, what, command, {{"model", question.model}});
    };
    if (!std::filesystem::exists(line.database)) {
        if (question.gguf.empty()) fetched_model(question.model);  // tells what to fetch
        return nothing_measured(fmt::format("There is no database {}", line.database));
    }
    auto const store = Store::open_read_only(line.database);
    auto all = candidates(store, model, question.model);
    // The others tell of weights and codec together: --models asks about those.
    std::erase_if(all, [](Candidate const& one) { return one.reference_sha256 != one.sha256; });
    if (all.empty() && question.gguf.empty()) {
        fetched_model(question.model);
        throw ConfigError("neither a GGUF file nor a model that the database has measured", question.model,
                          measured_models(store));
    }
    auto const comparable_ones = comparable(all, options.protocol, question.context);
    if (std::ranges::none_of(comparable_ones, [](auto const& one) { return one.left_out.empty(); })) {
        std::vector<std::string> names;
        for (auto const& one : comparable_ones) names.push_back(fmt::format("{}: {}", one.codec_name, one.left_out));
        return nothing_measured(
            fmt::format("{} has no KLD of {}{}{}", line.database, question.model,
                        options.protocol.empty() ? "" : " with protocol " + options.protocol,
                        names.empty() ? "" : fmt::format(" to go by ({})", fmt::join(names, ", "))));
    }
    if (auto const metric = lacking_figure(comparable_ones, question.bounds); !metric.empty()) {
        auto const& protocol = comparable_ones.front().protocol;
        return lacking(line, lacking_text(line.database, metric, protocol, all),
                       command_for(question, shape ? &*shape : nullptr, line.database) + settings_for(metric, protocol),
                       {{"model", question.model}});
    }
    auto choice = choose(question, shape ? *shape : stored_shape(all), comparable_ones);
    if (question.budget_bytes) add_budget(choice);
    std::cout << (line.json ? choice_json(choice).dump(2) + "\n" : choice_text(choice, standard_output()));
    return choice.chosen() != nullptr ? exit_pass : exit_inconclusive;
}

/// The files that the arguments name, each once.
std::vector<WeightsFile> weights_files(ChooseOptions const& options) {
    std::vector<WeightsFile> files;
    for (auto const& argument : options.models) {
        std::vector<std::string> paths;
        if (auto const named = file_of_named(argument); !named.empty()) {
            paths.push_back(named);
        } else {
            auto const value = scalar_of("--models", argument);
            for (auto const& [item, path] : SourceFiles{}.matching(value)) paths.push_back(path);
        }
        for (auto const& path : paths) {
            if (!std::filesystem::is_regular_file(path)) throw ConfigError("--models: there is no such file", path);
            if (std::ranges::none_of(files, [&](auto const& one) { return one.path == path; }))
                files.push_back({path,
                                 std::filesystem::path(path).stem().string(),
                                 weights_type_of(path),
                                 cache_shape_of(path),
                                 {}});
        }
    }
    return files;
}

std::string command_for(std::vector<WeightsFile> const& files, ChooseOptions const& options,
                        std::string const& database) {
    std::vector<std::string> paths;
    for (auto const& file : files) paths.push_back(file.path);
    auto command = fmt::format("kvstone run what-fits --db {} --set 'grid.context=[{}]'", database, options.context);
    if (!options.protocol.empty()) command += " --set workloads.0.model.protocol=" + options.protocol;
    if (std::ranges::all_of(options.models, [](auto const& name) { return name.starts_with("tiny"); })) return command;
    return command +
           fmt::format(" --set 'sources.0.model={{gguf: [{}], reference: FILE, text: FILE}}'", fmt::join(paths, ", "));
}

ExitCode choose_pair(CommandLine const& line, ChooseOptions const& options) {
    WeightsQuestion question;
    question.context = context_of(options);
    question.bounds = bounds_of(options);
    question.sequences = options.sequences;
    if (!options.memory.empty()) question.memory_bytes = bytes_of(scalar_of("--memory", options.memory));
    if (!options.budget.empty() || !options.trace.empty())
        throw ConfigError("--budget and --trace are of one model's cache", "--models", {"--model"});
    auto files = weights_files(options);
    bool usable = false;
    if (std::filesystem::exists(line.database)) {
        auto const store = Store::open_read_only(line.database);
        for (auto& file : files) {
            file.candidates = candidates(store, hash_of_model(file.path), file.name);
            usable = usable || std::ranges::any_of(file.candidates, [&](auto const& one) {
                         return one.left_out.empty() && (options.protocol.empty() || one.protocol == options.protocol);
                     });
        }
    }
    if (!usable) {
        auto const what = fmt::format("{} has no KLD of these models{} to go by", line.database,
                                      options.protocol.empty() ? "" : " with protocol " + options.protocol);
        return lacking(line, what, command_for(files, options, line.database), Json::object());
    }
    auto const choice = choose_weights(question, files, options.protocol);
    std::vector<Candidate> rows;
    for (auto const& pair : choice.pairs) rows.push_back(pair.candidate);
    if (auto const metric = lacking_figure(rows, question.bounds); !metric.empty()) {
        auto const& protocol = rows.front().protocol;
        std::vector<Candidate> all;
        for (auto const& file : files) std::ranges::copy(file.candidates, std::back_inserter(all));
        return lacking(line, lacking_text(line.database, metric, protocol, all),
                       command_for(files, options, line.database) + settings_for(metric, protocol), Json::object());
    }
    std::cout << (line.json ? weights_choice_json(choice).dump(2) + "\n"
                            : weights_choice_text(choice, standard_output()));
    return choice.chosen ? exit_pass : exit_inconclusive;
}

}  // namespace

void add_choose(CommandLine& line) {
    auto options = std::make_shared<ChooseOptions>();
    auto* command = line.verb(
        "choose",
        "Choose the codec with the fewest bytes whose mean KLD stays below a bound, for a model and a "
        "context: with its bytes, its interval and the nearest settings of engines",
        {"kvstone choose --model tiny --context 512 --max-kld 0.01 --memory '40 GiB'",
         "kvstone choose --models tiny tiny-q8_0 --context 512 --sequences 4 --max-kld 0.1 --memory '8 MiB'"});
    auto* const model = command->add_option(
        "--model", options->model, "tiny, a model of ./dev data, a GGUF file, or the model's name in the database");
    auto* const models = command->add_option(
        "--models", options->models,
        "Files of one model's weights, or patterns: choose the pair of weights and codec with the smallest KLD to the "
        "reference model that fits --memory, and say where another pair becomes the best");
    model->excludes(models);
    command->add_option("--sequences", options->sequences, "With --models: sequences in the cache at once")
        ->needs(models)
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32));
    command->add_option("--context", options->context, "Tokens of a sequence: 8192, 32k")->required();
    command
        ->add_option("--max-kld", options->max_kld,
                     "The largest mean KLD in nat; the whole interval of a codec's KLD has to be below it")
        ->required();
    command->add_option(
        "--max-kld-p999", options->max_kld_p999,
        "The largest 99.9th percentile of the KLD in nat, likewise: of the few tokens that suffer most");
    command->add_option(
        "--also", options->also,
        "Further bounds on figures of the answers, those of workload tasks among them, as `show --best` takes them: "
        "'sure_top1_flips < 0.01 and recall_accuracy > 0.6'");
    command->add_option("--memory", options->memory, "Memory for caches, to count sequences: '40 GiB'");
    command->add_option("--budget", options->budget,
                        "Bytes of a cache of prefixes, to count its blocks and sequences for each codec: '64 GiB'");
    command->add_option(
        "--trace", options->trace,
        "Requests to that cache, to count hits under LRU: a file of Mooncake, of Qwen-Bailian or .yaml");
    command
        ->add_option("--protocol", options->protocol,
                     "context, inline or decode. Without this option: decode where it was measured")
        ->check(CLI::IsMember({"context", "inline", "decode"}));
    command->callback([&line, options] {
        if (options->model.empty() == options->models.empty()) throw CLI::RequiredError("--model or --models");
        line.action = [&line, options] {
            BackendRuntime const runtime;
            return options->models.empty() ? choose_codec(line, *options) : choose_pair(line, *options);
        };
    });
}

}  // namespace kvstone
