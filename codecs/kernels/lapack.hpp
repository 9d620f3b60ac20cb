#pragma once
// The functions that are used of LAPACK. OpenBLAS has it, and not every package of it brings a header.

#include <cstddef>
#include <mutex>

extern "C" {
// By columns, sizes by address. The lengths of texts come last, as Fortran's compilers pass them.
void dsyevd_(char const* job, char const* triangle, int const* n, double* a, int const* rows, double* values,
             double* work, int const* work_size, int* whole_work, int const* whole_work_size, int* info,
             std::size_t job_length, std::size_t triangle_length);
void dgeqrf_(int const* rows, int const* columns, double* a, int const* stride, double* tau, double* work,
             int const* work_size, int* info);
void dorgqr_(int const* rows, int const* columns, int const* reflectors, double* a, int const* stride,
             double const* tau, double* work, int const* work_size, int* info);
}

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
