#pragma once
// How far a rebuilt vector may lie from the original, in double precision: for checking, not for speed.

#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "codecs/kernels/projection.hpp"

namespace kvstone {

/// Bounds of one group's vectors. Host memory.
class VectorBounds {
  public:
    VectorBounds(VectorGroups const& groups, PackedBases const& bases, std::uint64_t group)
        : groups_(groups), group_(group), n_(groups.length(group)), rank_(groups.rank_of(group)) {
        auto const* const matrix = bases.forward + bases.index(groups, group) * PackedBases::forward_values(groups);
        for (std::uint64_t component = 0; component < rank_; ++component) {
            for (std::uint64_t c = 0; c < n_; ++c)
                axes_.push_back(static_cast<double>(matrix[packed_matrix_place(n_, c, component)]));
        }
        for (std::uint64_t c = 0; c < n_; ++c)
            mean_.push_back(bases.mean == nullptr ? 0.0 : static_cast<double>(bases.mean[group * groups.length() + c]));
    }

    /// Of token t: `allowed` has what the coefficients may be wrong by.
    void carry(KvSpan<float const> values, std::uint64_t t, double const* allowed, KvSpan<double> bounds) const {
        auto const dim = groups_.shape.dim;
        std::vector<double> centred(n_);
        std::vector<double> rebuilt = mean_;
        std::vector<double> reach(n_);
        std::vector<double> spread(n_);
        double furthest = 0;
        for (std::uint64_t c = 0; c < n_; ++c) {
            auto const run = c / dim;
            centred[c] =
                static_cast<double>(values(groups_.layer(group_, run), groups_.head(group_, run), t, c % dim)) -
                mean_[c];
            reach[c] = std::fabs(mean_[c]);
            furthest = std::fmax(furthest, std::fabs(centred[c]));
        }
        for (std::uint64_t component = 0; component < rank_; ++component) {
            auto const* const axis = axes_.data() + component * n_;
            double coefficient = 0;
            double magnitudes = 0;
            for (std::uint64_t c = 0; c < n_; ++c) {
                coefficient += centred[c] * axis[c];
                magnitudes += std::fabs(centred[c] * axis[c]);
            }
            auto const wrong = allowed[component] + arithmetic(n_ + 3, magnitudes);
            furthest = std::fmax(furthest, magnitudes + wrong);
            if (!(magnitudes + wrong < FLT_MAX)) furthest = std::numeric_limits<double>::infinity();
            for (std::uint64_t c = 0; c < n_; ++c) {
                rebuilt[c] += coefficient * axis[c];
                spread[c] += wrong * std::fabs(axis[c]);
                reach[c] += (std::fabs(coefficient) + wrong) * std::fabs(axis[c]);
            }
        }
        // A value that no number can be bounded by in one channel makes its whole vector so.
        bool const known = furthest < FLT_MAX * 0.999;
        for (std::uint64_t c = 0; c < n_; ++c) {
            auto const run = c / dim;
            auto const lost = std::fabs(centred[c] + mean_[c] - rebuilt[c]);
            bounds(groups_.layer(group_, run), groups_.head(group_, run), t, c % dim) =
                known && reach[c] < FLT_MAX * 0.999 ? lost + spread[c] + arithmetic(rank_ + 2, reach[c])
                                                    : std::numeric_limits<double>::infinity();
        }
    }

  private:
    /// Of `steps` roundings in f32 on the way to a sum of such magnitudes.
    static double arithmetic(std::uint64_t steps, double magnitudes) {
        return static_cast<double>(steps) * (std::ldexp(magnitudes, -24) * 1.001 + std::ldexp(1.0, -149));
    }

    VectorGroups groups_;
    std::uint64_t group_;
    std::uint64_t n_;
    std::uint64_t rank_;
    std::vector<double> axes_;  ///< [component, channel]
    std::vector<double> mean_;
};

}  // namespace kvstone
