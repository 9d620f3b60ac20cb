#pragma once
// Rules for the number of timed passes, by the uncertainty of their median.

#include <functional>
#include <vector>

#include "results/statistics/median.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// Decides after each pass.
class StoppingRule {
  public:
    virtual ~StoppingRule() = default;
    virtual void add(double pass_ns) = 0;
    virtual bool done() const = 0;
};

/// At least `repetitions` passes and `min_time_s` in sum; then until the half-width of the median's interval is at most
/// 2% of the median, or a cap is reached: 4 x min_time_s in sum, or 1,000 passes.
class MedianIntervalRule final : public StoppingRule {
  public:
    static constexpr double relative_half_width = 0.02;
    static constexpr double time_cap_factor = 4;
    static constexpr std::size_t pass_cap = 1000;

    MedianIntervalRule(int repetitions, double min_time_s) : repetitions_(repetitions), min_time_s_(min_time_s) {}
    void add(double pass_ns) override;
    bool done() const override;

  private:
    int repetitions_;
    double min_time_s_;
    double sum_s_ = 0;
    std::vector<double> samples_;
};

/// Calls `pass` once; where times are taken, repeats it until measure.warm_up() is over. With a cache of some tens of
/// megabytes the first 20 to 30 passes may take twice as long as later ones.
void warm_up(Measure const& measure, std::function<void()> const& pass);

}  // namespace kvstone
