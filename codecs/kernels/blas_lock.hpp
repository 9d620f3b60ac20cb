#pragma once

#include <mutex>

namespace kvstone {

/// Held around every call of BLAS and LAPACK: Debian's serial OpenBLAS is built without locks, and two calls at a time may be
/// given the same memory to work in.
class BlasLock {
  public:
    BlasLock() : lock_(mutex()) {}

  private:
    static std::mutex& mutex() {
        static std::mutex one;
        return one;
    }
    std::lock_guard<std::mutex> lock_;
};

}  // namespace kvstone
