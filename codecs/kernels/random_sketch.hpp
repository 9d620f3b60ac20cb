#pragma once
// Signs of random projections of a vector, and the vector that is expected of them: the Quantised Johnson-Lindenstrauss
// transform (Zandieh, Daliri, Han, "QJL", 2024).
//
// S has m rows of d values. A vector x of norm n is kept as the m signs of S x and as n; back comes
// sqrt(pi/2) / m n S^T sign(S x), whose mean over S is x where the rows of S are independent N(0, I).
//
// Files that include this are compiled without contraction (codecs/CMakeLists.txt): signs and values are then the same on
// every processor.

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "backends/spaces.hpp"
#include "codecs/kernels/finite_values.hpp"
#include "codecs/kernels/square_sums.hpp"

namespace kvstone {

inline constexpr double root_of_half_pi = 1.2533141373155003;
/// Values of the longest vector with a sketch, and the most rows for each of them.
inline constexpr std::uint64_t most_sketched_values = 1024;
inline constexpr double most_rows_per_value = 8;

/// gaussian: every element is independent N(0, 1). orthogonal: each d rows of such a matrix, made orthogonal to each
/// other in their order (Gram and Schmidt), all of length sqrt(d).
enum class SketchMatrix : std::uint8_t { gaussian, orthogonal };

/// S as kernels see it, in memory of their backend.
struct Sketch {
    static constexpr std::uint64_t lanes = 16;

    float const* elements;
    std::uint64_t rows;    ///< a multiple of 8
    std::uint64_t stride;  ///< of rows: d, and zeros up to a multiple of `lanes`

    KOKKOS_INLINE_FUNCTION std::uint64_t sign_bytes() const { return rows / 8; }

    /// Puts 1 into bit r of `signs` where row r of S times the vector is not negative, the lowest bit of a byte first,
    /// and the vector's norm, as binary16, to `norm`. `values`: d finite values, with room for `stride`; they are lost.
    KOKKOS_INLINE_FUNCTION void store(float* values, std::uint64_t dim, std::byte* signs, std::byte* norm) const {
        put_as(norm, stored_norm(square_sum(values, dim)));
        // Within +-1, so that no sum overflows.
        double const most = largest_magnitude(values, dim);
        double const inverse = most > 0 ? 1 / most : 0;
        for (std::uint64_t i = 0; i < dim; ++i) values[i] = static_cast<float>(values[i] * inverse);
        for (std::uint64_t i = dim; i < stride; ++i) values[i] = 0;
        for (std::uint64_t byte = 0; byte < sign_bytes(); ++byte) {
            unsigned bits = 0;
            for (unsigned bit = 0; bit < 8; ++bit) {
                bits |= product(elements + (8 * byte + bit) * stride, values) >= 0 ? 1U << bit : 0U;
            }
            signs[byte] = static_cast<std::byte>(bits);
        }
    }

    /// values[i] += what store() kept of a vector. `sums`: room for `stride`.
    KOKKOS_INLINE_FUNCTION void add(std::byte const* signs, std::byte const* norm, std::uint64_t dim, float* sums,
                                    float* values) const {
        for (std::uint64_t i = 0; i < stride; ++i) sums[i] = 0;
        for (std::uint64_t byte = 0; byte < sign_bytes(); ++byte) {
            auto const bits = static_cast<unsigned>(signs[byte]);
            float sign[8];
            for (unsigned bit = 0; bit < 8; ++bit) sign[bit] = (bits >> bit & 1U) != 0 ? 1.0F : -1.0F;
            auto const* const first = elements + 8 * byte * stride;
            for (std::uint64_t i = 0; i < stride; ++i) {
                float sum = sums[i];
                for (unsigned bit = 0; bit < 8; ++bit) sum += sign[bit] * first[bit * stride + i];
                sums[i] = sum;
            }
        }
        auto const scale = static_cast<float>(static_cast<double>(to_float(get_as<Float16>(norm))) * root_of_half_pi /
                                              static_cast<double>(rows));
        for (std::uint64_t i = 0; i < dim; ++i) values[i] += scale * sums[i];
    }

    /// In a fixed order, of `stride` values.
    KOKKOS_INLINE_FUNCTION float product(float const* row, float const* values) const {
        float sums[lanes] = {};
        for (std::uint64_t i = 0; i < stride; i += lanes) {
            for (std::uint64_t lane = 0; lane < lanes; ++lane) sums[lane] += row[i + lane] * values[i + lane];
        }
        for (std::uint64_t step = lanes / 2; step > 0; step /= 2) {
            for (std::uint64_t lane = 0; lane < step; ++lane) sums[lane] += sums[lane + step];
        }
        return sums[0];
    }
};

/// Matrices of one stage, made from the seed once for each length of a vector. Nothing of them is stored.
class SketchBook {
  public:
    /// rows_per_value: at most most_rows_per_value.
    SketchBook(SketchMatrix matrix, double rows_per_value, std::uint64_t seed)
        : matrix_(matrix), rows_per_value_(rows_per_value), seed_(seed) {}

    /// m: rows_per_value times dim, rounded up to a multiple of 8.
    std::uint64_t rows(std::uint64_t dim) const;
    /// Makes the matrix for vectors of `dim` values where there is none yet. Throws NotApplicable, naming `stage`, above
    /// most_sketched_values.
    void prepare(char const* stage, std::uint64_t dim) const;
    std::size_t bytes(std::uint64_t dim) const { return rows(dim) * stride(dim) * sizeof(float); }
    /// The most that each value of what comes back of a vector of norm 1 can be: where all rows add up.
    std::vector<double> reach(std::uint64_t dim) const;
    /// The prepared matrix, in `place`, which has room for bytes().
    template <class Space>
    Sketch put(Space const&, std::uint64_t dim, std::byte* place) const {
        copy_to_backend(backend_of<Space>, place, reinterpret_cast<std::byte const*>(prepared(dim)), bytes(dim));
        return {reinterpret_cast<float const*>(place), rows(dim), stride(dim)};
    }

  private:
    static std::uint64_t stride(std::uint64_t dim) { return (dim + Sketch::lanes - 1) / Sketch::lanes * Sketch::lanes; }
    float const* prepared(std::uint64_t dim) const;
    std::vector<float> made(std::uint64_t dim) const;

    SketchMatrix matrix_;
    double rows_per_value_;
    std::uint64_t seed_;
    mutable std::mutex mutex_;
    mutable std::map<std::uint64_t, std::vector<float>> matrices_;
};

}  // namespace kvstone
