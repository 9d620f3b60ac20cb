// Kokkos runs for as long as the tests of this program do.

#include <memory>

#include <gtest/gtest.h>

#include "backends/backend.hpp"

namespace kvstone {
namespace {

class KokkosEnvironment : public testing::Environment {
  public:
    void SetUp() override { runtime_ = std::make_unique<BackendRuntime>(); }
    void TearDown() override { runtime_.reset(); }

  private:
    std::unique_ptr<BackendRuntime> runtime_;
};

auto* const environment = testing::AddGlobalTestEnvironment(new KokkosEnvironment);

}  // namespace
}  // namespace kvstone
