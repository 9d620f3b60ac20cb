#pragma once

#include "scenarios/errors.hpp"

namespace kvstone {

/// A codec that cannot be asked of this tensor, model or protocol, although its text is right. What nobody did wrong is no
/// error: such a cell is skipped, with what this says as the reason.
class NotApplicable : public ConfigError {
  public:
    using ConfigError::ConfigError;
};

}  // namespace kvstone
