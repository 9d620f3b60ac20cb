#include "tests/bench/attention/peak.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/bench/attention/peak.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

std::int64_t MultiplyAddChains(std::int64_t steps, double& result) {
    hn::ScalableTag<double> const d;
    constexpr int chains = 12;  // more than any processor needs, and they fit 16 registers
    hn::Vec<decltype(d)> sum[chains];
#pragma GCC unroll 12
    for (int chain = 0; chain < chains; ++chain) sum[chain] = hn::Set(d, result + chain);
    auto const factor = hn::Set(d, 0.999999), added = hn::Set(d, 1e-9);
    for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 12
        for (int chain = 0; chain < chains; ++chain) sum[chain] = hn::MulAdd(sum[chain], factor, added);
    }
    auto all = hn::Zero(d);
#pragma GCC unroll 12
    for (int chain = 0; chain < chains; ++chain) all = hn::Add(all, sum[chain]);
    result += hn::ReduceSum(d, all);
    return steps * chains * static_cast<std::int64_t>(hn::Lanes(d));
}

}  // namespace kvstone::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone::bench {

HWY_EXPORT(MultiplyAddChains);

std::int64_t multiply_add_chains(std::int64_t steps, double& result) {
    return HWY_DYNAMIC_DISPATCH(MultiplyAddChains)(steps, result);
}

}  // namespace kvstone::bench
#endif
