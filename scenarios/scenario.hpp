#pragma once
// A YAML file, validated (Scenario) and expanded (Plan).

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/cell.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// Which node times a cell.
enum class Placement : std::uint8_t {
    any,     ///< any node that is free
    pinned,  ///< the node that measured it before, while it is there: histories then compare like with like
};

/// How cells are measured; no part of a cell's identity.
/// The part of a cell's tensors on which instructions are counted: under an instrument every one of them takes fifty times as
/// long.
struct WorkSample {
    std::uint64_t layers = 1;    ///< the first ones, at most
    std::uint64_t tokens = 512;  ///< the same
    bool start = false;          ///< count the start of the attempt's process as well
    bool operator==(WorkSample const&) const = default;
};

struct Measure {
    double min_time_s = 0.3;               ///< measured time per pass kind, at least
    std::optional<double> warm_up_s = {};  ///< untimed passes before them; empty: see warm_up()
    int repetitions = 5;                   ///< passes at least; 1 is legal
    int processes = 1;                     ///< fresh processes per cell: the sampling unit of a timing verdict
    double timeout_s = 600;                ///< per attempt
    std::uint64_t memory_bytes = 0;        ///< per attempt; 0: no limit
    bool timing = true;                    ///< off: cells may share a node, and speed metrics are left out
    bool quality = true;                   ///< off: timings alone; values are neither judged nor verified
    Placement placement = Placement::any;
    std::optional<WorkSample> work = {};  ///< instructions are counted, by callgrind; nothing else is measured
    bool energy = false;                  ///< timed passes are repeated for their energy, where the machine tells it
    /// Seconds; by default 0.2, but no more than min_time_s: caches need that long to settle.
    double warm_up() const { return warm_up_s.value_or(std::min(min_time_s, 0.2)); }
    bool operator==(Measure const&) const = default;
};
Json to_json(Measure const& measure);
Measure measure_from_json(Json const& json);

/// An option of a workload.
struct WorkloadOption {
    /// A file is identified by its SHA-256; WorkloadEntry has its path. Bytes are a number of bytes, a duration is in
    /// seconds.
    enum class Kind : std::uint8_t { choice, tokens, number, real, bytes, duration, text, file };
    std::string name;
    Kind kind = Kind::choice;
    Json by_default;                   ///< null: it must be given
    std::vector<std::string> choices;  ///< of a choice
    std::uint64_t least = 0;           ///< of tokens, numbers and reals
    std::uint64_t most = 0;
    std::string summary;
};

/// The longest context that something can have, and why.
struct ContextLimit {
    std::uint64_t tokens = 0;
    std::string why;
};

/// Names that a scenario may use, which the composition root knows and this folder must not.
struct Vocabulary {
    /// Canonical text of a codec text; throws ConfigError (without place).
    std::function<std::string(std::string const&)> canonical_codec;
    /// Names of stages and presets, which a codec of `codecs:` cannot have.
    std::vector<std::string> codec_names;
    std::vector<std::string> workloads;
    std::map<std::string, std::vector<WorkloadOption>> workload_options;  ///< of workloads that have any
    std::vector<std::string> capture_readers;  ///< workloads that read the source's K and V of the whole context
    std::vector<std::string> query_readers;    ///< those of them that read its queries, too
    /// For workloads whose figures depend on a part of the codec: that part. Cells that agree in this part and in
    /// everything but their codec are planned once.
    std::map<std::string, std::function<std::string(std::string const& codec)>> measured_of_codec;
    /// Reads the options of a workload and the files that they name, locator {"files":{OPTION:PATH}}, and throws
    /// ConfigError where the workload could not run with them; empty: nothing is checked.
    std::function<void(std::string const& workload, Json const& options, Json const& locator)> check_workload;
    /// Reads a dump, source and locator as in Cell, and throws ConfigError where its arrays differ from the source's
    /// description; broken content is found later, when a cell is measured. Empty: nothing is checked.
    std::function<void(Json const& source, Json const& locator)> check_dump;
    /// The longest context that a cell's source can have under its workload; nothing: any, or it is not known. None: any.
    /// A context that is too long for all of the plan's cells is refused; other cells are left to their attempts.
    std::function<std::optional<ContextLimit>(Cell const& cell)> longest_context;
    /// Throws ConfigError where a codec must not be measured on a source, as Cell has them; none: any may.
    std::function<void(std::string const& codec, Json const& source)> check_codec;
    std::vector<std::string> backends;
    std::vector<std::string> shapes;         ///< of synthetic sources
    std::vector<std::string> distributions;  ///< of synthetic sources
    /// Shape facts and defaults of a synthetic shape: {"layers":32,"heads":32,"kv_heads":8,"head_dim":128,["latent":N,
    /// "query_dim":N]}; a name with the ending ".json" is the path of a model's config.json. Throws ConfigError
    /// (without place).
    std::function<Json(std::string const&)> shape;
    /// RoPE of a model's config.json, as Cell::source of a dump has it. Throws ConfigError (without place). Empty: no
    /// config.json can be read.
    std::function<Json(std::string const&)> rope;
    std::vector<std::string> metrics;  ///< of published figures; empty: any name is accepted
    /// Path of a built-in file ("tiny" model, "builtin" text), or empty where there is none.
    std::function<std::string(std::string const&)> builtin_path;
    /// Path of a model that is fetched on request, by its name; empty where no model has this name. Throws ConfigError
    /// (without place) where it has not been fetched. Empty function: there are no such models.
    std::function<std::string(std::string const&)> fetched_model;
};

/// A figure that a study published, to be shown beside ours.
struct Published {
    Json match;  ///< cells that it is about, see matches()
    std::string component;
    std::string metric;
    double value = 0;
    std::string setting;                ///< the study's own circumstances
    std::string comparable;             ///< whether ours is the same experiment: "exact", "shape" (of the data) or "no"
    std::string relation = "equals";    ///< what the study claims: "equals", "at_least" or "at_most" the value
    std::optional<double> within = {};  ///< the largest difference that counts as equal; default: 1% of the value
    double tolerance() const;
};

/// A rule that a figure of ours passes or fails.
struct Target {
    Json match;  ///< cells that it judges, see matches()
    std::string component;
    std::string metric;
    std::optional<double> at_least;
    std::optional<double> at_most;
    std::string origin;  ///< the study or person that asks for it
};

/// True where the cell has, for each member that `match` names, its value or one of its values. Members are source (by
/// display name), context, codec (by canonical text or display name), backend, batch, page, threads, workload (by name,
/// or {NAME: {option: value}} for cells with these options, null for the default) and protocol (an option of
/// workloads).
bool matches(Json const& match, Cell const& cell);

struct Plan {
    std::string scenario;  ///< its name
    std::vector<Cell> cells;
    Measure measure;
    std::vector<Published> published;
    std::vector<Target> targets;
    std::vector<std::string> require;  ///< ids of cells that must not be skipped
    /// 16 hexadecimal digits over the sorted cell ids and the measure settings.
    std::string hash;
};

/// Options of one `kvstone run`: --set key=value (dotted keys into the scenario), --only (words: one that names a part
/// of the scenario selects the part's cells, any other the cells whose canonical text, codec name, source name or id
/// contains it).
struct PlanOptions {
    std::vector<std::pair<std::string, std::string>> set;
    std::vector<std::string> only;
};

/// Reads, validates and expands. Cells come in the order source, context, codec, backend, batch, page, threads, workload,
/// each axis in the file's order and the last varying fastest; no cell comes twice. Source files are found and hashed.
/// Throws ConfigError with file, line and column, or "--set KEY" for a value of that option; nothing is created.
///
///   kvstone: 1                     # required, like sources, grid.codec and workloads
///   name: TEXT                     # default: the file's name without .yaml
///   sources: [...]                 # see source_entry.hpp
///   grid: {context: [512, 32k, all], codec: [...], backend: [openmp], batch: [1], page: [16], threads: [all]}  # codec_entry.hpp
///   codecs: {mine: {command: [python3, mine.py], files: [mine.py]}}  # see external_definition.hpp
///   workloads: [roundtrip, {model: {protocol: context}}]                                  # see workload_entry.hpp
///   measure: {...}                 # see measure.hpp
///   exclude: [{codec: raw, context: [512, 2048]}, ...]   # cells that any of these partial matches takes are left out
///   require: [{backend: cuda}, ...]                      # cells that must not be skipped, as partial matches
///   parts: {quick: [{context: 512}, ...], ...} # `--only quick` selects the cells that any of the matches takes
///    published: [{match: {...}, component: k, metric: mae, value: 0.1, within: 2%, setting: TEXT, comparable: exact},
///    ...]
///              # at_least or at_most in place of value, where the study gives a bound; within: a number, or a share
///              # of the value (default 1%: state your own for figures that are all near 1)
///   targets: [{match: {...}, component: k, metric: cosine, at_least: 0.9999, at_most: 1, from: TEXT}, ...]
///              # judged pass or fail beside the figures; a failing one does not make the run fail
Plan load_plan(std::string const& path, Vocabulary const& vocabulary, PlanOptions const& options = {});
/// The same from a text; `name` stands for the file in errors, and relative paths start at `folder`.
Plan parse_plan(std::string const& yaml, std::string const& name, std::string const& folder,
                Vocabulary const& vocabulary, PlanOptions const& options = {});

}  // namespace kvstone
