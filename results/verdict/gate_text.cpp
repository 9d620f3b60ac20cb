#include "results/verdict/gate_text.hpp"

#include <array>
#include <cmath>
#include <map>
#include <ostream>

#include <fmt/format.h>

#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/record/text.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_rows = 50;
constexpr std::array shown_order{Judgement::regression, Judgement::failed, Judgement::missing, Judgement::inconclusive,
                                 Judgement::advisory};

std::string said(Side const& side) {
    return fmt::format("{}  {}build {}", side.name, side.campaign.empty() ? "" : "campaign " + side.campaign + "  ",
                       build_name(side.git_sha.empty() ? "unknown" : side.git_sha, side.source_hash));
}

QueryResult counts(GateRecord const& record) {
    std::vector<std::string> rules;
    std::map<std::string, std::map<Judgement, std::int64_t>> by_rule;
    for (auto const& decision : record.verdicts.decisions) {
        if (!by_rule.contains(decision.rule)) rules.push_back(decision.rule);
        ++by_rule[decision.rule][decision.judgement];
    }
    QueryResult table{{"rule", "pass"}, {}};
    for (auto const judgement : shown_order) table.columns.emplace_back(name_of(judgement));
    for (auto const& rule : rules) {
        std::vector<QueryValue> row{rule, by_rule[rule][Judgement::pass]};
        for (auto const judgement : shown_order) row.emplace_back(by_rule[rule][judgement]);
        table.rows.push_back(std::move(row));
    }
    return table;
}

QueryResult troubles(GateRecord const& record) {
    QueryResult table{{"decision", "verdict", "rule", "where", "codec", "component", "why"}, {}};
    for (auto const judgement : shown_order)
        for (std::size_t i = 0; i < record.verdicts.decisions.size(); ++i) {
            auto const& decision = record.verdicts.decisions[i];
            if (decision.judgement != judgement) continue;
            auto why = decision.why;
            if (!decision.waiver.empty()) why += "; waived: " + decision.waiver;
            if (decision.warns) why += "; only a warning";
            table.rows.push_back({fmt::format("{}.{}", record.uid.substr(0, 8), i + 1), std::string(name_of(judgement)),
                                  decision.rule, decision.title, decision.codec_name, decision.component, why});
        }
    return table;
}

/// The largest slow-down that any timing could have hidden, and how many timings there were.
std::string detectable(GateRecord const& record) {
    double most = 0;
    std::size_t timings = 0;
    for (auto const& decision : record.verdicts.decisions)
        if (decision.detectable && decision.screen_p) most = std::max(most, *decision.detectable), ++timings;
    if (timings == 0) return "";
    return std::isfinite(most)
               ? fmt::format("{} statistical tests; each would have found {:.1f}%", timings, 100 * most)
               : fmt::format("{} statistical tests, some over too few blocks to find anything", timings);
}

void print_parts(std::ostream& out, GateRecord const& record, TableFormat format, bool colour) {
    auto const& evidence = record.evidence;
    auto const* const end = format == TableFormat::md ? "  \n" : "\n";
    if (evidence.base) out << "base  " << said(*evidence.base) << end;
    out << "head  " << said(evidence.head) << end << '\n';
    print(out, counts(record), format, colour);
    auto table = troubles(record);
    auto const left_out = table.rows.size() > most_rows ? table.rows.size() - most_rows : 0;
    table.rows.resize(table.rows.size() - left_out);
    if (!table.rows.empty()) {
        out << '\n';
        print(out, table, format, colour);
    }
    if (left_out > 0) out << fmt::format("and {} more: kvstone query \"select * from decision\"\n", left_out);
    out << '\n';
    for (auto const& notice : record.verdicts.notices) out << notice << end;
    if (auto const line = detectable(record); !line.empty()) out << line << end;
}

bool counts_as_trouble(Decision const& decision) {
    return decision.judgement > Judgement::advisory && decision.waiver.empty() && !decision.warns;
}

Json or_null(std::optional<double> const& value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

}  // namespace

void print_gate(std::ostream& out, GateRecord const& record, bool colour) {
    print_parts(out, record, TableFormat::table, colour);
    auto const verdict = fmt::format("{}: {}", record.policy.name, name_of(record.verdicts.judgement));
    Style const style{colour};
    out << (record.exit_code == 0 ? style.bold(verdict) : style.red(verdict))
        << fmt::format(" (gate {}, exit code {})\n", record.uid.substr(0, 8), record.exit_code);
}

void print_gate_markdown(std::ostream& out, GateRecord const& record) {
    out << fmt::format("## {}: {}\n\n", record.policy.name, name_of(record.verdicts.judgement));
    print_parts(out, record, TableFormat::md, false);
    out << fmt::format("\nGate `{}`; `kvstone explain {}.N` replays decision N.\n", record.uid,
                       record.uid.substr(0, 8));
}

Json gate_json(GateRecord const& record) {
    Json decisions = Json::array();
    for (auto const& d : record.verdicts.decisions)
        decisions.push_back({{"rule", d.rule},
                             {"cell", d.cell},
                             {"where", d.title},
                             {"codec", d.codec_name},
                             {"component", d.component},
                             {"metric", d.metric},
                             {"base", or_null(d.base)},
                             {"head", or_null(d.head)},
                             {"change", d.change ? or_null(d.change->value) : Json()},
                             {"low", d.change ? or_null(d.change->low) : Json()},
                             {"high", d.change ? or_null(d.change->high) : Json()},
                             {"screen_p", or_null(d.screen_p)},
                             {"confirm_p", or_null(d.confirm_p)},
                             {"detectable", or_null(d.detectable)},
                             {"target", or_null(d.target)},
                             {"judgement", name_of(d.judgement)},
                             {"why", d.why},
                             {"waiver", d.waiver},
                             {"counts", counts_as_trouble(d)}});
    return {{"gate", record.uid},
            {"policy", record.policy.name},
            {"kind", record.kind},
            {"judgement", name_of(record.verdicts.judgement)},
            {"exit_code", record.exit_code},
            {"tests", record.evidence.tests},
            {"settings", record.settings},
            {"notices", record.verdicts.notices},
            {"decisions", std::move(decisions)}};
}

void print_gate_junit(std::ostream& out, GateRecord const& record) {
    std::size_t failures = 0, errors = 0, skipped = 0;
    std::string cases;
    for (auto const& decision : record.verdicts.decisions) {
        cases += fmt::format("  <testcase classname=\"{}\" name=\"{}\">", xml_text(decision.rule),
                             xml_text(fmt::format("{} {} {} {}", decision.title, decision.codec_name,
                                                  decision.component, decision.metric)));
        auto const why = xml_text(decision.why + (decision.waiver.empty() ? "" : "; waived: " + decision.waiver));
        if (!counts_as_trouble(decision)) {
            if (decision.judgement != Judgement::pass)
                cases += fmt::format("<skipped message=\"{}\"/>", why), ++skipped;
        } else if (decision.judgement == Judgement::regression) {
            cases += fmt::format("<failure type=\"regression\" message=\"{}\"/>", why);
            ++failures;
        } else if (decision.judgement == Judgement::inconclusive) {
            cases += fmt::format("<skipped message=\"inconclusive: {}\"/>", why);
            ++skipped;
        } else {
            cases += fmt::format("<error type=\"{}\" message=\"{}\"/>", name_of(decision.judgement), why);
            ++errors;
        }
        cases += "</testcase>\n";
    }
    out << fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" "
        "errors=\"{}\" skipped=\"{}\" timestamp=\"{}\">\n{}</testsuite>\n",
        xml_text(record.policy.name), record.verdicts.decisions.size(), failures, errors, skipped, record.started_utc,
        cases);
}

void print_gate_github(std::ostream& out, GateRecord const& record) {
    auto const encoded = [](std::string const& text, bool property) {
        std::string result;
        for (char const c : text) {
            if (c == '%')
                result += "%25";
            else if (c == '\n')
                result += "%0A";
            else if (c == '\r')
                result += "%0D";
            else if (property && c == ':')
                result += "%3A";
            else if (property && c == ',')
                result += "%2C";
            else
                result += c;
        }
        return result;
    };
    for (auto const& decision : record.verdicts.decisions) {
        if (decision.judgement <= Judgement::advisory) continue;
        int line = 1;
        for (auto const& rule : record.policy.rules)
            if (rule.name == decision.rule) line = rule.place.line;
        for (auto const& rule : record.policy.joint)
            if (rule.name == decision.rule) line = rule.place.line;
        bool const error = counts_as_trouble(decision) && decision.judgement != Judgement::inconclusive;
        out << fmt::format(
            "::{} file={},line={},title={}::{}\n", error ? "error" : "warning", encoded(record.policy.path, true), line,
            encoded(fmt::format("{}: {}", name_of(decision.judgement), decision.rule), true),
            encoded(fmt::format("{} {} {}: {}", decision.title, decision.codec_name, decision.component, decision.why),
                    false));
    }
}

std::string explained(GateRecord const& record, Decision const& decision) {
    auto text =
        fmt::format("{}: rule '{}' of policy '{}'", name_of(decision.judgement), decision.rule, record.policy.name);
    if (!decision.cell.empty())
        text += fmt::format("\n  at      {} {} {} ({})", decision.title, decision.codec_name, decision.component,
                            decision.cell);
    text += "\n  seen    " + decision.why;
    auto const number = [&](char const* name, std::optional<double> const& value) {
        if (value) text += fmt::format("\n  {:7} {:.10g}", name, *value);
    };
    number("base", decision.base);
    number("head", decision.head);
    if (decision.change) {
        text += fmt::format("\n  change  {:.6g}", decision.change->value);
        if (decision.change->low && decision.change->high)
            text += fmt::format(", 95% interval {:.6g} to {:.6g}", *decision.change->low, *decision.change->high);
    }
    for (auto const& rule : rules_of(record.policy)) {
        if (rule.source.name != decision.rule || !rule.timed() || !record.evidence.measured || !decision.screen_p)
            continue;
        auto const stages = stages_of(record.policy, rule, record.evidence);
        auto const metric = metric_index(decision.metric);
        auto const component = static_cast<std::size_t>(std::ranges::find(side_components, decision.component) -
                                                        std::begin(side_components));
        auto const blocks = [&](char const* stage) {
            std::string list;
            for (double const d : block_effects(record.evidence.attempts, decision.cell, stage, metric, component))
                list += fmt::format(" {:+.2f}%", 100 * std::expm1(d));
            return list.empty() ? std::string(" none") : list;
        };
        text += fmt::format("\n  blocks  B took longer than A by, screening:{}", blocks("screen"));
        text +=
            fmt::format("\n  screen  exact signed-rank test against {:g}%: p {:.6g}, {} at level {:g}",
                        100 * stages.margin, *decision.screen_p,
                        *decision.screen_p <= stages.screen_alpha ? "suspected" : "not suspected", stages.screen_alpha);
        if (decision.confirm_p) {
            text += fmt::format("\n  blocks  confirming, each a launch of its own:{}", blocks("confirm"));
            text += fmt::format(
                "\n  confirm the same test: p {:.6g}, {} at level {:.6g} (an error budget of {:g}% over {} tests)",
                *decision.confirm_p, *decision.confirm_p <= stages.confirm_alpha ? "confirmed" : "not confirmed",
                stages.confirm_alpha, 100 * record.policy.error_budget, record.evidence.tests);
        }
    }
    if (decision.detectable && std::isfinite(*decision.detectable))
        text += fmt::format("\n  could   have been found in 90% of repetitions: {:.2f}%{}", 100 * *decision.detectable,
                            decision.target ? fmt::format("; asked for: {:.2f}%", 100 * *decision.target) : "");
    if (!decision.waiver.empty()) text += "\n  waived  " + decision.waiver;
    return text + "\n";
}

}  // namespace kvstone
