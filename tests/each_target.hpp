#pragma once
// Runs a test once for each kind of vector unit that this program and this processor have.

#include <gtest/gtest.h>

#include "backends/kernels/simd_target.hpp"

namespace kvstone {

template <class Test>
void on_each_target(Test const& test) {
    for (auto const& target : simd_targets()) {
        SCOPED_TRACE(target);
        limit_simd(target);
        test();
    }
    limit_simd("");
}

}  // namespace kvstone
