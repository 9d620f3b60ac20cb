#include "results/report/page_data.hpp"

#include <array>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "results/query/candidates.hpp"
#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/record/metrics.hpp"
#include "results/record/utc.hpp"
#include "results/report/json_text.hpp"
#include "results/report/positions.hpp"
#include "results/report/quantiles.hpp"
#include "results/report/table.hpp"
#include "results/report/verdicts.hpp"
#include "results/statistics/change_points.hpp"
#include "results/store/schema.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

std::string json_value(QueryValue const& value) {
    if (auto const* text = std::get_if<std::string>(&value)) return json_text(*text);
    if (auto const* integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
    if (auto const* real = std::get_if<double>(&value)) return json_number(*real);
    return "null";
}

/// Rows as objects.
std::string json_rows(QueryResult const& result) {
    JsonList list;
    for (auto const& row : result.rows) {
        JsonObject object;
        for (std::size_t i = 0; i < row.size(); ++i)
            if (!std::holds_alternative<std::nullptr_t>(row[i])) object.add(result.columns[i], json_value(row[i]));
        list.add(object.text());
    }
    return list.text();
}

/// Room in the page for a row: a third for its circumstances, two thirds for the figures that people look for first.
constexpr std::size_t bytes_for_a_row = 300;

struct TextColumn {
    std::string_view name;
    Dictionary texts;
    JsonList places;
};

void add_rows(Store const& store, ReportTable const& table, JsonObject& data) {
    // The columns of the statement that are texts, then those that are numbers.
    std::array<TextColumn, 14> texts{{{"workload", {}, {}},
                                      {"source", {}, {}},
                                      {"codec", {}, {}},
                                      {"codec_text", {}, {}},
                                      {"backend", {}, {}},
                                      {"options", {}, {}},
                                      {"status", {}, {}},
                                      {"reason", {}, {}},
                                      {"protocol", {}, {}},
                                      {"task", {}, {}},
                                      {"device", {}, {}},
                                      {"host", {}, {}},
                                      {"vector_units", {}, {}},
                                      {"cell", {}, {}}}};
    std::array<std::pair<std::string_view, JsonList>, 7> numbers{{{"context", {}},
                                                                  {"batch", {}},
                                                                  {"page", {}},
                                                                  {"threads", {}},
                                                                  {"wall_s", {}},
                                                                  {"roofline_gb_per_s", {}},
                                                                  {"processes", {}}}};
    JsonList campaigns;
    JsonList finished;
    Statement select(
        store.connection(),
        "SELECT workload, source_name, codec_name, codec, backend, options, status, reason, protocol, task, "
        "device, host.name, host.vector_units, x.uid, context, batch, page, coalesce(a.threads, x.threads), wall_ns / "
        "1e9, "
        "roofline_gb_per_s, ?2, finished_utc FROM attempt a JOIN cell x ON x.id = a.cell LEFT JOIN "
        "host ON host.id = a.host WHERE a.id = ?1");
    for (auto const& row : table.rows) {
        if (!select.with(row.attempt, row.processes).step()) continue;
        int column = 0;
        for (auto& of : texts) of.places.add(fmt::format("{}", of.texts.place_of(select.text(column++))));
        for (auto& of : numbers) {
            of.second.add(select.is_null(column) ? "null" : json_number(select.real(column)));
            ++column;
        }
        finished.add(json_text(select.text(column)));
        campaigns.add(fmt::format("{}", row.campaign));
    }
    JsonObject rows;
    JsonObject dictionaries;
    rows.add("campaign", campaigns.text());
    rows.add("finished_utc", finished.text());
    for (auto const& of : texts) {
        rows.add(of.name, of.places.text());
        dictionaries.add(of.name, of.texts.json());
    }
    for (auto const& of : numbers) rows.add(of.first, of.second.text());
    data.add("texts", dictionaries.text());
    data.add("rows", rows.text());
}

std::string json_numbers(std::vector<double> const& values) {
    JsonList list;
    for (double const value : values) list.add(json_number(value));
    return list.text();
}

/// The metrics' names, and as many of their figures as there is room for. Returns how many were left out.
std::size_t add_figures(ReportTable const& table, JsonObject& data, std::size_t limit_bytes) {
    JsonList names;
    for (auto const& column : table.columns) {
        JsonObject metric;
        metric.add("name", json_text(column.metric->name));
        metric.add("component", json_text(column.component));
        metric.add("unit", json_text(column.metric->unit));
        metric.add("better", json_text(name_of(column.metric->better)));
        metric.add("deterministic", column.metric->deterministic ? "true" : "false");
        if (is_speed(*column.metric)) metric.add("speed", "true");
        metric.add("formula", json_text(column.metric->formula));
        names.add(metric.text());
    }
    data.add("metrics", names.text());
    auto const add_interval = [&](std::size_t i) {
        auto const& column = table.columns[i];
        if (column.low.empty()) return;
        data.add_within(limit_bytes, fmt::format("l{}", i), json_numbers(column.low));
        data.add_within(limit_bytes, fmt::format("h{}", i), json_numbers(column.high));
    };
    std::size_t left_out = 0;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        auto const& column = table.columns[i];
        if (!data.add_within(limit_bytes, fmt::format("v{}", i), json_numbers(column.values))) ++left_out;
        if (column.component.empty()) add_interval(i);
    }
    // The remaining room is for the intervals of K and V apart.
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        if (!table.columns[i].component.empty()) add_interval(i);
    return left_out;
}

/// Their names, and as many of them as there is room for, in <prefix><i>. Returns how many were left out.
std::size_t add_series(std::vector<RowSeries> const& columns, std::string_view name, char prefix, JsonObject& data,
                       std::size_t limit_bytes) {
    JsonList names;
    std::size_t left_out = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) {
        names.add(fmt::format(R"({{"metric":{},"component":{}}})", json_text(columns[i].metric),
                              json_text(columns[i].component)));
        JsonList rows;
        for (auto const& row : columns[i].rows) rows.add(row.empty() ? "0" : json_numbers(row));
        if (!data.add_within(limit_bytes, fmt::format("{}{}", prefix, i), rows.text())) ++left_out;
    }
    data.add(name, names.text());
    return left_out;
}

std::string moves(ReportTable const& table) {
    // A cell's rows on one class of hardware, oldest first.
    std::map<std::pair<std::int64_t, std::string>, std::vector<std::size_t>> histories;
    for (std::size_t i = table.rows.size(); i-- > 0;) {
        auto const& campaign = table.campaigns[static_cast<std::size_t>(table.rows[i].campaign)];
        histories[{table.rows[i].cell, campaign.hardware_class}].push_back(i);
    }
    JsonList list;
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
        auto const& of = table.columns[column];
        if (!of.component.empty()) break;
        for (auto const& [key, rows] : histories) {
            if (rows.size() < 2) continue;
            std::vector<std::size_t> known;
            std::vector<double> series;
            for (auto const row : rows) {
                if (std::isnan(of.values[row])) continue;
                known.push_back(row);
                series.push_back(of.values[row]);
            }
            for (auto const place : change_points(series, of.metric->deterministic))
                list.add(fmt::format("[{},{}]", column, known[place]));
        }
    }
    return list.text();
}

/// Rows of a view, of all campaigns or of one; at most `most`, and how many there are in `<name>_count`.
void add_view(Store const& store, JsonObject& data, std::string const& name, std::string const& columns,
              std::string const& from, std::string const& campaign) {
    constexpr int most = 500;
    auto const where = " FROM " + from + " AND ?1 IN ('', campaign)";
    auto const count = query(store, "SELECT count(*)" + where, {campaign});
    data.add(name + "_count", json_value(count.rows.at(0).at(0)));
    data.add(name, json_rows(query(store, "SELECT " + columns + where + fmt::format(" LIMIT {}", most), {campaign})));
}

/// Pairs of weights and codec by all their bytes, where answers of several files of weights were compared with one reference
/// model's. A database that no build since has opened for writing lacks the view.
void add_totals(Store const& store, JsonObject& data, std::string const& campaign) {
    auto const any =
        query(store, "SELECT 1 FROM cell WHERE json_extract(source, '$.reference_sha256') IS NOT NULL LIMIT 1");
    if (any.rows.empty() || !has_view(store, "v_pareto_total")) return;
    auto const front = pareto_total_sql("?1 IN ('', c.uid)");
    data.add("totals",
             json_rows(query(store,
                             "WITH t AS MATERIALIZED (SELECT campaign, cell, source, peers, weights_bytes, "
                             "cache_bytes, compute_bytes, total_bytes FROM (" +
                                 front +
                                 ") WHERE left_out IS NULL) SELECT * FROM t WHERE peers IN (SELECT peers FROM "
                                 "t GROUP BY peers HAVING count(DISTINCT source) > 1)",
                             {campaign})));
}

/// Facts that differ between campaigns.
std::string environment(Store const& store, std::string const& campaign) {
    return json_rows(
        query(store,
              "WITH e AS MATERIALIZED (SELECT * FROM v_environment WHERE ?1 IN ('', campaign)) SELECT kind, "
              "name, json_group_object(campaign, value) AS \"values\" FROM e GROUP BY kind, name HAVING "
              "count(DISTINCT value) > 1 OR count(*) < (SELECT count(DISTINCT campaign) FROM e) ORDER BY "
              "kind, name",
              {campaign}));
}

/// A list of their canonical texts; empty where there are none.
std::string codecs_that_are_commands(Store const& store) {
    JsonList list;
    Statement select(store.connection(),
                     "SELECT DISTINCT codec FROM cell WHERE " + times_of_sql("codec") + " = 'command'");
    bool any = false;
    for (; select.step(); any = true) list.add(json_text(select.text(0)));
    return any ? list.text() : std::string();
}

/// Doubts about intervals over passages, by the number of passages.
std::string doubts(ReportTable const& table) {
    JsonObject object;
    for (auto const& column : table.columns) {
        if (column.metric->name != "passages" || !column.component.empty()) continue;
        std::set<std::uint64_t> counts;
        for (double const value : column.values)
            if (value >= 0) counts.insert(static_cast<std::uint64_t>(value));
        for (auto const count : counts)
            if (auto const doubt = doubt_of_passages(count); !doubt.empty())
                object.add(fmt::format("{}", count), json_text(doubt));
    }
    return object.text();
}

std::string notes(ReportTable const& table, std::size_t metrics_left_out, std::size_t samples_left_out,
                  std::size_t positions_left_out) {
    JsonList list;
    auto const note = [&](std::int64_t count, std::string_view text) {
        if (count > 0) list.add(json_text(fmt::format("{} {}", count, text)));
    };
    note(table.rows_left_out, "older results are not in this page: report one campaign (--campaign) to see them");
    note(static_cast<std::int64_t>(metrics_left_out), "columns of figures are not in this page, for its size");
    note(static_cast<std::int64_t>(samples_left_out), "series of samples are not in this page, for its size");
    note(static_cast<std::int64_t>(positions_left_out), "metrics along positions are not in this page, for its size");
    return list.text();
}

}  // namespace

std::string page_data(Store const& store, ReportOptions const& options) {
    ReadTransaction const transaction(store.connection());
    auto const table = read_report_table(store, options.campaign, options.limit_bytes / bytes_for_a_row);
    JsonObject data;
    data.add("name", json_text(options.name));
    data.add("generated_utc", json_text(utc_now()));
    data.add("version", json_text(this_build().version));
    data.add("schema", fmt::format("{}", schema_version()));
    auto const campaigns = query(store,
                                 "SELECT campaign, scenario, started_utc, cells, ok, failed, skipped, missing, " +
                                     campaign_build_sql("v_campaign.campaign") +
                                     " AS build, build_type, toolchain, hardware_class, hardware FROM v_campaign WHERE "
                                     "?1 IN ('', campaign)",
                                 {options.campaign});
    data.add("campaigns", json_rows(campaigns));
    add_rows(store, table, data);
    add_view(
        store, data, "failures",
        "campaign, cell, workload, source, context, codec_name, status, reason, signal, substr(stderr_tail, -400) AS "
        "stderr_tail, host",
        "v_failures WHERE NOT repeated", options.campaign);
    add_view(store, data, "missing", "campaign, cell, workload, source, context, codec_name, required",
             "v_missing WHERE status IS NULL", options.campaign);
    add_totals(store, data, options.campaign);
    data.add("environment", environment(store, options.campaign));
    data.add("verdicts", json_rows(gate_verdicts(store)));
    if (auto const commands = codecs_that_are_commands(store); !commands.empty()) {
        data.add("commands", commands);
        data.add("times_of_a_command", json_text(times_of_a_command));
    }
    data.add("moves", moves(table));
    data.add("false_alarms", json_number(change_point_false_alarms_per_100_nights));
    // Samples take the last sixth, so that K's and V's own figures do not push them out.
    auto const metrics_left_out = add_figures(table, data, options.limit_bytes / 6 * 5);
    auto const samples_left_out = add_series(read_quantiles(store, table), "samples", 'q', data, options.limit_bytes);
    auto const positions_left_out =
        add_series(read_positions(store, table), "positions", 'p', data, options.limit_bytes);
    data.add("passage_doubts", doubts(table));
    data.add("notes", notes(table, metrics_left_out, samples_left_out, positions_left_out));
    return data.text();
}

}  // namespace kvstone
