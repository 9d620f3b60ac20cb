#pragma once
// Several numbers a row, of one metric.

#include <string>
#include <vector>

namespace kvstone {

struct RowSeries {
    std::string metric;
    std::string component;
    std::vector<std::vector<double>> rows;  ///< for each row of the table its numbers; empty: none
};

}  // namespace kvstone
