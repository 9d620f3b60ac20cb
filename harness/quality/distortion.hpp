#pragma once
// How far a decoded tensor is from its original. Everything is in double precision; x is the original, y the decoded,
// e = y - x. Sums run over fixed blocks that are joined in a fixed order: results are equal to the last bit for any
// number of threads, and they merge (K with V, rank with rank).
//
// Values that are not finite: a pair with such a value on either side is left out of every sum. An original that is not
// finite must come back as it was (NaN as any NaN, an infinity with its sign), else it counts as `lost`; a finite
// original that comes back otherwise counts as `made`.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "backends/kv_view.hpp"

namespace kvstone {

/// Sums over a part of a tensor, from which every metric below follows. A metric whose denominator is zero is nothing.
struct ErrorSums {
    std::uint64_t values = 0;     ///< pairs in the sums
    std::uint64_t nonfinite = 0;  ///< of the original
    std::uint64_t lost = 0;
    std::uint64_t made = 0;
    double x = 0;
    double xx = 0;
    double yy = 0;
    double xy = 0;
    double abs_x = 0;
    double ee = 0;
    double abs_e = 0;
    double max_abs_error = 0;
    double cosine_min =
        1;  ///< over the vectors of one head at one token; zero vectors: 1 where both are, 0 where one is

    ErrorSums& operator+=(ErrorSums const& other);
    std::optional<double> mae() const;
    std::optional<double> rmse() const;
    /// Mean squared error / variance of x. Nothing for a constant original, also where rounding makes it look variable.
    std::optional<double> nmse() const;
    std::optional<double> relative_error_l1() const;
    std::optional<double> cosine() const;
};

/// The relative errors |e| / |x| of the pairs with |x| above a floor, rounded to float and counted by their upper 20
/// bits (1 part in 2048): enough to find the exact quantiles in one more pass, and to merge.
class RelativeErrors {
  public:
    static constexpr unsigned low_bits = 12;

    RelativeErrors();
    void count(float relative_error) { ++counts_[bin_of(relative_error)]; }
    RelativeErrors& operator+=(RelativeErrors const& other);
    std::uint64_t values() const;

    /// A bin, and the index of a quantile among its members (0 is the least).
    struct Place {
        std::uint32_t bin = 0;
        std::uint64_t rank = 0;
    };
    /// The quantile is the least value with at least `quantile` of all values at or below it. Requires values() > 0.
    Place place(double quantile) const;
    /// The middle of a bin, within 1 part in 4096 of all its members; exactly zero for the bin of zero.
    static double middle(std::uint32_t bin);
    static std::uint32_t bin_of(float relative_error);

  private:
    std::vector<std::uint64_t> counts_;
};

struct RelativeQuantiles {
    double p50 = 0;
    double p95 = 0;
    double p99 = 0;
    double max = 0;
};

struct Distortion {
    ErrorSums total;
    std::vector<ErrorSums> heads;  ///< [layer * shape.heads + head]
    RelativeErrors relative_errors;
    double relative_error_sum = 0;  ///< over the pairs counted above
    std::optional<double> relative_error_mean() const;
    /// Exact order statistics of the relative errors rounded to float; nothing where no |x| is above the floor.
    std::optional<RelativeQuantiles> quantiles;
};

/// The floor of relative errors, as a fraction of the original's root mean square: below it an error is judged by its
/// absolute size (a value that is zero has no relative error).
inline constexpr double kRelativeErrorFloor = 1e-3;

/// Compares two tensors in host memory, each packed as [layer, head, token, dim]. Reads them three times.
Distortion measure_distortion(KvShape const& shape, ElementType type, std::byte const* original,
                              std::byte const* decoded);

/// The total alone, without relative errors: one reading, and almost no memory.
ErrorSums measure_error_sums(KvShape const& shape, ElementType type, std::byte const* original,
                             std::byte const* decoded);

/// Several parts (K and V, or the parts that ranks hold) as one. Its quantiles are those of the merged counts, within 1
/// part in 4096; the rest is exact. Sums are taken in the order given. Each part keeps its own floor of relative errors.
struct PooledDistortion {
    ErrorSums total;
    std::optional<double> relative_error_mean;
    std::optional<RelativeQuantiles> quantiles;
};
PooledDistortion pooled(std::vector<Distortion const*> const& parts);

}  // namespace kvstone
