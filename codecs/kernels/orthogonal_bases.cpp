#include "codecs/kernels/orthogonal_bases.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "backends/philox.hpp"
#include "backends/portable_math.hpp"
#include "codecs/kernels/lapack.hpp"

namespace kvstone {
namespace {

/// Rows that are added to the sums of products at a time, four by four: a row of sums then stays in the nearest cache for all of
/// them, which the sums as a whole outgrow.
constexpr std::uint64_t block_rows = 32;

std::uint64_t work_doubles(std::uint64_t n) { return 1 + 6 * n + 2 * n * n; }
std::uint64_t integers(std::uint64_t n) { return 3 + 5 * n; }

/// Copies row t less the mean; false where it is not finite.
bool take_row(RowRuns const& rows, std::uint64_t t, double const* mean, double* to) {
    bool finite = true;
    for (std::uint64_t i = 0; i < rows.count; ++i) {
        auto const* const from = rows.runs[i] + t * rows.strides[i];
        for (std::uint64_t c = 0; c < rows.channels; ++c) {
            auto const value = static_cast<double>(from[c]);
            finite = finite && std::isfinite(value);
            to[i * rows.channels + c] = mean == nullptr ? value : value - mean[i * rows.channels + c];
        }
    }
    return finite;
}

/// sums[i][j] += the products of channels i and j of block_rows rows, for j >= i.
void add_products(double const* rows, std::uint64_t n, double* sums) {
    for (std::uint64_t i = 0; i < n; ++i) {
        auto* const row = sums + i * n;
        for (std::uint64_t r = 0; r < block_rows; r += 4) {
            auto const* const first = rows + r * n;
            auto const* const second = first + n;
            auto const* const third = second + n;
            auto const* const fourth = third + n;
            auto const a = first[i];
            auto const b = second[i];
            auto const c = third[i];
            auto const d = fourth[i];
#pragma GCC ivdep
            for (std::uint64_t j = i; j < n; ++j)
                row[j] += a * first[j] + b * second[j] + (c * third[j] + d * fourth[j]);
        }
    }
}

/// Sums up the products of all channels, then has LAPACK find the eigenvalues, and where `job` is "V" the axes, which are
/// returned.
double const* solve(char const* job, RowRuns const& rows, double const* mean, double* memory, double* eigenvalues) {
    auto const n = rows.count * rows.channels;
    auto* const block = memory;
    auto* const sums = block + block_rows * n;
    auto* const work = sums + n * n;
    auto* const whole = reinterpret_cast<int*>(work + work_doubles(n));
    auto const order = static_cast<int>(n);
    std::fill_n(sums, n * n, 0.0);
    std::uint64_t taken = 0;
    for (std::uint64_t t = 0; t < rows.rows;) {
        int held = 0;
        for (; t < rows.rows && held < static_cast<int>(block_rows); ++t)
            held += take_row(rows, t, mean, block + static_cast<std::uint64_t>(held) * n);
        if (held == 0) continue;
        taken += static_cast<std::uint64_t>(held);
        std::fill(block + static_cast<std::uint64_t>(held) * n, block + block_rows * n, 0.0);
        add_products(block, n, sums);
    }
    // The upper triangle by rows is the lower one by columns.
    auto const lwork = static_cast<int>(work_doubles(n));
    auto const liwork = static_cast<int>(integers(n));
    int info = 0;
    {
        BlasLock const lock;
        dsyevd_(job, "L", &order, sums, &order, eigenvalues, work, &lwork, whole, &liwork, &info, 1, 1);
    }
    if (info != 0) {  // it did not converge: any orthonormal basis is a right one, and this one is at hand
        std::fill_n(sums, n * n, 0.0);
        for (std::uint64_t i = 0; i < n; ++i) sums[i * n + i] = 1;
    }
    std::reverse(eigenvalues, eigenvalues + n);  // they rise
    for (std::uint64_t i = 0; i < n; ++i)
        eigenvalues[i] = taken == 0 ? 0 : std::max(eigenvalues[i], 0.0) / static_cast<double>(taken);
    if (*job != 'V') return nullptr;
    for (std::uint64_t i = 0; i < n / 2; ++i)
        std::swap_ranges(sums + i * n, sums + (i + 1) * n, sums + (n - 1 - i) * n);
    for (std::uint64_t i = 0; i < n; ++i) {
        auto* const axis = sums + i * n;
        auto const* const largest =
            std::max_element(axis, axis + n, [](double a, double b) { return std::fabs(a) < std::fabs(b); });
        if (*largest < 0) std::transform(axis, axis + n, axis, [](double value) { return -value; });
    }
    return sums;
}

}  // namespace

std::uint64_t principal_axes_doubles(std::uint64_t n) {
    return block_rows * n + n * n + work_doubles(n) + (integers(n) + 1) / 2;
}

void finite_mean(RowRuns const& rows, double* mean) {
    auto const n = rows.count * rows.channels;
    std::fill_n(mean, n, 0.0);
    std::uint64_t taken = 0;
    for (std::uint64_t t = 0; t < rows.rows; ++t) {
        bool finite = true;
        for (std::uint64_t i = 0; finite && i < rows.count; ++i) {
            auto const* const from = rows.runs[i] + t * rows.strides[i];
            for (std::uint64_t c = 0; c < rows.channels; ++c) finite = finite && std::isfinite(from[c]);
        }
        if (!finite) continue;
        ++taken;
        for (std::uint64_t i = 0; i < rows.count; ++i) {
            auto const* const from = rows.runs[i] + t * rows.strides[i];
            for (std::uint64_t c = 0; c < rows.channels; ++c)
                mean[i * rows.channels + c] += static_cast<double>(from[c]);
        }
    }
    for (std::uint64_t c = 0; taken > 0 && c < n; ++c) mean[c] /= static_cast<double>(taken);
}

void principal_axes(RowRuns const& rows, double const* mean, double* work, double const*& axes, double* eigenvalues) {
    axes = solve("V", rows, mean, work, eigenvalues);
}

void principal_eigenvalues(RowRuns const& rows, double const* mean, double* work, double* eigenvalues) {
    solve("N", rows, mean, work, eigenvalues);
}

void random_basis(std::uint32_t seed, std::uint64_t n, std::uint64_t rank, double* basis) {
    for (std::uint64_t column = 0; column < rank; ++column) {
        for (std::uint64_t row = 0; row < n; ++row) {
            auto const words =
                philox({static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(column), 0, 0}, {seed, 0});
            auto const uniform = (static_cast<double>(words[0]) + 0.5) * 0x1p-32;
            auto const angle = 2 * std::numbers::pi * static_cast<double>(words[1]) * 0x1p-32;
            basis[column * n + row] = std::sqrt(-2 * portable::log(uniform)) * portable::cos(angle);
        }
    }
    auto const m = static_cast<int>(n);
    auto const k = static_cast<int>(rank);
    auto const lwork = 64 * k;
    int info = 0;
    BlasLock const lock;
    std::vector<double> tau(rank);
    std::vector<double> work(static_cast<std::size_t>(lwork));
    dgeqrf_(&m, &k, basis, &m, tau.data(), work.data(), &lwork, &info);
    std::vector<bool> negative;
    for (std::uint64_t i = 0; i < rank; ++i) negative.push_back(basis[i * n + i] < 0);
    dorgqr_(&m, &k, &k, basis, &m, tau.data(), work.data(), &lwork, &info);
    for (std::uint64_t i = 0; i < rank; ++i) {
        if (!negative[i]) continue;
        for (std::uint64_t row = 0; row < n; ++row) basis[i * n + row] = -basis[i * n + row];
    }
}

}  // namespace kvstone
