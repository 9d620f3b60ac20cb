#pragma once
// The codecs from outside that a cell names, as this process runs them.

#include <chrono>
#include <memory>
#include <optional>

#include "codecs/external/external_codec.hpp"
#include "harness/external/spot_checks.hpp"
#include "scenarios/cell.hpp"
#include "scenarios/external_definition.hpp"

namespace kvstone {

using Deadline = std::chrono::steady_clock::time_point;

/// From now on the stage `external` finds the codecs of the cell's locator. Nothing is started or loaded before it is used,
/// and what was started ends with this object. `deadline`: a codec that has not answered then counts as hanging.
class CellCodecs {
  public:
    CellCodecs(Cell const& cell, std::optional<Deadline> deadline);
    ~CellCodecs();
    CellCodecs(CellCodecs const&) = delete;
    CellCodecs& operator=(CellCodecs const&) = delete;
    /// See SpotChecks::error().
    std::optional<double> spot_check_error() { return checks_->error(); }

  private:
    std::shared_ptr<SpotChecks> checks_ = std::make_shared<SpotChecks>();
};

/// A codec of the kind `command` (command_codec.cpp) or `library` (library_codec.cpp). Both start or load on first use.
std::shared_ptr<ExternalCodec> make_command_codec(ExternalDefinition const& definition,
                                                  std::optional<Deadline> deadline);
std::shared_ptr<ExternalCodec> make_library_codec(ExternalDefinition const& definition,
                                                  std::optional<Deadline> deadline);

/// The first argument of kvstone-attempt where it is to serve a library (library_server.hpp).
inline constexpr char const* library_argument = "--codec-library";

}  // namespace kvstone
