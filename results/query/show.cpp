#include "results/query/show.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <ostream>
#include <unordered_map>

#include <fmt/ostream.h>

#include "results/query/query.hpp"
#include "results/query/show_bounds.hpp"
#include "results/query/show_budgets.hpp"
#include "results/query/show_lengths.hpp"
#include "results/query/show_text.hpp"
#include "results/record/metrics.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "results/store/schema.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

/// One column of the table: a figure of one component. A table leaves out the columns that none of its codecs has.
struct Column {
    std::string_view title;
    std::string_view component;
    std::string_view metric;
    Notation notation;
};
constexpr std::array columns{Column{"bits/val", "kv", "bits_per_value", Notation::ratio},
                             Column{"vs fp16", "kv", "ratio_vs_fp16", Notation::ratio},
                             Column{"K cosine", "k", "cosine", Notation::decimals},
                             Column{"K nmse", "k", "nmse", Notation::error},
                             Column{"V cosine", "v", "cosine", Notation::decimals},
                             Column{"V nmse", "v", "nmse", Notation::error},
                             Column{"K nmse 1", "k", "first_cycle_nmse", Notation::error},
                             Column{"K nmse n", "k", "last_cycle_nmse", Notation::error},
                             Column{"K drift", "k", "cycle_drift", Notation::error},
                             Column{"V nmse 1", "v", "first_cycle_nmse", Notation::error},
                             Column{"V nmse n", "v", "last_cycle_nmse", Notation::error},
                             Column{"V drift", "v", "cycle_drift", Notation::error},
                             Column{"K word", "k", "entropy_word_bits", Notation::ratio},
                             Column{"K high", "k", "entropy_high_byte_bits", Notation::ratio},
                             Column{"K chan", "k", "entropy_per_channel_bits", Notation::ratio},
                             Column{"K past", "k", "entropy_given_previous_token_bits", Notation::ratio},
                             Column{"K bound", "k", "entropy_ratio_bound_vs_fp16", Notation::ratio},
                             Column{"V word", "v", "entropy_word_bits", Notation::ratio},
                             Column{"V high", "v", "entropy_high_byte_bits", Notation::ratio},
                             Column{"V chan", "v", "entropy_per_channel_bits", Notation::ratio},
                             Column{"V past", "v", "entropy_given_previous_token_bits", Notation::ratio},
                             Column{"V bound", "v", "entropy_ratio_bound_vs_fp16", Notation::ratio},
                             Column{"K var", "k", "channel_variance_ratio", Notation::ratio},
                             Column{"K sq", "k", "channel_second_moment_ratio", Notation::ratio},
                             Column{"K PCA", "k", "pca_eigenvalue_ratio", Notation::ratio},
                             Column{"pre var", "k_prerope", "channel_variance_ratio", Notation::ratio},
                             Column{"pre sq", "k_prerope", "channel_second_moment_ratio", Notation::ratio},
                             Column{"pre PCA", "k_prerope", "pca_eigenvalue_ratio", Notation::ratio},
                             Column{"V var", "v", "channel_variance_ratio", Notation::ratio},
                             Column{"V sq", "v", "channel_second_moment_ratio", Notation::ratio},
                             Column{"V PCA", "v", "pca_eigenvalue_ratio", Notation::ratio},
                             Column{"logit err", "kv", "attention_logit_error", Notation::error},
                             Column{"att KL", "kv", "attention_kl", Notation::error},
                             Column{"KL 99.9%", "kv", "attention_kl_p999", Notation::error},
                             Column{"out err", "kv", "attention_output_error", Notation::error},
                             Column{"err 99.9%", "kv", "attention_output_error_p999", Notation::error},
                             Column{"top 8", "kv", "attention_top8_overlap", Notation::decimals},
                             Column{"top worst", "kv", "attention_top8_overlap_p001", Notation::ratio},
                             Column{"kept", "kv", "kept_share", Notation::ratio},
                             Column{"mass", "kv", "attention_mass_kept", Notation::ratio},
                             Column{"ppl", "kv", "ppl", Notation::ratio},
                             Column{"ppl +%", "kv", "ppl_delta_percent", Notation::ratio},
                             Column{"KLD mean", "kv", "kld_mean", Notation::error},
                             Column{"KLD p99", "kv", "kld_p99", Notation::error},
                             Column{"top-1", "kv", "top1_agreement", Notation::ratio},
                             Column{"diverges", "kv", "first_divergence_token", Notation::ratio},
                             Column{"exact", "kv", "exact_match", Notation::ratio},
                             Column{"acc", "kv", "acc", Notation::ratio},
                             Column{"acc diff", "kv", "acc_delta", Notation::ratio},
                             Column{"acc norm", "kv", "acc_norm", Notation::ratio},
                             Column{"recall", "kv", "recall_accuracy", Notation::ratio},
                             Column{"rec diff", "kv", "recall_accuracy_delta", Notation::ratio},
                             Column{"lost", "kv", "flips_to_wrong", Notation::count},
                             Column{"won", "kv", "flips_to_right", Notation::count},
                             Column{"least diff", "kv", "minimum_detectable_effect", Notation::ratio},
                             Column{"read", "kv", "compressed_read_fraction", Notation::ratio},
                             Column{"entries", "kv", "entries", Notation::count},
                             Column{"hits", "kv", "block_hits", Notation::count},
                             Column{"blk rate", "kv", "block_hit_rate", Notation::decimals},
                             Column{"tok rate", "kv", "token_hit_rate", Notation::decimals},
                             Column{"req any", "kv", "request_any_hit_rate", Notation::decimals},
                             Column{"req all", "kv", "request_all_hit_rate", Notation::decimals},
                             Column{"evicted", "kv", "evictions", Notation::count},
                             Column{"saved %", "kv", "time_saved_percent", Notation::ratio},
                             Column{"prefill/s", "kv", "prefill_tokens_per_s", Notation::ratio},
                             Column{"decode/s", "kv", "decode_tokens_per_s", Notation::ratio},
                             Column{"prefill/J", "kv", "prefill_tokens_per_joule", Notation::ratio},
                             Column{"decode/J", "kv", "decode_tokens_per_joule", Notation::ratio},
                             Column{"enc GB/s", "kv", "encode_gb_per_s", Notation::ratio},
                             Column{"enc M", "kv", "encode_roofline", Notation::ratio},
                             Column{"dec GB/s", "kv", "decode_gb_per_s", Notation::ratio},
                             Column{"dec M", "kv", "decode_roofline", Notation::ratio},
                             Column{"enc J/GB", "kv", "encode_joules_per_gb", Notation::ratio},
                             Column{"dec J/GB", "kv", "decode_joules_per_gb", Notation::ratio},
                             Column{"enc instr", "kv", "encode_instructions", Notation::ratio},
                             Column{"enc L1", "kv", "encode_l1_misses", Notation::decimals},
                             Column{"dec instr", "kv", "decode_instructions", Notation::ratio},
                             Column{"dec L1", "kv", "decode_l1_misses", Notation::decimals},
                             Column{"app bits", "kv", "append_bits_per_value", Notation::ratio},
                             Column{"app ns/tok", "kv", "append_ns_per_token", Notation::ratio},
                             Column{"app GB/s", "kv", "append_gb_per_s", Notation::ratio},
                             Column{"page ns", "kv", "page_read_ns", Notation::ratio},
                             Column{"page GB/s", "kv", "page_read_gb_per_s", Notation::ratio},
                             Column{"read GB/s", "kv", "attention_read_gb_per_s", Notation::ratio},
                             Column{"x fp16", "kv", "speedup_vs_fp16", Notation::ratio},
                             Column{"x ggml f16", "kv", "speedup_vs_ggml_f16", Notation::ratio},
                             Column{"x ggml", "kv", "speedup_vs_ggml", Notation::ratio},
                             Column{"step err", "kv", "attention_step_error", Notation::error}};

/// Figures of a model's answers: left out where it only guesses without one.
constexpr auto of_answers =
    "'acc', 'acc_delta', 'acc_norm', 'recall_accuracy', 'recall_accuracy_delta', 'flips_to_wrong', 'flips_to_right', "
    "'minimum_detectable_effect'";

/// A figure of a column's component; where a source gives K or V alone, "kv" is that one.
struct ShownFigure {
    double value = 0;
    bool exact = false;
};

struct CellRow {
    std::string codec;
    std::string status = "missing";
    bool is_command = false;
    std::array<std::optional<ShownFigure>, columns.size()> figures;

    bool has_times_of_command(std::size_t column) const {
        auto const* metric = find_metric(columns[column].metric);
        return is_command && figures[column] && metric != nullptr && is_speed(*metric);
    }
    bool has_energy() const {
        for (std::size_t i = 0; i < columns.size(); ++i)
            if (auto const* metric = find_metric(columns[i].metric);
                figures[i] && metric != nullptr && is_energy(*metric))
                return true;
        return false;
    }
    bool has_any_times_of_command() const {
        for (std::size_t i = 0; i < columns.size(); ++i)
            if (has_times_of_command(i)) return true;
        return false;
    }
    void take(std::string_view component, std::string_view metric, double value) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
            bool const exact = columns[i].component == component;
            if (columns[i].metric != metric || (!exact && columns[i].component != "kv")) continue;
            if (exact || !figures[i] || !figures[i]->exact) figures[i] = {value, exact};
        }
    }
};

/// Cells that differ in their codec alone.
struct Group {
    std::string title;
    std::vector<CellRow> rows;
};

void show_header(Store const& store, std::ostream& out, Screen const& screen, std::string const& campaign) {
    auto const result = query(store,
                              "SELECT scenario, ok, cells, failed, skipped, missing, " + campaign_build_sql("?1") +
                                  ", build_type, toolchain, coalesce(hardware, hardware_class), started_utc, "
                                  "finished_utc, night FROM v_campaign WHERE campaign = ?1",
                              {campaign});
    auto const& row = result.rows.at(0);
    auto line =
        fmt::format("{}  campaign {}  {}/{} cells ok", screen.bold(text(row[0])), campaign, text(row[1]), text(row[2]));
    for (auto const& [index, name] : {std::pair{3U, "failed"}, {4U, "skipped"}, {5U, "missing"}})
        if (text(row[index]) != "0") line += ", " + screen.red(text(row[index]) + " " + name);
    auto const print_line = [&](std::string const& words) {
        fmt::print(out, "{}\n", wrapped(words, screen.columns, 2));
    };
    print_line(line);
    print_line(fmt::format("{}  build {} {}, toolchain {}", text(row[9]), text(row[6]), text(row[7]), text(row[8])));
    print_line(fmt::format("{}begun {}, last attempt {}",
                           text(row[12]).empty() ? "" : fmt::format("night {}, ", text(row[12])), text(row[10]),
                           text(row[11]).empty() ? "none" : text(row[11])));
}

std::vector<Group> read_groups(Store const& store, std::string const& campaign) {
    std::string metrics;
    for (auto const& column : columns) metrics += fmt::format("{}'{}'", metrics.empty() ? "" : ", ", column.metric);
    std::unordered_map<std::string, CellRow> cells;
    Statement figures(store.connection(),
                      "SELECT cell, status, component, metric, value FROM v_latest WHERE campaign = ? AND (metric IS "
                      "NULL OR metric IN (" +
                          metrics +
                          ")) AND NOT (task IS NOT NULL AND coalesce(reason, '') LIKE '%poor_baseline%' "
                          "AND metric IN (" +
                          of_answers + "))");
    figures.with(campaign);
    while (figures.step()) {
        auto& cell = cells[figures.text(0)];
        cell.status = figures.text(1);
        if (!figures.is_null(4)) cell.take(figures.text(2), figures.text(3), figures.real(4));
    }
    std::vector<Group> groups;
    std::map<std::string, std::size_t> places;
    for (auto const& row : query(store,
                                 "SELECT cell.uid, codec_name, " + title_sql("json_extract(canonical, '$.options')") +
                                     ", " + times_of_sql("cell.codec") +
                                     " FROM expected e JOIN cell ON cell.id = e.cell WHERE e.process = 0 AND "
                                     "e.campaign = (SELECT id FROM campaign WHERE uid = ?1) ORDER BY e.position",
                                 {campaign})
                               .rows) {
        auto const title = text(row[2]);
        auto const [place, added] = places.emplace(title, groups.size());
        if (added) groups.push_back({title, {}});
        auto cell = cells[text(row[0])];
        cell.codec = text(row[1]);
        cell.is_command = text(row[3]) == "command";
        groups[place->second].rows.push_back(std::move(cell));
    }
    return groups;
}

void show_title(std::ostream& out, Screen const& screen, std::string const& title) {
    fmt::print(out, "\n{}\n", screen.bold(wrapped(title, screen.columns, 2)));
}

void show_group(std::ostream& out, Screen const& screen, Group const& group) {
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (std::ranges::any_of(group.rows, [i](CellRow const& row) { return row.figures[i].has_value(); }))
            shown.push_back(i);
    std::vector<TextTable::Column> titles{{"codec"}};
    for (auto const i : shown) titles.push_back({std::string(columns[i].title), true});
    TextTable table(std::move(titles), 1);
    for (auto const& row : group.rows) {
        if (row.status != "ok") {
            table.add({row.codec}, row.status);
            continue;
        }
        std::vector<std::string> cells{row.codec};
        for (auto const i : shown) {
            cells.push_back(row.figures[i] ? formatted(columns[i].notation, row.figures[i]->value) : "-");
            if (row.has_times_of_command(i)) cells.back() += "*";
        }
        table.add(std::move(cells));
    }
    show_title(out, screen, group.title);
    table.print(out, screen);
}

void show_section(Store const& store, std::ostream& out, Screen const& screen, std::string const& title,
                  std::string const& sql, std::string const& campaign) {
    auto const result = query(store, sql, {campaign});
    if (result.rows.empty()) return;
    show_title(out, screen, title);
    print(out, result, TableFormat::table, screen);
}

void show_bounds(Store const& store, std::ostream& out, ShowOptions const& options, std::string const& campaign) {
    auto const rows = bounds_rows(store, campaign, options.coded_values);
    if (rows.rows.empty()) return;
    show_title(out, options.screen, "Ratios beside the bounds of order-0 coding");
    print(out, rows, TableFormat::table, options.screen);
    fmt::print(
        out, "{}\n",
        wrapped(
            "bound: the ratio of an ideal coder of order 0, with one table for each plane and unchanged side data. The "
            "column gain shows why a ratio is above the bound, or how it could grow, in bits of the high byte: "
            "channels, a table for each channel; time, the token before; repeats, vectors that equal "
            "an earlier one.",
            options.screen.columns));
}

void show_lengths(Store const& store, std::ostream& out, Screen const& screen, std::string const& campaign) {
    auto const rows = length_rows(store, campaign);
    if (rows.rows.empty()) return;
    show_title(out, screen, "Ratios over fp16 by tokens of the context");
    print(out, rows, TableFormat::table, screen);
}

void show_budgets(Store const& store, std::ostream& out, Screen const& screen, std::string const& campaign) {
    auto const rows = budget_rows(store, campaign);
    if (rows.rows.empty()) return;
    show_title(out, screen, "Token hit rates of prefix caches by budget");
    print(out, rows, TableFormat::table, screen);
}

constexpr auto targets_sql = R"sql(
SELECT codec_name AS codec,
  count(*) FILTER (WHERE verdict = 'pass') || ' of ' || count(*) AS passed,
  CASE WHEN sum(verdict = 'fail') > 0 THEN 'fail' WHEN count(verdict) < count(*) THEN 'unknown' ELSE 'pass' END
    AS verdict,
  group_concat(iif(verdict = 'fail', printf('%s: %s %s %.6g %s %.6g', source, component, metric, value,
    iif(value < at_least, '<', '>'), iif(value < at_least, at_least, at_most)), NULL), ', ') AS misses
FROM v_targets WHERE campaign = ?1 GROUP BY codec_name ORDER BY min(position)
)sql";

constexpr auto published_sql = R"sql(
SELECT codec_name AS codec, source, component AS "of", metric,
  iif(ours_least < ours_most, printf('%.5g..%.5g', ours_least, ours_most), ours_least) AS ours,
  CASE relation WHEN 'at_least' THEN '>= ' WHEN 'at_most' THEN '<= ' ELSE '' END || printf('%.6g', theirs) AS theirs,
  iif(cells > 0, printf('%+.3g', difference), NULL) AS difference,
  iif(cells > 0, printf('%+.3g', difference_percent), NULL) AS "%",
  iif(comparable = 'no' OR outcome = 'not measured', outcome, comparable || ': ' || outcome) AS comparable
FROM v_published_figure WHERE campaign = ?1 ORDER BY figure
)sql";

/// "Published figures: 3 reproduced, 1 differing, 2 not comparable".
void show_outcomes(Store const& store, std::ostream& out, Screen const& screen, std::string const& campaign) {
    std::string line;
    for (auto const* outcome : {"reproduced", "in part", "differing", "not comparable", "not measured"}) {
        auto const counted =
            query(store, "SELECT count(*) FROM v_published_figure WHERE campaign = ?1 AND outcome = ?2",
                  {campaign, std::string(outcome)});
        if (auto const count = text(counted.rows.at(0).at(0)); count != "0")
            line += fmt::format("{}{} {}", line.empty() ? "" : ", ", count, outcome);
    }
    if (!line.empty()) fmt::print(out, "{}\n", wrapped("Published figures: " + line, screen.columns, 2));
}

}  // namespace

void show_summary(Store const& store, std::ostream& out, ShowOptions const& options) {
    auto const& screen = options.screen;
    auto const campaign = campaign_meant(store, options.campaign);
    show_header(store, out, screen, campaign);
    auto const groups = read_groups(store, campaign);
    for (auto const& group : groups) show_group(out, screen, group);
    auto const any = [&](bool (CellRow::*has)() const) {
        return std::ranges::any_of(groups, [&](Group const& group) { return std::ranges::any_of(group.rows, has); });
    };
    if (any(&CellRow::has_energy)) {
        auto const domains =
            query(store, "SELECT " + energy_domains_sql("id") + " FROM campaign WHERE uid = ?1", {campaign});
        fmt::print(out, "\n{}\n",
                   wrapped(fmt::format("J: the energy of {}; all that the machine did meanwhile is in it.",
                                       text(domains.rows.at(0).at(0))),
                           screen.columns, 3));
    }
    if (any(&CellRow::has_any_times_of_command))
        fmt::print(out, "\n{}\n",
                   wrapped(fmt::format("*: the times of a command are {}.", times_of_a_command), screen.columns, 3));
    fmt::print(
        out, "\n{}\n",
        wrapped(
            "M: bytes read and written a second, over the memory bandwidth that was measured around the attempt; above "
            "1 the tensors lie in the processor's caches. Timings are medians over K and V. vs fp16: 2 bytes "
            "a value, over all stored bytes.",
            screen.columns));
    show_lengths(store, out, screen, campaign);
    show_budgets(store, out, screen, campaign);
    show_bounds(store, out, options, campaign);
    show_section(store, out, screen, "Not ok",
                 "SELECT source, context, codec_name AS codec, process, status, reason "
                 "FROM v_failures WHERE campaign = ?1 AND NOT repeated UNION ALL SELECT source, context, codec_name, "
                 "process, status, "
                 "reason FROM v_missing WHERE campaign = ?1 AND status = 'skipped' AND NOT required",
                 campaign);
    show_section(store, out, screen, "Attempts that were lost with their worker, and made again",
                 "SELECT source, context, codec_name AS codec, process, host, count(*) AS times, max(finished_utc) AS "
                 "\"last lost\" FROM v_failures WHERE campaign = ?1 AND repeated GROUP BY cell, process, host",
                 campaign);
    show_section(
        store, out, screen, "To be noted",
        "SELECT DISTINCT source, context, codec_name AS codec, protocol, reason FROM v_latest WHERE campaign = ?1 "
        "AND status = 'ok' AND reason IS NOT NULL",
        campaign);
    if (has_view(store, "v_drift"))
        show_section(
            store, out, screen, "Measured while the node was slower or busier than before",
            // The first campaign of a node raises its load by itself: there is nothing else yet to compare it with.
            "SELECT source, context, codec_name AS codec, process, host, drift FROM v_drift WHERE campaign = ?1 AND "
            "host IN "
            "(SELECT host.name FROM attempt a JOIN host ON host.id = a.host WHERE a.campaign < (SELECT id FROM "
            "campaign "
            "WHERE uid = ?1))",
            campaign);
    if (!has_view(store, "v_targets")) return;  // a file that no build since has opened for writing
    show_section(store, out, screen, "Targets", targets_sql, campaign);
    show_section(store, out, screen, "Beside published figures", published_sql, campaign);
    show_outcomes(store, out, screen, campaign);
}

}  // namespace kvstone
