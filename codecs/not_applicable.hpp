#pragma once

#include "scenarios/errors.hpp"

namespace kvstone {

/// A codec that cannot be applied to this tensor, model or protocol although its text is right. This is not an error:
/// such a cell is skipped, and this message is the reason.
class NotApplicable : public ConfigError {
  public:
    using ConfigError::ConfigError;
};

}  // namespace kvstone
