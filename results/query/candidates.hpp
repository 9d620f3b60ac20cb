#pragma once
// A model's codecs, measured with the model in the loop, as the database has them.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "results/query/constraint.hpp"

namespace kvstone {

/// The newest row of a cell of workload tasks.
struct TaskRow {
    std::string cell;
    std::string title;                        ///< see task_title_sql()
    std::uint64_t context = 0;                ///< tokens compressed before the items, at least; 0: not asked for
    std::string reason;                       ///< a note for readers of its figures
    std::map<std::string, Estimate> figures;  ///< as of a candidate
};

/// The newest row of a cell of workload model.
struct Candidate {
    std::string cell;
    std::string codec;  ///< canonical text
    std::string codec_name;
    std::string sha256;            ///< of the model
    std::string reference_sha256;  ///< of the model whose answers are the measure; its own where the source names none
    std::string setting;           ///< equal for cells that differ in codec, backend and threads alone
    std::string measure;  ///< the same for cells that differ in the model's weights, too, but not in the reference
    std::string protocol;
    std::string options;        ///< of the workload, JSON
    std::uint64_t context = 0;  ///< tokens of the context; 0: not known
    std::uint64_t scored_tokens = 0;
    std::optional<std::uint64_t> passages;
    /// Layers, heads and values per head of K and of V; 0: not known.
    std::uint64_t layers = 0, heads = 0, k_dim = 0, v_dim = 0;
    std::optional<double> bits_per_value;
    Estimate kld;
    /// Figures of K and V together by metric: tails, kinds of tokens, and all others of its row.
    std::map<std::string, Estimate> figures;
    /// Rows of workload tasks with the same cache (same_cache_sql()), of any task and context; those left out are not here.
    std::vector<TaskRow> tasks;
    std::optional<std::uint64_t> weights_bytes, compute_bytes;
    std::string left_out;  ///< why it may not be chosen: its status, or not_engaged; empty: it may be
    std::string reason;    ///< a note for readers of its figures
};

/// For every cell of workload model whose source is the model with this SHA-256, or, where it is empty, with this
/// `name`: its newest row that is not missing. Throws as read_peers(), and ConfigError where several models have the
/// name.
std::vector<Candidate> candidates(Store const& store, std::string const& sha256, std::string const& name);

/// Constraint::bounding_end(), or the value where nothing states how sure the figure is.
double deciding_end(Constraint const& constraint, Estimate const& figure);
/// Whether the deciding end of `a` is farther on the wrong side than that of `b`.
bool is_worse(Constraint const& constraint, Estimate const& a, Estimate const& b);

/// The figure that a constraint is about.
struct BoundedFigure {
    Estimate figure;
    TaskRow const* task = nullptr;  ///< the row that has it; null: the candidate itself
    std::size_t rows = 1;           ///< that have it
};

/// The candidate's own figure; where it has none, the worst of its rows of workload tasks: one whose error is unknown, else
/// the one whose deciding end is. Nothing where none of them has it.
std::optional<BoundedFigure> figure_for(Candidate const& candidate, Constraint const& bound);

/// Percentile intervals of fewer passages are known to be too narrow. The doubt in words; empty where there are enough.
inline constexpr std::uint64_t passages_for_an_interval = 10;
std::string doubt_of_passages(std::uint64_t passages);

/// Names of the models that workload model has measured.
std::vector<std::string> measured_models(Store const& store);

/// The candidates that can be compared: of one protocol (given, or else the first of decode, context and inline that
/// has any that may be chosen), of one text and setting, and of the context nearest to `context`: the same, else the
/// longest that is shorter, else the shortest. Of several settings, the one with the most candidates that may be
/// chosen.
std::vector<Candidate> comparable(std::vector<Candidate> const& all, std::string const& protocol,
                                  std::uint64_t context);

}  // namespace kvstone
