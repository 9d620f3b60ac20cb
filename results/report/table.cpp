#include "results/report/table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

/// Metrics that people look for first.
constexpr std::array<std::string_view, 31> first_metrics{"bits_per_value",
                                                         "kld_mean",
                                                         "nmse",
                                                         "attention_kl",
                                                         "decode_gb_per_s",
                                                         "encode_gb_per_s",
                                                         "decode_roofline",
                                                         "encode_roofline",
                                                         "decode_tokens_per_s",
                                                         "ppl_delta_percent",
                                                         "acc_delta",
                                                         "recall_accuracy",
                                                         "relative_error_l1",
                                                         "attention_output_error",
                                                         "cosine",
                                                         "ratio_vs_fp16",
                                                         "ratio_vs_fp32",
                                                         "prefill_tokens_per_s",
                                                         "top1_agreement",
                                                         "kld_p99",
                                                         "kld_p999",
                                                         "kld_max",
                                                         "large_kld_share",
                                                         "sure_top1_flips",
                                                         "ppl",
                                                         "mae",
                                                         "max_abs_error",
                                                         "append_ns_per_token",
                                                         "page_read_ns",
                                                         "peak_rss_bytes",
                                                         "compressed_read_fraction"};

std::size_t rank_of(std::string_view metric) {
    return static_cast<std::size_t>(std::ranges::find(first_metrics, metric) - first_metrics.begin());
}

std::vector<ReportCampaign> read_campaigns(Store const& store, std::string const& campaign) {
    std::vector<ReportCampaign> campaigns;
    Statement select(store.connection(),
                     "SELECT id, hardware_class FROM campaign WHERE ?1 IN ('', uid) ORDER BY started_utc, id");
    select.with(campaign);
    while (select.step()) campaigns.push_back({select.integer(0), select.text(1)});
    return campaigns;
}

void read_rows(Store const& store, ReportTable& table, std::size_t most_rows) {
    Statement select(store.connection(),
                     "SELECT cell, attempt, processes, status FROM v_outcome WHERE campaign = ? ORDER BY position");
    for (std::size_t i = table.campaigns.size(); i-- > 0;) {
        select.with(table.campaigns[i].number);
        while (select.step()) {
            if (table.rows.size() == most_rows) {
                ++table.rows_left_out;
                continue;
            }
            table.rows.push_back({static_cast<std::int64_t>(i), select.integer(0), select.integer(1), select.integer(2),
                                  select.text(3) == "ok"});
        }
    }
}

/// Columns by metric and component, filled row by row.
class Columns {
  public:
    Columns(Store const& store, std::size_t rows) : rows_(rows) {
        Statement select(store.connection(), "SELECT id, name FROM metric");
        while (select.step()) metrics_[select.integer(0)] = find_metric(select.text(1));
    }

    void set(std::size_t row, Statement const& figure) {
        auto const* metric = metrics_[figure.integer(0)];
        if (metric == nullptr || figure.is_null(2)) return;
        auto& column = column_of(metric, figure);
        if (column.values.empty()) column.values.assign(rows_, no_figure);
        column.values[row] = figure.real(2);
        if (figure.is_null(3) || figure.is_null(4)) return;
        if (column.low.empty()) {
            column.low.assign(rows_, no_figure);
            column.high.assign(rows_, no_figure);
        }
        column.low[row] = figure.real(3);
        column.high[row] = figure.real(4);
    }

    /// All columns, with one over the components of each metric.
    std::vector<ReportColumn> take() {
        std::vector<ReportColumn> all;
        std::map<Metric const*, std::vector<ReportColumn const*>> parts;
        for (auto& [key, column] : columns_) {
            std::tie(column.metric, column.component) = key;
            parts[key.first].push_back(&column);
        }
        for (auto const& [metric, of] : parts) all.push_back(together(of));
        for (auto& [key, column] : columns_)
            if (parts[key.first].size() > 1) all.push_back(std::move(column));
        std::ranges::stable_sort(all, [](ReportColumn const& a, ReportColumn const& b) {
            auto const key = [](ReportColumn const& c) {
                return std::tuple(!c.component.empty(), rank_of(c.metric->name), c.metric, c.component);
            };
            return key(a) < key(b);
        });
        return all;
    }

  private:
    /// Attempts have their figures in one order: most often the column is the one behind the last.
    ReportColumn& column_of(Metric const* metric, Statement const& figure) {
        auto const is_of = [&](auto const at) {
            return at != columns_.end() && at->first.first == metric && figure.equals(1, at->first.second);
        };
        if (last_ != columns_.end()) ++last_;
        if (!is_of(last_)) last_ = columns_.try_emplace({metric, figure.text(1)}).first;
        return last_->second;
    }

    /// Per row the figure of K and V together where there is one, else the worse of those that exist.
    ReportColumn together(std::vector<ReportColumn const*> const& parts) const {
        ReportColumn result;
        result.metric = parts.front()->metric;
        result.values.assign(rows_, no_figure);
        for (std::size_t row = 0; row < rows_; ++row) {
            ReportColumn const* chosen = nullptr;
            for (auto const* part : parts) {
                if (std::isnan(part->values[row])) continue;
                bool const worse = chosen == nullptr || (result.metric->better == Better::higher) ==
                                                            (part->values[row] < chosen->values[row]);
                if (part->component == "kv" || worse) chosen = part;
                if (part->component == "kv") break;
            }
            if (chosen == nullptr) continue;
            result.values[row] = chosen->values[row];
            if (chosen->low.empty() || std::isnan(chosen->low[row])) continue;
            if (result.low.empty()) {
                result.low.assign(rows_, no_figure);
                result.high.assign(rows_, no_figure);
            }
            result.low[row] = chosen->low[row];
            result.high[row] = chosen->high[row];
        }
        return result;
    }

    std::size_t rows_;
    std::map<std::int64_t, Metric const*> metrics_;
    std::map<std::pair<Metric const*, std::string>, ReportColumn> columns_;
    decltype(columns_)::iterator last_ = columns_.end();
};

}  // namespace

ReportTable read_report_table(Store const& store, std::string const& campaign, std::size_t most_rows) {
    ReportTable table;
    table.campaigns = read_campaigns(store, campaign);
    read_rows(store, table, most_rows);
    Columns columns(store, table.rows.size());
    Statement figure(store.connection(),
                     "SELECT metric, component, value, ci_low, ci_high FROM figure WHERE attempt = ?");
    Statement combined(
        store.connection(),
        "SELECT metric, component, value, ci_low, ci_high FROM combined WHERE campaign = ? AND cell = ?");
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        auto const& row = table.rows[i];
        if (!row.ok) continue;
        auto& figures = row.processes == 1
                            ? figure.with(row.attempt)
                            : combined.with(table.campaigns[static_cast<std::size_t>(row.campaign)].number, row.cell);
        while (figures.step()) columns.set(i, figures);
    }
    table.columns = columns.take();
    return table;
}

}  // namespace kvstone
