#include "harness/workloads/attention_decode/step_error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/kernels/exponential.hpp"

namespace kvstone {
namespace {

/// In eight sums, so that none waits for the one before.
double product(float const* x, float const* y, std::uint64_t count) {
    double sums[8] = {};
    std::uint64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (std::uint64_t k = 0; k < 8; ++k) sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(y[i + k]);
    for (; i < count; ++i) sums[0] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

}  // namespace

std::vector<double> StepReference::outputs() const {
    auto const dim = v_shape.dim;
    auto const heads = k_shape.layers * k_shape.heads;
    std::vector<double> all(heads * rows * dim);
    std::vector<double> logits(k_shape.tokens);
    for (std::uint64_t row = 0; row < heads * rows; ++row) {
        auto const first = row / rows * k_shape.tokens;
        double most = -std::numeric_limits<double>::infinity();
        for (std::uint64_t t = 0; t < k_shape.tokens; ++t) {
            logits[t] = scale * product(queries + row * k_shape.dim, k + (first + t) * k_shape.dim, k_shape.dim);
            most = std::max(most, logits[t]);
        }
        double sum = 0;
        auto* const output = all.data() + row * dim;
        for (std::uint64_t t = 0; t < k_shape.tokens; ++t) {
            double const weight = exponential_of_nonpositive(logits[t] - most);
            sum += weight;
            auto const* const value = v + (first + t) * dim;
            for (std::uint64_t c = 0; c < dim; ++c) output[c] += weight * static_cast<double>(value[c]);
        }
        for (std::uint64_t c = 0; c < dim; ++c) output[c] /= sum;
    }
    return all;
}

double largest_error(std::vector<double> const& outputs, float const* found, std::uint64_t dim) {
    double most = 0;
    for (std::uint64_t first = 0; first < outputs.size(); first += dim) {
        double errors = 0, squares = 0;
        for (auto i = first; i < first + dim; ++i) {
            if (std::isnan(outputs[i]) != std::isnan(found[i])) return std::numeric_limits<double>::infinity();
            if (std::isnan(outputs[i])) continue;
            auto const error = static_cast<double>(found[i]) - outputs[i];
            errors += error * error;
            squares += outputs[i] * outputs[i];
        }
        most = std::max(most, squares > 0 ? std::sqrt(errors / squares) : std::sqrt(errors));
    }
    return most;
}

}  // namespace kvstone
