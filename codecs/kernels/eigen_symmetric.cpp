#include "codecs/kernels/eigen_symmetric.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "codecs/kernels/lapack.hpp"

namespace kvstone {
namespace {

/// The eigenvectors come in place of the matrix where job is 'V', row after row for us, eigenvalues rising.
void solve(char job, int n, double* matrix, double* eigenvalues) {
    // What is below the diagonal row by row is above it column by column.
    BlasLock const lock;
    auto const call = [&](double* work, int work_size, int* whole_work, int whole_work_size) {
        int info = 0;
        dsyevd_(&job, "U", &n, matrix, &n, eigenvalues, work, &work_size, whole_work, &whole_work_size, &info, 1, 1);
        if (info != 0) throw std::runtime_error("LAPACK's dsyevd found no eigenvalues");
    };
    double work_size = 0;
    int whole_work_size = 0;
    call(&work_size, -1, &whole_work_size, -1);
    std::vector<double> work(static_cast<std::size_t>(work_size));
    std::vector<int> whole_work(static_cast<std::size_t>(whole_work_size));
    call(work.data(), static_cast<int>(work.size()), whole_work.data(), whole_work_size);
}

void fix_sign(std::span<double> vector) {
    auto const largest = std::ranges::max_element(vector, {}, [](double entry) { return std::abs(entry); });
    if (*largest < 0)
        for (auto& entry : vector) entry = -entry;
}

}  // namespace

void symmetric_eigen(std::size_t n, std::span<double> matrix, std::span<double> eigenvalues,
                     std::span<double> vectors) {
    constexpr std::size_t most = 16384;  // its workspace takes 2 n^2 values, counted in 32 bits
    bool const wanted = !vectors.empty();
    if (n > most || matrix.size() != n * n || eigenvalues.size() != n || (wanted && vectors.size() != n * n))
        throw std::invalid_argument("a matrix, or a place for its eigenvalues, of another size");
    if (n == 0) return;
    if (!std::ranges::all_of(matrix, [](double value) { return std::isfinite(value); }))
        throw std::runtime_error("eigenvalues of values that are not finite");
    solve(wanted ? 'V' : 'N', static_cast<int>(n), matrix.data(), eigenvalues.data());
    std::ranges::reverse(eigenvalues);
    if (!wanted) return;
    for (std::size_t i = 0; i < n; ++i) {
        auto const row = vectors.subspan(i * n, n);
        std::ranges::copy(matrix.subspan((n - 1 - i) * n, n), row.begin());
        fix_sign(row);
    }
}

}  // namespace kvstone
