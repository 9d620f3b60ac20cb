#pragma once
// The axes of a plan, the cells they span, and partial matches on them.

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/codec_entry.hpp"
#include "scenarios/external_definition.hpp"
#include "scenarios/source_entry.hpp"
#include "scenarios/workload_entry.hpp"

namespace kvstone {

/// Values of each axis, each value once.
struct Axes {
    std::vector<SourceEntry> sources;
    std::vector<std::uint64_t> contexts;
    std::vector<CodecEntry> codecs;
    std::vector<std::string> backends;
    std::vector<std::uint64_t> batches;
    std::vector<std::uint64_t> pages;
    std::vector<int> threads;
    std::vector<WorkloadEntry> workloads;
    SourceFiles files = {};                          ///< folder of the files that the axes name
    std::vector<ExternalDefinition> externals = {};  ///< that codecs may name

    std::size_t cells() const;  ///< before exclusion; SIZE_MAX where there are more
};

/// Reads `grid:` into the axes; `threads` is the value in `measure:`, or null. Throws ConfigError.
void read_grid(Axes& axes, YamlValue const& grid, YamlValue const* threads, Vocabulary const& vocabulary);
int threads_of(YamlValue const& value);

/// A partial match as JSON, for matches(): each key of {source, context, codec, backend, batch, page, threads, workload,
/// protocol} with the value or the list of values it takes, sources by display name, codecs by canonical text (by display
/// name where the codec differs by source). Values that no axis has are refused. `before` has the axes before --set was
/// applied: values that only those have are left out, and nothing is refused for an axis that has no values in
/// `before`, since its values are then unknown.
Json match_of(YamlValue const& value, Axes const& axes, Vocabulary const& vocabulary, Axes const* before);

/// Which values of each axis a match takes, by index.
class AxisMatch {
  public:
    AxisMatch(Json const& match, Axes const& axes);
    bool takes(std::size_t source, std::size_t context, std::size_t codec, std::size_t backend, std::size_t batch,
               std::size_t page, std::size_t threads, std::size_t workload) const {
        return sources_[source] && contexts_[context] && codecs_[source][codec] && backends_[backend] &&
               batches_[batch] && pages_[page] && threads_[threads] && workloads_[workload];
    }

  private:
    std::vector<bool> sources_, contexts_, backends_, batches_, pages_, threads_, workloads_;
    std::vector<std::vector<bool>> codecs_;  ///< of each source
};

/// The cells of the axes, none twice, in plan order (source, context, codec, backend, batch, page, threads, workload;
/// the last varies fastest). Left out are cells that a match in `exclude` takes, that are in none of the parts asked
/// for, or that lack a word of `only`. `required` gets the ids of cells that a match in `require` takes, and
/// `require_met` which of these matched at all, whatever `only` says.
struct Expansion {
    std::vector<Cell> cells;
    std::vector<std::string> required;
    std::vector<bool> require_met;
};
/// The cells that `--only` selects: those that hold every word, and that a match of each part takes.
struct Only {
    std::vector<std::string> words = {};
    std::vector<std::vector<Json>> parts = {};
};
Expansion expand(Axes const& axes, std::vector<Json> const& exclude, std::vector<Json> const& require,
                 Only const& only);

}  // namespace kvstone
