// `kvstone check-codec`: whether a shared library or a command keeps the rules for codecs from outside.

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/cli.hpp"
#include "harness/external/codec_checks.hpp"
#include "harness/external/external_codecs.hpp"
#include "results/record/file_descriptor.hpp"
#include "results/record/text_table.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/own_program.hpp"

namespace kvstone {
namespace {

struct CheckCodecOptions {
    std::vector<std::string> what;
    std::vector<std::string> options;
    double timeout_s = 20;
    bool verbose = false;
};

bool is_library(std::string const& name) { return name.ends_with(".so") || name.find(".so.") != std::string::npos; }

/// A library's file; a name without a folder is also that of one that ships with KVstone, as in scenarios.
std::string library_meant(std::string const& name) {
    if (std::filesystem::is_regular_file(name)) return std::filesystem::absolute(name).string();
    bool const bare = name.find('/') == std::string::npos;
    if (auto const shipped = shipped_library(name); bare && std::filesystem::is_regular_file(shipped))
        return shipped.string();
    throw ConfigError(bare ? fmt::format("there is no such library here, and none ships with KVstone in {}",
                                         shipped_library(name).parent_path().string())
                           : "there is no such library",
                      name);
}

/// A file of this folder is started by its path, and a script without permission by its interpreter: both are easily forgotten.
void expect_program(std::string const& name) {
    if (!std::filesystem::is_regular_file(name)) return;
    bool const starts = access(name.c_str(), X_OK) == 0;
    if (starts && name.find('/') != std::string::npos) return;
    auto const words = starts ? "./" + name : name.ends_with(".py") ? "python3 " + name : "INTERPRETER " + name;
    throw ConfigError("this file is no library, and no command starts it by this name", name,
                      {"kvstone check-codec -- " + words});
}

ExternalDefinition definition_of(CheckCodecOptions const& given) {
    ExternalDefinition definition;
    definition.name = std::filesystem::path(given.what.back()).filename().string();
    definition.folder = std::filesystem::current_path().string();
    definition.kind = given.what.size() == 1 && is_library(given.what[0]) ? "library" : "command";
    if (definition.kind == "command") {
        if (!given.options.empty())
            throw ConfigError("--options are a library's; a command has arguments", {}, {"-- COMMAND ARGUMENT..."});
        definition.name = std::filesystem::path(given.what[0]).filename().string();
        definition.command = given.what;
        expect_program(given.what[0]);
        return definition;
    }
    definition.library = library_meant(given.what[0]);
    for (auto const& option : given.options) {
        auto const sign = option.find('=');
        if (sign == std::string::npos || sign == 0) throw ConfigError("--options expects KEY=VALUE", option);
        if (!definition.options.emplace(option.substr(0, sign), option.substr(sign + 1)).second)
            throw ConfigError("--options has this key twice", option.substr(0, sign));
    }
    return definition;
}

/// Standard error goes nowhere as long as this object lives: a codec may have a word for each of hundreds of broken inputs.
class Silence {
  public:
    explicit Silence(bool wanted) : kept_(wanted ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10) : -1) {
        FileDescriptor const nothing(wanted ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1);
        if (wanted) dup2(nothing.get(), STDERR_FILENO);
    }
    ~Silence() {
        if (kept_.is_open()) dup2(kept_.get(), STDERR_FILENO);
    }

  private:
    FileDescriptor kept_;
};

char const* word_of(CodecCheck::Result result) {
    if (result == CodecCheck::Result::fact) return "fact";
    return result == CodecCheck::Result::pass ? "pass" : "FAIL";
}

ExitCode check(CheckCodecOptions const& given, bool json) {
    auto const definition = definition_of(given);
    auto const make = [&](int threads) {
        // As an attempt says it to the codec's processes.
        setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
        auto const limit =
            std::chrono::duration_cast<Deadline::duration>(std::chrono::duration<double>(given.timeout_s));
        auto const deadline = std::chrono::steady_clock::now() + limit;
        return definition.kind == "library" ? make_library_codec(definition, deadline)
                                            : make_command_codec(definition, deadline);
    };
    std::vector<CodecCheck> checks;
    {
        Silence const silence(!given.verbose);
        checks = check_codec(make);
    }
    bool failed = false;
    for (auto const& one : checks) failed = failed || one.result == CodecCheck::Result::fail;
    if (json) {
        Json all{{"codec", definition.name}, {"kind", definition.kind}, {"checks", Json::array()}};
        for (auto const& one : checks)
            all["checks"].push_back({{"check", one.name}, {"result", word_of(one.result)}, {"detail", one.detail}});
        std::cout << all.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    } else {
        TextTable table({{"", false}, {"check", false}, {"detail", false}});
        for (auto const& one : checks) table.add({word_of(one.result), one.name, one.detail});
        table.print(std::cout, standard_output());
    }
    if (checks.size() == 1) return exit_bad_input;  // it does not start
    return failed ? exit_regression : exit_pass;
}

}  // namespace

void add_check_codec(CommandLine& line) {
    auto options = std::make_shared<CheckCodecOptions>();
    auto* command = line.verb(
        "check-codec",
        "Check a codec in a shared library, or a command: values of many kinds, determinism, broken bytes. Exit code "
        "1: "
        "a check failed; 2: it does not start",
        {"kvstone check-codec ./libtheirs.so --options bits=4", "kvstone check-codec -- python3 mine.py --bits 3"});
    command->add_option("codec", options->what, "A shared library (NAME.so), or behind -- a command with its arguments")
        ->required();
    command->add_option("--options", options->options, "An option of the library, KEY=VALUE; repeated: several");
    command->add_option("--timeout", options->timeout_s, "Seconds for each check")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();
    command->add_flag("--verbose", options->verbose, "Let through what the codec says on standard error");
    command->callback([&line, options] { line.action = [&line, options] { return check(*options, line.json); }; });
}

}  // namespace kvstone
