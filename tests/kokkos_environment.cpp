#include <memory>

#include <gtest/gtest.h>

#include "backends/backend.hpp"

namespace kvstone {

/// Kokkos starts once, before the first test, and stops after the last.
class KokkosEnvironment : public testing::Environment {
  public:
    void SetUp() override { runtime_ = std::make_unique<BackendRuntime>(); }
    void TearDown() override { runtime_.reset(); }

  private:
    std::unique_ptr<BackendRuntime> runtime_;
};

static auto* const environment = testing::AddGlobalTestEnvironment(new KokkosEnvironment);

}  // namespace kvstone
