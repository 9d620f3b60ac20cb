#include "backends/one_thread.hpp"

#include "backends/spaces.hpp"

namespace kvstone {

struct OneThread::State {
    Kokkos::OpenMP space{1};
};

OneThread::OneThread() : state_(std::make_unique<State>()) {}
OneThread::~OneThread() = default;

OneThread::Scope::Scope(OneThread const* instance) : before_(chosen_host_space) {
    if (instance != nullptr) chosen_host_space = &instance->state_->space;
}
OneThread::Scope::~Scope() { chosen_host_space = static_cast<Kokkos::OpenMP const*>(before_); }

}  // namespace kvstone
