#pragma once

#include <memory>

namespace kvstone {

/// An instance of backend openmp with one thread, for work so small that more threads would only wait for one another.
/// Must be destroyed before the BackendRuntime.
class OneThread {
  public:
    OneThread();
    ~OneThread();

    /// While it lives, work that this thread runs on backend openmp runs on that instance; null changes nothing.
    class Scope {
      public:
        explicit Scope(OneThread const* instance);
        ~Scope();
        Scope(Scope const&) = delete;
        Scope& operator=(Scope const&) = delete;

      private:
        void const* before_;
    };

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
