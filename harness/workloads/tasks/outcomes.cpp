#include "harness/workloads/tasks/outcomes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <span>

#include <fmt/format.h>

#include "harness/workloads/figure_writer.hpp"
#include "results/statistics/bootstrap.hpp"
#include "results/statistics/distributions.hpp"
#include "results/statistics/share.hpp"

namespace kvstone {
namespace {

/// Of an effect that a test at 5% finds in 80% of trials, in standard errors.
double detectable_errors() { return normal_quantile_above(0.025) + normal_quantile_above(0.2); }
/// Fewer flips, all one way, are not significant at 5%: 2 x 2^-5.
constexpr double least_significant_flips = 6;

/// The first of the best choices.
template <class Value>
std::size_t best(std::size_t choices, Value const& value) {
    std::size_t found = 0;
    for (std::size_t i = 1; i < choices; ++i)
        if (value(i) > value(found)) found = i;
    return found;
}
std::size_t answer(std::vector<ChoiceScore> const& scores) {
    return best(scores.size(), [&](std::size_t i) { return scores[i].log_likelihood; });
}
std::size_t answer_norm(std::vector<ChoiceScore> const& scores, std::vector<std::uint64_t> const& bytes) {
    return best(scores.size(), [&](std::size_t i) { return scores[i].log_likelihood / static_cast<double>(bytes[i]); });
}

/// Whether each item was answered rightly, with the codec and without.
struct Answers {
    std::vector<double> right, baseline;
};
using Rightness = bool (*)(ItemOutcome const& item, std::vector<ChoiceScore> const& scores);

Answers answers_of(std::vector<ItemOutcome> const& items, Rightness right) {
    Answers answers;
    for (auto const& item : items) {
        answers.right.push_back(right(item, item.scores) ? 1 : 0);
        answers.baseline.push_back(right(item, item.baseline_scores) ? 1 : 0);
    }
    return answers;
}

bool recalled(ItemOutcome const& item, std::vector<ChoiceScore> const& scores) { return scores[item.gold].greedy; }
bool chosen(ItemOutcome const& item, std::vector<ChoiceScore> const& scores) { return answer(scores) == item.gold; }
bool chosen_norm(ItemOutcome const& item, std::vector<ChoiceScore> const& scores) {
    return answer_norm(scores, item.answer_bytes) == item.gold;
}
bool is_recall(std::vector<ItemOutcome> const& items) { return items.front().scores.size() == 1; }
Rightness rightness(std::vector<ItemOutcome> const& items) { return is_recall(items) ? recalled : chosen; }

/// Places of the items that are drawn together.
std::vector<std::vector<std::size_t>> clusters_of(std::vector<ItemOutcome> const& items) {
    std::map<std::uint64_t, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < items.size(); ++i) groups[items[i].group].push_back(i);
    std::vector<std::vector<std::size_t>> clusters;
    if (is_recall(items) && groups.size() > 1) {
        for (auto& [group, places] : groups) clusters.push_back(std::move(places));
    } else {
        for (std::size_t i = 0; i < items.size(); ++i) clusters.push_back({i});
    }
    return clusters;
}

double chance_of(std::vector<ItemOutcome> const& items) {
    double sum = 0;
    for (auto const& item : items) sum += item.chance;
    return sum / static_cast<double>(items.size());
}

double mean(std::span<double const> values) {
    double sum = 0;
    for (auto const value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

/// Squared standard error of the mean: of clusters that are independent of one another, and no less than that of items
/// that all are, since few clusters may look alike by chance.
double variance_of_mean(std::span<double const> values, std::vector<std::vector<std::size_t>> const& clusters) {
    auto const middle = mean(values);
    double by_cluster = 0;
    double by_item = 0;
    for (auto const& cluster : clusters) {
        double apart = 0;
        for (auto const i : cluster) {
            apart += values[i] - middle;
            by_item += (values[i] - middle) * (values[i] - middle);
        }
        by_cluster += apart * apart;
    }
    auto const count = static_cast<double>(values.size());
    return std::max(by_cluster, by_item) / (count * count);
}

/// Wilson's interval of a share whose items may be clustered: over the number of independent items of equal variance,
/// which is at most their own.
Interval interval_of_share(std::span<double const> values, std::vector<std::vector<std::size_t>> const& clusters) {
    auto const share = mean(values);
    auto const count = static_cast<double>(values.size());
    auto const alone = share * (1 - share) / count;
    auto const effect = alone > 0 ? variance_of_mean(values, clusters) / alone : 1;
    return wilson_interval(share, count / effect);
}

/// Clusters are drawn anew, and in each its items: with few clusters the first alone would promise too much.
std::optional<Interval> bootstrap_mean(std::span<double const> values,
                                       std::vector<std::vector<std::size_t>> const& clusters) {
    if (values.size() < 2) return std::nullopt;
    return bootstrap_interval([&](std::mt19937_64& random) {
        double sum = 0;
        double count = 0;
        for (std::size_t drawn = 0; drawn < clusters.size(); ++drawn) {
            auto const& cluster = clusters[random() % clusters.size()];
            for (std::size_t i = 0; i < cluster.size(); ++i) sum += values[cluster[random() % cluster.size()]];
            count += static_cast<double>(cluster.size());
        }
        return sum / count;
    });
}

class Writer {
  public:
    Writer(std::vector<ItemOutcome> const& items, Measurement& measurement)
        : items_(&items), measurement_(&measurement), figures_(measurement, "kv"), clusters_(clusters_of(items)) {}

    void add(std::string const& metric, Rightness right) {
        auto const answers = answers_of(*items_, right);
        auto const share = [&](std::string const& name, std::vector<double> const& values) {
            figures_.add(name, mean(values), values.size(), interval_of_share(values, clusters_));
        };
        share(metric, answers.right);
        measurement_->samples.push_back({"kv", metric, answers.right});  // builds are compared item by item
        share("baseline_" + metric, answers.baseline);
        auto const differences = paired(answers);
        figures_.add(metric + "_delta", mean(differences), differences.size(), bootstrap_mean(differences, clusters_));
    }
    void add_flips(Rightness right) {
        auto const differences = paired(answers_of(*items_, right));
        auto const lost = static_cast<std::uint64_t>(std::ranges::count(differences, -1.0));
        auto const gained = static_cast<std::uint64_t>(std::ranges::count(differences, 1.0));
        auto const count = static_cast<double>(differences.size());
        figures_.add_count("flips_to_wrong", lost);
        figures_.add_count("flips_to_right", gained);
        figures_.add("mcnemar_p", sign_test_p(lost, gained));
        figures_.add(
            "minimum_detectable_effect",
            std::min(1.0, std::max(least_significant_flips / count,
                                   detectable_errors() * std::sqrt(variance_of_mean(differences, clusters_)))));
        figures_.add("chance_accuracy", chance_of(*items_));
        figures_.add_count("task_items", items_->size());
    }

  private:
    static std::vector<double> paired(Answers const& answers) {
        std::vector<double> differences;
        for (std::size_t i = 0; i < answers.right.size(); ++i)
            differences.push_back(answers.right[i] - answers.baseline[i]);
        return differences;
    }

    std::vector<ItemOutcome> const* items_;
    Measurement* measurement_;
    FigureWriter figures_;
    std::vector<std::vector<std::size_t>> clusters_;
};

}  // namespace

void add_task_figures(std::vector<ItemOutcome> const& items, bool same_continuation, Measurement& measurement) {
    Writer writer(items, measurement);
    writer.add(is_recall(items) ? "recall_accuracy" : "acc", rightness(items));
    if (!is_recall(items) && !same_continuation) writer.add("acc_norm", chosen_norm);
    writer.add_flips(rightness(items));
}

std::string poor_baseline(std::vector<ItemOutcome> const& items) {
    auto const right = answers_of(items, rightness(items)).baseline;
    auto const chance = chance_of(items);
    if (interval_of_share(right, clusters_of(items)).low > chance) return {};
    return fmt::format(
        "poor_baseline: without a codec the model answers {:.1f}% of {} items rightly, and guessing {:.1f}%: these "
        "figures tell nothing of a codec",
        100 * mean(right), items.size(), 100 * chance);
}

}  // namespace kvstone
