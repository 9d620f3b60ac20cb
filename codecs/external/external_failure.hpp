#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "scenarios/errors.hpp"

namespace kvstone {

/// A codec from outside that did not do its work. `how` becomes the status of the attempt's row: error (it said so, or it
/// answered something that breaks the rules), crash (its process ended), timeout (no answer within the attempt's limit),
/// wrong (verify_failed: its bytes do not hold the values).
class ExternalFailure : public SystemError {
  public:
    enum class How : std::uint8_t { error, crash, timeout, wrong };
    ExternalFailure(How how, std::string const& what) : SystemError(what), how_(how) {}
    How how() const { return how_; }

  private:
    How how_;
};

}  // namespace kvstone
