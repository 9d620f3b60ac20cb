#pragma once
// What a quantiser leaves of each layer and head, E of [token, channel], as the product L R^T of two narrow matrices, and
// back.
//
// Power iteration as GEAR has it (Kang et al. 2024, and the code beside it): from a random R, rounds of L = E R, R = E^T L;
// in the last one both R before and L are made orthonormal. All in double precision, in chains of fused multiply-adds: the
// same on every processor that has them, and whichever thread does it.

#include <cfloat>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/philox.hpp"

namespace kvstone {

/// A matrix of few columns, row after row, in places of `lanes` columns; places beyond `columns` are 0.
struct NarrowMatrix {
    static constexpr std::uint64_t lanes = 4;

    double* data;
    std::uint64_t rows;
    std::uint64_t columns;

    KOKKOS_INLINE_FUNCTION static std::uint64_t width(std::uint64_t count) {
        return (count + lanes - 1) / lanes * lanes;
    }
    KOKKOS_INLINE_FUNCTION static std::uint64_t values(std::uint64_t of_rows, std::uint64_t of_columns) {
        return of_rows * width(of_columns);
    }
    KOKKOS_INLINE_FUNCTION double& operator()(std::uint64_t row, std::uint64_t column) const {
        return data[row * width(columns) + column];
    }
    KOKKOS_INLINE_FUNCTION void clear() const {
        for (std::uint64_t i = 0; i < values(rows, columns); ++i) data[i] = 0;
    }

    KOKKOS_INLINE_FUNCTION double product(std::uint64_t a, std::uint64_t b) const {
        double sum = 0;
        for (std::uint64_t row = 0; row < rows; ++row) sum = Kokkos::fma((*this)(row, a), (*this)(row, b), sum);
        return sum;
    }
    KOKKOS_INLINE_FUNCTION void scale(std::uint64_t column, double factor) const {
        for (std::uint64_t row = 0; row < rows; ++row) (*this)(row, column) *= factor;
    }
    /// The value of the largest magnitude, the first of equal ones.
    KOKKOS_INLINE_FUNCTION double largest(std::uint64_t column) const {
        double found = 0;
        for (std::uint64_t row = 0; row < rows; ++row) {
            double const value = (*this)(row, column);
            if (Kokkos::fabs(value) > Kokkos::fabs(found)) found = value;
        }
        return found;
    }
    /// Columns whose largest value is 1 or -1: their directions alone count.
    KOKKOS_INLINE_FUNCTION void normalise() const {
        for (std::uint64_t column = 0; column < columns; ++column) {
            double const most = Kokkos::fabs(largest(column));
            if (most > 0) scale(column, 1 / most);
        }
    }
    /// The Q of a QR decomposition (Gram-Schmidt, twice over). A column that depends on those before it becomes 0.
    KOKKOS_INLINE_FUNCTION void orthonormalise() const {
        for (std::uint64_t column = 0; column < columns; ++column) {
            double const before = product(column, column);
            for (int pass = 0; pass < 2; ++pass) {
                for (std::uint64_t earlier = 0; earlier < column; ++earlier) {
                    double const shared = product(earlier, column);
                    for (std::uint64_t row = 0; row < rows; ++row)
                        (*this)(row, column) = Kokkos::fma(-shared, (*this)(row, earlier), (*this)(row, column));
                }
            }
            double const left = product(column, column);
            // What rounding leaves of nothing is below 1e-28 of the square.
            scale(column, left > 1e-20 * before ? 1 / Kokkos::sqrt(left) : 0.0);
        }
    }
};

/// Finds and stores the factors of some layers and heads. One thread takes one of them.
struct FactorResiduals {
    KvSpan<float const> values;  ///< of the whole section
    KvSpan<float> left_over;     ///< [1, some heads, token, channel]: decoded values, which become what they lack
    Float16* left;               ///< L, [layer, head, token, component]
    Float16* right;              ///< R^T, [layer, head, component, channel], within +-65504
    double* memory;              ///< doubles() for each of the heads
    std::uint64_t first;         ///< the first of the heads, counted over all layers
    std::uint64_t rank;          ///< at most the tokens and the channels
    std::uint64_t rounds;        ///< 1 or more

    static std::uint64_t doubles(KvShape const& shape, std::uint64_t components) {
        return NarrowMatrix::values(shape.tokens + shape.dim, components);
    }

    /// A residual that is not finite is taken to be right.
    KOKKOS_INLINE_FUNCTION void subtract(std::uint64_t column, std::uint64_t slot) const {
        auto const heads = values.shape.heads;
        for (std::uint64_t t = 0; t < values.shape.tokens; ++t) {
            auto const* const wanted = values.vector(column / heads, column % heads, t);
            auto* const found = left_over.vector(0, slot, t);
            for (std::uint64_t c = 0; c < values.shape.dim; ++c) {
                float const difference = wanted[c] - found[c];
                found[c] = Kokkos::fabs(difference) <= FLT_MAX ? difference : 0.0F;
            }
        }
    }
    /// to = E from.
    KOKKOS_INLINE_FUNCTION void times(std::uint64_t slot, NarrowMatrix const& from, NarrowMatrix const& to) const {
        constexpr auto lanes = NarrowMatrix::lanes;
        for (std::uint64_t t = 0; t < to.rows; ++t) {
            auto const* const row = left_over.vector(0, slot, t);
            for (std::uint64_t j = 0; j < rank; j += lanes) {
                double sums[lanes] = {};
                for (std::uint64_t c = 0; c < from.rows; ++c) {
                    for (std::uint64_t k = 0; k < lanes; ++k)
                        sums[k] = Kokkos::fma(static_cast<double>(row[c]), from(c, j + k), sums[k]);
                }
                for (std::uint64_t k = 0; k < lanes; ++k) to(t, j + k) = sums[k];
            }
        }
    }
    /// to = E^T from.
    KOKKOS_INLINE_FUNCTION void transposed_times(std::uint64_t slot, NarrowMatrix const& from,
                                                 NarrowMatrix const& to) const {
        constexpr auto lanes = NarrowMatrix::lanes;
        to.clear();
        for (std::uint64_t t = 0; t < from.rows; ++t) {
            auto const* const row = left_over.vector(0, slot, t);
            for (std::uint64_t c = 0; c < to.rows; ++c) {
                auto const value = static_cast<double>(row[c]);
                for (std::uint64_t j = 0; j < rank; j += lanes) {
                    for (std::uint64_t k = 0; k < lanes; ++k)
                        to(c, j + k) = Kokkos::fma(value, from(t, j + k), to(c, j + k));
                }
            }
        }
    }

    KOKKOS_INLINE_FUNCTION void operator()(std::int64_t const i) const {
        auto const slot = static_cast<std::uint64_t>(i);
        auto const column = first + slot;
        auto const tokens = values.shape.tokens;
        auto const dim = values.shape.dim;
        subtract(column, slot);
        auto* const own = memory + slot * NarrowMatrix::values(tokens + dim, rank);
        NarrowMatrix const r{own, dim, rank};
        NarrowMatrix const l{own + NarrowMatrix::values(dim, rank), tokens, rank};
        r.clear();
        for (std::uint64_t c = 0; c < dim; ++c) {
            for (std::uint64_t j = 0; j < rank; ++j) {
                auto const word =
                    philox({static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(j), 0, 0}, {0, 0})[0];
                r(c, j) = (static_cast<double>(word) + 0.5) * 0x1p-32;
            }
        }
        for (std::uint64_t round = 1; round <= rounds; ++round) {
            if (round == rounds) {
                r.orthonormalise();
            } else {
                r.normalise();
            }
            times(slot, r, l);
            if (round == rounds) l.orthonormalise();
            transposed_times(slot, l, r);
        }
        for (std::uint64_t j = 0; j < rank; ++j) {
            double const sign = l.largest(j) < 0 ? -1 : 1;
            for (std::uint64_t t = 0; t < tokens; ++t)
                left[(column * tokens + t) * rank + j] = from_float<Float16>(static_cast<float>(sign * l(t, j)));
            for (std::uint64_t c = 0; c < dim; ++c) {
                double const value = sign * r(c, j);
                double const within = value > 65504 ? 65504 : value < -65504 ? -65504 : value;
                right[(column * rank + j) * dim + c] = from_float<Float16>(static_cast<float>(within));
            }
        }
    }
};

/// R^T as floats.
struct WidenFactors {
    Float16 const* from;
    float* to;
    KOKKOS_INLINE_FUNCTION void operator()(std::int64_t const i) const { to[i] = to_float(from[i]); }
};

/// Adds L R^T to decoded values. One thread takes one vector.
struct AddFactors {
    KvSpan<float> values;
    Float16 const* left;
    float const* right;
    std::uint64_t rank;

    KOKKOS_INLINE_FUNCTION void operator()(std::int64_t const i) const {
        auto const vector = static_cast<std::uint64_t>(i);
        auto const& shape = values.shape;
        auto const column = vector / shape.tokens;
        auto* const to = values.vector(column / shape.heads, column % shape.heads, vector % shape.tokens);
        for (std::uint64_t j = 0; j < rank; ++j) {
            float const share = to_float(left[vector * rank + j]);
            auto const* const row = right + (column * rank + j) * shape.dim;
            for (std::uint64_t c = 0; c < shape.dim; ++c) to[c] = Kokkos::fma(share, row[c], to[c]);
        }
    }
};

}  // namespace kvstone
