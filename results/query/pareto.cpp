#include "results/query/pareto.hpp"

#include <algorithm>
#include <map>
#include <ostream>

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include "results/query/show_text.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "results/store/schema.hpp"
#include "results/store/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::optional<double> number(Statement const& row, int column) {
    if (row.is_null(column)) return std::nullopt;
    return row.real(column);
}

/// Titles of columns, in the words of the other tables.
std::string title_of(std::string const& metric) {
    static std::map<std::string, std::string> const titles{{"kld_mean", "KLD mean"},
                                                           {"attention_kl", "att KL"},
                                                           {"nmse", "nmse"},
                                                           {"attention_output_error", "out err"},
                                                           {"acc_delta", "acc diff"},
                                                           {"recall_accuracy_delta", "rec diff"},
                                                           {"prefill_tokens_per_s", "prefill/s"},
                                                           {"decode_tokens_per_s", "decode/s"},
                                                           {"decode_gb_per_s", "dec GB/s"}};
    auto const found = titles.find(metric);
    return found == titles.end() ? metric : found->second;
}

/// Of shares of tasks, as v_pareto has them.
bool is_difference(std::string_view error_metric) { return error_metric.ends_with("_delta"); }

std::string_view remark_on(std::string_view error_metric) {
    if (error_metric == "nmse") return ", the worse of K's and V's";
    if (error_metric == "attention_output_error")
        return ", as codecs that drop tokens are among them: their attention_kl is infinite";
    if (is_difference(error_metric)) return ", of which more is better";
    return {};
}

std::string remark_of(ParetoRow const& row) {
    std::string remark = row.rival.empty() ? "" : "within the intervals of " + row.rival;
    if (!row.reason.empty()) remark += (remark.empty() ? "" : "; ") + row.reason;
    return remark;
}

void show_front(std::ostream& out, Screen const& screen, std::vector<ParetoRow const*> const& front) {
    bool const timed = std::ranges::any_of(front, [](auto const* row) { return !row->speed_metric.empty(); });
    bool const remarks = std::ranges::any_of(front, [](auto const* row) { return !remark_of(*row).empty(); });
    auto const& first =
        **std::ranges::max_element(front, {}, [](auto const* row) { return !row->speed_metric.empty(); });
    std::vector<TextTable::Column> columns{
        {"codec"}, {"bits/val", true}, {title_of(first.error_metric), true}, {"95% interval", true}};
    if (timed) columns.insert(columns.end(), {{title_of(first.speed_metric), true}, {"95% interval", true}});
    if (remarks) columns.push_back({"remark"});
    TextTable table(std::move(columns), 1);
    for (auto const* row : front) {
        std::vector<std::string> cells{
            row->codec_name, fmt::format("{:.3f}", *row->bits_per_value),
            formatted(is_difference(row->error_metric) ? Notation::decimals : Notation::error, row->error.value),
            interval_text(row->error)};
        if (timed) {
            cells.push_back(row->speed_metric.empty() ? "-" : formatted(Notation::ratio, row->speed.value));
            cells.push_back(interval_text(row->speed));
        }
        if (remarks) cells.push_back(remark_of(*row));
        table.add(std::move(cells));
    }
    table.print(out, screen);
}

void show_peers(std::ostream& out, Screen const& screen, Peers const& peers) {
    auto const say = [&](std::string const& words) { fmt::print(out, "{}\n", wrapped(words, screen.columns, 2)); };
    fmt::print(out, "\n{}\n", screen.bold(wrapped(peers.title, screen.columns, 2)));
    std::vector<ParetoRow const*> front;
    std::string beaten;
    bool bounded_speed = true;
    for (auto const& row : peers.rows) {
        if (!row.left_out.empty()) continue;
        if (row.beaten_by.empty())
            front.push_back(&row);
        else
            beaten += fmt::format("{}{} by {}", beaten.empty() ? "" : ", ", row.codec_name, row.beaten_by);
        bounded_speed = bounded_speed && (row.speed_metric.empty() || row.speed.low.has_value());
    }
    if (front.empty()) {
        say("No codec to compare.");
    } else {
        std::ranges::stable_sort(front, {}, [](auto const* row) { return *row->bits_per_value; });
        show_front(out, screen, front);
        auto const& first = *front.front();
        if (first.error_metric != "kld_mean")
            say(fmt::format("No KLD here: the error is {}{}.", first.error_metric, remark_on(first.error_metric)));
        if (std::ranges::all_of(front, [](auto const* row) { return row->speed_metric.empty() && !row->is_command; }))
            say("Nothing was timed: bits and error alone are compared.");
        if (std::ranges::any_of(front, [](auto const* row) { return row->is_command; }))
            say(fmt::format("Times of a command are {}.", times_of_a_command));
        if (!bounded_speed) say("A speed of fewer than 6 samples has no interval: its value alone counts.");
    }
    if (!beaten.empty()) say("Beaten: " + beaten);
    if (auto const left_out = left_out_text(peers); !left_out.empty()) say("Left out: " + left_out);
}

}  // namespace

void require_pareto(Store const& store) {
    if (!has_view(store, "v_pareto"))
        throw ConfigError("the database is of an older schema: `kvstone run` into it once brings it up to date");
}

QueryResult pareto_rows(Store const& store, std::string const& campaign) {
    require_pareto(store);
    return query(store, pareto_sql("c.uid = ?1"), {campaign_meant(store, campaign)});
}

std::vector<Peers> read_peers(Store const& store, std::string const& campaign) {
    require_pareto(store);
    std::vector<Peers> groups;
    std::map<std::string, std::size_t> places;
    Statement row(store.connection(),
                  "SELECT peers, " + title_sql("nullif(options, '{}')") +
                      ", cell, codec_name, reason, bits_per_value, error_metric, error, error_low, error_high, "
                      "speed_metric, speed, speed_low, speed_high, left_out, beaten_by, rival, times_of <> 'attempt' "
                      "FROM (SELECT *, source AS "
                      "source_name FROM (" +
                      pareto_sql("c.uid = ?1") + "))");
    row.with(campaign);
    while (row.step()) {
        auto const [place, added] = places.emplace(row.text(0), groups.size());
        if (added) groups.push_back({row.text(1), {}});
        groups[place->second].rows.push_back({row.text(2),
                                              row.text(3),
                                              row.text(4),
                                              number(row, 5),
                                              row.text(6),
                                              {row.real(7), number(row, 8), number(row, 9)},
                                              row.text(10),
                                              {row.real(11), number(row, 12), number(row, 13)},
                                              row.text(14),
                                              row.text(15),
                                              row.text(16),
                                              row.integer(17) != 0});
    }
    return groups;
}

std::string left_out_text(Peers const& peers) {
    std::map<std::string, std::vector<std::string>> reasons;
    for (auto const& row : peers.rows)
        if (!row.left_out.empty()) reasons[row.left_out].push_back(row.codec_name);
    std::string text;
    for (auto const& [reason, codecs] : reasons)
        text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", codecs.size(), reason, fmt::join(codecs, ", "));
    return text;
}

std::string interval_text(Estimate const& figure) {
    if (!figure.low || !figure.high) return "-";
    return fmt::format("{:.3g}..{:.3g}", *figure.low, *figure.high);
}

void show_pareto(Store const& store, std::ostream& out, ShowOptions const& options) {
    auto const campaign = campaign_meant(store, options.campaign);
    auto const groups = read_peers(store, campaign);
    fmt::print(out, "{}\n",
               wrapped(fmt::format("Codecs of campaign {} that no other codec beats in bits per value, error and speed "
                                   "together. A difference within the intervals does not count.",
                                   campaign),
                       options.screen.columns));
    for (auto const& peers : groups) show_peers(out, options.screen, peers);
}

}  // namespace kvstone
