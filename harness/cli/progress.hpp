#pragma once
// Progress of a run: one line that renews itself on a terminal, a plain line per attempt elsewhere.

#include <cstddef>
#include <string>

#include "cluster/dispatcher.hpp"

namespace kvstone {

/// Writes to standard error; standard output stays for results.
class ProgressDisplay {
  public:
    ProgressDisplay();
    ~ProgressDisplay();
    ProgressDisplay(ProgressDisplay const&) = delete;
    ProgressDisplay& operator=(ProgressDisplay const&) = delete;

    /// Reports the end of an attempt. `name` is its cell's name for people.
    void attempt(Measurement const& measurement, std::string const& name);
    void progress(Progress const& progress);
    /// A line that stays.
    void notice(std::string const& text);

  private:
    void clear();

    bool terminal_;
    bool drawn_ = false;
    std::string last_;
};

/// Writes a line to standard error. A closed terminal, or a full disk, is no error.
void say(std::string const& text);

/// "3 s", "4 min 10 s", "2 h 5 min".
std::string duration_text(double seconds);

}  // namespace kvstone
