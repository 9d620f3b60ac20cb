#include "codecs/kernels/random_sketch.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "backends/normal.hpp"
#include "backends/philox.hpp"
#include "codecs/not_applicable.hpp"

namespace kvstone {
namespace {

/// Row r of N(0, 1): values 4 i to 4 i + 3 from the words of counter (i, r, 0, 0) of Philox, the seed its key.
std::vector<double> normal_row(std::uint64_t row, std::uint64_t dim, std::uint64_t seed) {
    std::vector<double> values;
    for (std::uint32_t i = 0; values.size() < dim; ++i) {
        auto const words = philox({i, static_cast<std::uint32_t>(row), 0, 0},
                                  {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
        for (auto const& [first, second] : {normal_pair(words[0], words[1]), normal_pair(words[2], words[3])}) {
            values.push_back(first);
            values.push_back(second);
        }
    }
    values.resize(dim);
    return values;
}

double product(std::vector<double> const& left, std::vector<double> const& right) {
    double sum = 0;
    for (std::size_t i = 0; i < left.size(); ++i) sum += left[i] * right[i];
    return sum;
}

/// Rows made orthogonal to those before them, of length sqrt(d). Twice: once leaves what rounding makes.
void make_orthogonal(std::vector<std::vector<double>>& rows) {
    for (std::size_t r = 0; r < rows.size(); ++r) {
        auto& row = rows[r];
        for (int pass = 0; pass < 2; ++pass) {
            for (std::size_t before = 0; before < r; ++before) {
                auto const share = product(row, rows[before]) / static_cast<double>(row.size());
                for (std::size_t i = 0; i < row.size(); ++i) row[i] -= share * rows[before][i];
            }
        }
        auto const factor = std::sqrt(static_cast<double>(row.size()) / product(row, row));
        for (auto& value : row) value *= factor;
    }
}

}  // namespace

std::uint64_t SketchBook::rows(std::uint64_t dim) const {
    auto const wanted = std::ceil(rows_per_value_ * static_cast<double>(dim) / 8 - 1e-9);
    return 8 * std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
}

void SketchBook::prepare(char const* stage, std::uint64_t dim) const {
    if (dim > most_sketched_values) {
        throw NotApplicable(fmt::format("{} takes vectors that are not as long", stage), std::to_string(dim),
                            {fmt::format("up to {} values", most_sketched_values)});
    }
    std::scoped_lock const lock(mutex_);
    if (!matrices_.contains(dim)) matrices_.emplace(dim, made(dim));
}

float const* SketchBook::prepared(std::uint64_t dim) const {
    std::scoped_lock const lock(mutex_);
    return matrices_.at(dim).data();
}

std::vector<double> SketchBook::reach(std::uint64_t dim) const {
    auto const* const elements = prepared(dim);
    std::vector<double> sums(dim, 0.0);
    for (std::uint64_t r = 0; r < rows(dim); ++r) {
        auto const* const row = elements + r * stride(dim);
        for (std::uint64_t i = 0; i < dim; ++i) sums[i] += std::fabs(static_cast<double>(row[i]));
    }
    for (auto& sum : sums) sum *= root_of_half_pi / static_cast<double>(rows(dim));
    return sums;
}

std::vector<float> SketchBook::made(std::uint64_t dim) const {
    std::vector<float> elements(rows(dim) * stride(dim), 0.0F);
    for (std::uint64_t first = 0; first < rows(dim); first += dim) {
        std::vector<std::vector<double>> block;
        for (auto r = first; r < std::min(first + dim, rows(dim)); ++r) block.push_back(normal_row(r, dim, seed_));
        if (matrix_ == SketchMatrix::orthogonal) make_orthogonal(block);
        for (std::size_t r = 0; r < block.size(); ++r) {
            std::ranges::transform(block[r], elements.begin() + static_cast<std::ptrdiff_t>((first + r) * stride(dim)),
                                   [](double value) { return static_cast<float>(value); });
        }
    }
    return elements;
}

}  // namespace kvstone
