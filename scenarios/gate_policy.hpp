#pragma once
// A gate's policy: the rules for a campaign, or for a commit beside its base.

#include <optional>
#include <string>
#include <vector>

#include "scenarios/cell.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// Cells that a rule is about: those that `match` takes and `except` does not, see matches(); empty maps take all and
/// none.
struct Selection {
    Json match = Json::object();
    Json except = Json::object();
    bool takes(Cell const& cell) const;
};

/// One rule as text; results/verdict/rule.hpp has the grammar.
struct GateRule {
    std::string name;  ///< its text where it has no name of its own
    std::string text;
    Selection cells;
    std::string component;         ///< "k", "v" or "kv"; empty: kv where the cell has it, else each it has
    bool warns = false;            ///< a finding of this rule is reported and fails nothing
    std::optional<double> margin;  ///< of a timing; empty: the policy's
    std::vector<std::string>
        suspected_by;  ///< of a timing: rules about work; cells that keep all of them are not timed
    TextPlace place;
};

/// A trade that is not allowed: where `gain` got better by the share `by` or more, none of `not_with` may get worse by
/// more than the share `tolerance`.
struct JointRule {
    std::string name;
    std::string gain;
    double by = 0.05;
    std::vector<std::string> not_with;
    double tolerance = 0;
    Selection cells;
    TextPlace place;
};

/// A known exception, until it expires.
struct Waiver {
    std::string rule;  ///< name of a rule; empty: all
    Selection cells;
    std::string until;  ///< the last day it holds, "2026-12-31" (UTC)
    std::string reason;
};

/// Cells that have to be there and ok.
struct Coverage {
    bool all = true;                  ///< every cell that the campaign expects
    std::vector<Selection> at_least;  ///< each takes one ok cell or more
};

struct GatePolicy {
    std::string name;
    std::string path;
    std::string text;      ///< the file as it was read
    std::string base;      ///< the campaign that the head is compared with, as `compare` takes it; empty: none
    std::string scenario;  ///< the scenario that `--run` measures: a file beside the policy, or a shipped name
    std::vector<std::string> only;
    std::vector<std::string> set;    ///< "KEY=VALUE" into the scenario that `--run` measures
    std::string build;               ///< shell command that builds a checkout for `--base-ref`; empty: none
    std::string program;             ///< where the build command leaves kvstone, from the checkout
    double error_budget = 0.01;      ///< chance that any timing of identical builds fails
    double margin = 0.02;            ///< a slow-down of up to this share is no regression
    bool inconclusive_fails = true;  ///< exit code 3 where the only trouble is an inconclusive finding
    Coverage require;
    std::vector<GateRule> rules;
    std::vector<JointRule> joint;
    std::vector<Waiver> waivers;
};

/// Reads and validates a policy; throws ConfigError with file, line, key and the accepted values. Its keys:
///
///   gate: 1                        # version of the format; required, like rules
///   name: TEXT                     # default: the file's name without .yaml
///   base: main                     # a campaign, as for `compare`; --base wins
///   scenario: quickstart           # the scenario that --run measures
///   only: [WORD, ...]              # of its cells, as `run --only`
///   set: ["measure.min_time=50 ms"]   # into it, as `run --set`
///   build: {command: "./dev build release kvstone", program: PATH}   # for --base-ref
///   error_budget: 1%               # of all timings of a run together; with --nightly of all in a year
///   margin: 2%
///   inconclusive: fail | warn
///   require: all | none | [MATCH, ...]
///   rules:
///     - relative_error_l1 <= 0.05  # a text, or a map:
///     - {rule: TEXT, name: TEXT, match: MATCH, except: MATCH, component: kv, level: fail | warn, margin: 2%,
///        suspected_by: [encode_instructions no worse than 1%]}
///   joint: [{name: TEXT, gain: decode_ns, by: 5%, not_with: [METRIC, ...], tolerance: 0.1%, match: MATCH, except: MATCH}]
///   waivers: [{rule: NAME, match: MATCH, except: MATCH, until: 2026-12-31, reason: TEXT}]
///
/// MATCH is a map of source, context, codec, backend, batch, page, threads, workload and protocol to a value or a list.
GatePolicy load_policy(std::string const& path);
GatePolicy parse_policy(std::string const& yaml, std::string const& path);

/// Leaves the rules of these names; others, and coverage, are dropped. Throws ConfigError where a name is unknown.
void keep_rules(GatePolicy& policy, std::vector<std::string> const& names);

}  // namespace kvstone
