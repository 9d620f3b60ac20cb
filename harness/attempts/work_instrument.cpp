#include "harness/attempts/work_instrument.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/kernels/simd_target.hpp"
#include "harness/attempts/attempt.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

namespace fs = std::filesystem;

constexpr char const* file_prefix = "counts";
constexpr char const* best_units = "avx2";  // callgrind's processor has no AVX-512
constexpr std::size_t environment_bytes = 16384;
constexpr char const* padding_variable = "KVSTONE_LAUNCH";
constexpr double version_timeout_s = 60;

/// Caches of no processor in particular: a core's share of the last level is smaller than the tensors of a sample.
constexpr std::array options{"--tool=callgrind",    "--quiet",           "--vgdb=no",        "--dump-line=no",
                             "--trace-children=no", "--cache-sim=yes",   "--branch-sim=yes", "--I1=32768,8,64",
                             "--D1=32768,8,64",     "--LL=1048576,16,64"};

std::string valgrind_in_path() {
    char const* const path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');)
        if (auto const file = fs::path(folder) / "valgrind";
            access(file.c_str(), X_OK) == 0 && fs::is_regular_file(file))
            return file.string();
    throw ConfigError("instructions are counted by valgrind, which is not in PATH (Debian: apt-get install valgrind)",
                      "measure.work", {"off"});
}

/// Lets the environment and the arguments of a program take as many bytes as everywhere: they lie at the end of its stack, whose
/// beginning decides where everything on it lies in a cache.
void pad(ChildCommand& command) {
    auto& padding = command.environment[padding_variable];
    padding.clear();
    std::size_t bytes = 0;
    constexpr std::size_t pointer = sizeof(char*);  // each text has one beside it
    for (auto const& [name, value] : command.environment) bytes += name.size() + value.size() + 2 + pointer;
    for (auto const& argument : command.arguments) bytes += argument.size() + 1 + pointer;
    bytes += command.arguments.front().size();  // the kernel tells the program's path once more
    if (bytes < environment_bytes) padding.assign(environment_bytes - bytes, 'x');
}

/// "(12) name" of callgrind, which names each function once and then by its number.
class Names {
  public:
    std::string const& of(std::string const& text) {
        auto const end = text.find(')');
        if (!text.starts_with('(') || end == std::string::npos) return names_[text] = text;
        auto& name = names_[text.substr(0, end + 1)];
        if (end + 2 < text.size()) name = text.substr(end + 2);
        return name;
    }

  private:
    std::map<std::string, std::string> names_;
};

/// Costs by the file's own order of events.
class Events {
  public:
    explicit Events(std::string const& names) {
        std::istringstream words(names);
        for (std::string name; words >> name;) names_.push_back(name);
    }
    double sum(std::string const& costs, std::initializer_list<std::string_view> wanted) const {
        std::istringstream numbers(costs);
        double value = 0, sum = 0;
        for (auto const& name : names_)
            if (numbers >> value && std::ranges::find(wanted, name) != wanted.end()) sum += value;
        return sum;
    }

  private:
    std::vector<std::string> names_;
};

CountedPass pass_named(std::string const& text) {
    CountedPass pass;
    std::istringstream words(text);
    words >> pass.pass >> pass.component >> pass.values;
    return pass;
}

bool after(std::string const& line, std::string_view start, std::string& rest) {
    if (!line.starts_with(start)) return false;
    rest = line.substr(start.size());
    return true;
}

void add_figures(WorkCounts const& sum, Measurement& measurement) {
    auto const values = static_cast<double>(sum.pass.values);
    for (auto const& [what, count] : {std::pair{"instructions", sum.instructions},
                                      {"l1_misses", sum.l1_misses},
                                      {"last_level_misses", sum.last_level_misses},
                                      {"branch_misses", sum.branch_misses}})
        measurement.figures.push_back(
            {sum.pass.component, fmt::format("{}_{}", sum.pass.pass, what), count / values, 1, {}, {}});
}

}  // namespace

std::string counted_pass_name(CountedPass const& pass) {
    return fmt::format("{} {} {}", pass.pass, pass.component, pass.values);
}

WorkCounts read_callgrind(std::string const& text) {
    WorkCounts counts;
    Events events("");
    Names names;
    std::map<std::string, double> functions;
    std::string function, rest;
    bool calls = false, whole = false;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (after(line, "creator: ", rest)) {
            counts.instrument = rest;
        } else if (after(line, "desc: Trigger: Client Request: ", rest)) {
            counts.pass = pass_named(rest);
        } else if (after(line, "events: ", rest)) {
            events = Events(rest);
        } else if (after(line, "fn=", rest)) {
            function = names.of(rest);
        } else if (after(line, "cfn=", rest)) {
            names.of(rest);
        } else if (line.starts_with("calls=")) {
            calls = true;  // the next line has the costs of the called function, its callees' among them
        } else if (after(line, "totals: ", rest)) {
            whole = true;
            counts.instructions = events.sum(rest, {"Ir"});
            counts.l1_misses = events.sum(rest, {"D1mr", "D1mw"});
            counts.last_level_misses = events.sum(rest, {"ILmr", "DLmr", "DLmw"});
            counts.branch_misses = events.sum(rest, {"Bcm", "Bim"});
        } else if (!line.empty() && std::string_view("0123456789+-*").find(line[0]) != std::string_view::npos) {
            auto const space = line.find(' ');
            if (!calls && space != std::string::npos) functions[function] += events.sum(line.substr(space), {"Ir"});
            calls = false;
        }
    }
    if (!whole || counts.instrument.empty()) throw CorruptData("no counts of callgrind");
    counts.functions.assign(functions.begin(), functions.end());
    std::ranges::stable_sort(counts.functions, std::greater(), &std::pair<std::string, double>::second);
    return counts;
}

WorkInstrument::WorkInstrument() : valgrind_(valgrind_in_path()) {
    auto name = (fs::temp_directory_path() / "kvstone-work-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw SystemError(name + ": cannot be made", errno);
    folder_ = name;
}

WorkInstrument::~WorkInstrument() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void WorkInstrument::surround(ChildCommand& command, bool start) {
    program_ = command.arguments.front();
    command.data_bytes = 0;  // the instrument's own memory is not the attempt's
    command.environment["OMP_NUM_THREADS"] = "1";
    command.environment["OMP_PROC_BIND"] = "false";
    if (auto const units = counted_vector_units(simd_target()); units != simd_target())
        command.environment[simd_variable] = units;
    pad(command);
    std::vector<std::string> words{valgrind_};
    words.insert(words.end(), options.begin(), options.end());
    if (!start) words.emplace_back("--instr-atstart=no");
    words.push_back("--callgrind-out-file=" + (folder_ / file_prefix).string());
    command.arguments.insert(command.arguments.begin(), words.begin(), words.end());
}

void WorkInstrument::add_counts(Measurement& measurement) const {
    constexpr double least_share = 0.0005;  // of a pass: smaller functions are not named
    std::map<std::string, WorkCounts> both;
    std::size_t parts = 0;
    std::vector<fs::path> paths;
    for (auto const& entry : fs::directory_iterator(folder_)) paths.push_back(entry.path());
    std::ranges::sort(paths);
    for (auto const& path : paths) {
        std::ifstream file(path);
        auto counts = read_callgrind({std::istreambuf_iterator<char>(file), {}});
        if (counts.pass.values == 0) continue;  // the rest of the process
        auto const add = [&](char const* metric, double value) {
            measurement.figures.push_back({"kv", metric, value, 1, {}, {}});
        };
        if (counts.pass.pass == start_pass) {
            if (counts.instructions > 0) add("start_instructions", counts.instructions);
            add("program_bytes", static_cast<double>(fs::file_size(program_)));
            continue;
        }
        ++parts;
        measurement.host["instrument"] = counts.instrument;
        add_figures(counts, measurement);
        for (auto const& [function, instructions] : counts.functions)
            if (instructions > least_share * counts.instructions)
                measurement.functions.push_back({counts.pass.component, counts.pass.pass, function,
                                                 instructions / static_cast<double>(counts.pass.values)});
        auto& sum = both[counts.pass.pass];
        sum.pass = {counts.pass.pass, "kv", sum.pass.values + counts.pass.values};
        sum.instructions += counts.instructions;
        sum.l1_misses += counts.l1_misses;
        sum.last_level_misses += counts.last_level_misses;
        sum.branch_misses += counts.branch_misses;
    }
    if (parts == 0) throw CorruptData("the instrument wrote no counts");
    if (parts > both.size())  // of K and of V
        for (auto const& [pass, sum] : both) add_figures(sum, measurement);
}

std::string instrument_text(std::string const& version, WorkSample const& sample) {
    return fmt::format("{}, {} layers, {} tokens", version, sample.layers, sample.tokens);
}

std::string instrument_of_attempts(Spawner& spawner, WorkSample const& sample) {
    ChildCommand command;
    command.arguments = {"/bin/sh", "-c", "exec \"$0\" --version >&3", valgrind_in_path()};
    command.timeout_s = version_timeout_s;
    auto version = spawner.run(command).output;
    while (version.ends_with('\n')) version.pop_back();
    constexpr std::string_view before = "valgrind-";
    if (!version.starts_with(before)) throw SystemError(command.arguments.back() + " does not say its version");
    return instrument_text("callgrind-" + version.substr(before.size()), sample);
}

std::string counted_vector_units(std::string const& vector_units) {
    auto const targets = simd_targets();
    auto const place = [&](std::string const& name) { return std::ranges::find(targets, name); };
    return place(best_units) != targets.end() && place(vector_units) < place(best_units) ? best_units : vector_units;
}

}  // namespace kvstone
