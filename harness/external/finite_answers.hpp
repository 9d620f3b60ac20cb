#pragma once

#include <atomic>
#include <span>
#include <string>

namespace kvstone {

/// The rule for codecs from outside that finite values come back finite. May be used by several threads.
class FiniteAnswers {
  public:
    void encoded(std::span<float const> values);
    /// Throws ExternalFailure, beginning with the codec's name, where some of the values are NaN or infinite and none that were
    /// encoded is.
    void require_finite(std::string const& codec, std::span<float const> decoded) const;

  private:
    std::atomic<bool> all_finite_ = true;  ///< of all values that were encoded
};

}  // namespace kvstone
