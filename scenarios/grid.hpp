#pragma once
// The axes of a plan, the cells they span, and partial matches on them.

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/codec_entry.hpp"
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
    SourceFiles files = {};  ///< where the files that the axes name are looked for

    std::size_t cells() const;  ///< before exclusion; SIZE_MAX where it is more
};

/// Reads `grid:` into the axes; `threads` is what measure says, if it does. Throws ConfigError.
void read_grid(Axes& axes, YamlValue const& grid, YamlValue const* threads, Vocabulary const& vocabulary);
int threads_of(YamlValue const& value);

/// A partial match as JSON, for matches(): each key of {source, context, codec, backend, batch, page, threads, workload,
/// protocol} with the value or the list of values it takes, sources by display name, codecs by canonical text (by display
/// name where the codec differs by source). Values that no axis has are refused; but where `before` is given, the axes as
/// they were before --set, values that only those have are left out. Of an axis that `before` has no values of, it is not
/// known what it had: nothing is refused there.
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

/// The cells of the axes, none twice, in plan order (source, context, codec, backend, batch, page, threads, workload; the last
/// varies fastest) that no match in `exclude` takes, that are in the parts asked for, and that hold every word of `only`;
/// `required` gets the ids of those that a match in `require` takes, and `require_met` which of these matched at all,
/// whatever `only` says.
struct Expansion {
    std::vector<Cell> cells;
    std::vector<std::string> required;
    std::vector<bool> require_met;
};
/// What `--only` leaves: cells that hold every word, and that a match of each part takes.
struct Only {
    std::vector<std::string> words = {};
    std::vector<std::vector<Json>> parts = {};
};
Expansion expand(Axes const& axes, std::vector<Json> const& exclude, std::vector<Json> const& require,
                 Only const& only);

}  // namespace kvstone
