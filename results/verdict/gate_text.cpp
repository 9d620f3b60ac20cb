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
#include "results/record/wrapped.hpp"
#include "results/verdict/grown_functions.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_rows = 50;
constexpr std::array shown_order{Verdict::regression, Verdict::failed, Verdict::missing, Verdict::inconclusive,
                                 Verdict::advisory};

std::string said(Side const& side) {
    return fmt::format("{}  {}build {}", side.name, side.campaign.empty() ? "" : "campaign " + side.campaign + "  ",
                       build_name(side.git_sha.empty() ? "unknown" : side.git_sha, side.source_hash));
}

QueryResult counts(GateRecord const& record) {
    std::vector<std::string> rules;
    std::map<std::string, std::map<Verdict, std::int64_t>> by_rule;
    for (auto const& finding : record.outcome.findings) {
        if (!by_rule.contains(finding.rule)) rules.push_back(finding.rule);
        ++by_rule[finding.rule][finding.verdict];
    }
    QueryResult table{{"rule", "pass"}, {}};
    for (auto const verdict : shown_order) table.columns.emplace_back(name_of(verdict));
    for (auto const& rule : rules) {
        std::vector<QueryValue> row{rule, by_rule[rule][Verdict::pass]};
        for (auto const verdict : shown_order) row.emplace_back(by_rule[rule][verdict]);
        table.rows.push_back(std::move(row));
    }
    return table;
}

QueryResult troubles(GateRecord const& record) {
    QueryResult table{{"decision", "verdict", "rule", "where", "codec", "component", "why"}, {}};
    for (auto const verdict : shown_order)
        for (std::size_t i = 0; i < record.outcome.findings.size(); ++i) {
            auto const& finding = record.outcome.findings[i];
            if (finding.verdict != verdict) continue;
            auto why = finding.why;
            if (!finding.waiver.empty()) why += "; waived: " + finding.waiver;
            if (finding.warns) why += "; only a warning";
            table.rows.push_back({fmt::format("{}.{}", record.uid.substr(0, 8), i + 1), std::string(name_of(verdict)),
                                  finding.rule, finding.title, finding.codec_name, finding.component, why});
        }
    return table;
}

/// The largest slow-down that any timing could have hidden, and how many timings there were.
std::string detectable(GateRecord const& record) {
    if (record.evidence.nights) return "";  // each pass says after how many nights
    double most = 0;
    std::size_t timings = 0;
    for (auto const& finding : record.outcome.findings)
        if (finding.detectable && finding.screen_p) most = std::max(most, *finding.detectable), ++timings;
    if (timings == 0) return "";
    return std::isfinite(most)
               ? fmt::format("{} statistical tests; each would have found {:.1f}%", timings, 100 * most)
               : fmt::format("{} statistical tests, some over too few blocks to find anything", timings);
}

void print_parts(std::ostream& out, GateRecord const& record, TableFormat format, Screen const& screen) {
    auto const& evidence = record.evidence;
    bool const markdown = format == TableFormat::md;
    auto const say = [&](std::string const& words, std::size_t indent) {
        out << (markdown ? words + "  " : wrapped(words, screen.columns, indent)) << '\n';
    };
    if (evidence.base) say("base  " + said(*evidence.base), 6);
    say("head  " + said(evidence.head), 6);
    out << '\n';
    print(out, counts(record), format, screen);
    auto table = troubles(record);
    auto const left_out = table.rows.size() > most_rows ? table.rows.size() - most_rows : 0;
    table.rows.resize(table.rows.size() - left_out);
    if (!table.rows.empty()) {
        std::string said;
        if (!markdown) table = said_once(table, {"decision", "verdict", "rule", "codec", "why"}, said);
        out << '\n';
        print(out, table, format, screen);
        if (!said.empty()) say(said, 2);
    }
    if (left_out > 0) out << fmt::format("and {} more: kvstone query \"select * from decision\"\n", left_out);
    out << '\n';
    if (auto const lines = where_work_went(evidence); !lines.empty()) {
        out << (markdown ? "### Where the work went\n\n" : "Where the work went, in instructions a value:\n");
        for (auto const& line : lines)
            out << (markdown ? "- " + line : wrapped("  " + line, screen.columns, 4)) << '\n';
        out << '\n';
    }
    for (auto const& notice : record.outcome.notices) say(notice, 2);
    if (auto const line = detectable(record); !line.empty()) say(line, 2);
}

bool counts_as_trouble(Finding const& finding) {
    return finding.verdict > Verdict::advisory && finding.waiver.empty() && !finding.warns;
}

Json or_null(std::optional<double> const& value) { return value && std::isfinite(*value) ? Json(*value) : Json(); }

}  // namespace

void print_gate(std::ostream& out, GateRecord const& record, Screen const& screen) {
    print_parts(out, record, TableFormat::table, screen);
    auto const verdict = fmt::format("{}: {}", record.policy.name, name_of(record.outcome.verdict));
    out << (record.exit_code == 0 ? screen.bold(verdict) : screen.red(verdict))
        << fmt::format(" (gate {}, exit code {})\n", record.uid.substr(0, 8), record.exit_code);
}

void print_gate_markdown(std::ostream& out, GateRecord const& record) {
    out << fmt::format("## {}: {}\n\n", record.policy.name, name_of(record.outcome.verdict));
    print_parts(out, record, TableFormat::md, {});
    out << fmt::format("\nGate `{}`; `kvstone explain {}.N` replays decision N.\n", record.uid,
                       record.uid.substr(0, 8));
}

Json gate_json(GateRecord const& record) {
    Json findings = Json::array();
    for (auto const& d : record.outcome.findings)
        findings.push_back({{"rule", d.rule},
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
                            {"judgement", name_of(d.verdict)},
                            {"why", d.why},
                            {"waiver", d.waiver},
                            {"counts", counts_as_trouble(d)}});
    return {{"gate", record.uid},
            {"policy", record.policy.name},
            {"kind", record.kind},
            {"judgement", name_of(record.outcome.verdict)},
            {"exit_code", record.exit_code},
            {"tests", record.evidence.tests},
            {"settings", record.settings},
            {"notices", record.outcome.notices},
            {"decisions", std::move(findings)}};
}

void print_gate_junit(std::ostream& out, GateRecord const& record) {
    std::size_t failures = 0, errors = 0, skipped = 0;
    std::string cases;
    for (auto const& finding : record.outcome.findings) {
        cases += fmt::format(
            "  <testcase classname=\"{}\" name=\"{}\">", xml_text(finding.rule),
            xml_text(fmt::format("{} {} {} {}", finding.title, finding.codec_name, finding.component, finding.metric)));
        auto const why = xml_text(finding.why + (finding.waiver.empty() ? "" : "; waived: " + finding.waiver));
        if (!counts_as_trouble(finding)) {
            if (finding.verdict != Verdict::pass) cases += fmt::format("<skipped message=\"{}\"/>", why), ++skipped;
        } else if (finding.verdict == Verdict::regression) {
            cases += fmt::format("<failure type=\"regression\" message=\"{}\"/>", why);
            ++failures;
        } else if (finding.verdict == Verdict::inconclusive) {
            cases += fmt::format("<skipped message=\"inconclusive: {}\"/>", why);
            ++skipped;
        } else {
            cases += fmt::format("<error type=\"{}\" message=\"{}\"/>", name_of(finding.verdict), why);
            ++errors;
        }
        cases += "</testcase>\n";
    }
    out << fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" "
        "errors=\"{}\" skipped=\"{}\" timestamp=\"{}\">\n{}</testsuite>\n",
        xml_text(record.policy.name), record.outcome.findings.size(), failures, errors, skipped, record.started_utc,
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
    for (auto const& finding : record.outcome.findings) {
        if (finding.verdict <= Verdict::advisory) continue;
        int line = 1;
        for (auto const& rule : record.policy.rules)
            if (rule.name == finding.rule) line = rule.place.line;
        for (auto const& rule : record.policy.joint)
            if (rule.name == finding.rule) line = rule.place.line;
        bool const error = counts_as_trouble(finding) && finding.verdict != Verdict::inconclusive;
        out << fmt::format(
            "::{} file={},line={},title={}::{}\n", error ? "error" : "warning", encoded(record.policy.path, true), line,
            encoded(fmt::format("{}: {}", name_of(finding.verdict), finding.rule), true),
            encoded(fmt::format("{} {} {}: {}", finding.title, finding.codec_name, finding.component, finding.why),
                    false));
    }
}

std::string explained(GateRecord const& record, Finding const& finding) {
    auto text = fmt::format("{}: rule '{}' of policy '{}'", name_of(finding.verdict), finding.rule, record.policy.name);
    if (!finding.cell.empty())
        text += fmt::format("\n  at      {} {} {} ({})", finding.title, finding.codec_name, finding.component,
                            finding.cell);
    text += "\n  seen    " + finding.why;
    auto const number = [&](char const* name, std::optional<double> const& value) {
        if (value) text += fmt::format("\n  {:7} {:.10g}", name, *value);
    };
    number("base", finding.base);
    number("head", finding.head);
    if (finding.change) {
        text += fmt::format("\n  change  {:.6g}", finding.change->value);
        if (finding.change->low && finding.change->high)
            text += fmt::format(", 95% interval {:.6g} to {:.6g}", *finding.change->low, *finding.change->high);
    }
    for (auto const& rule : rules_of(record.policy)) {
        if (rule.source.name == finding.rule && rule.timed() && record.evidence.nights && finding.screen_p)
            text += fmt::format(
                "\n  nights  exact rank-sum tests against {:g}%, the smallest p times the numbers of nights tried: "
                "{:.6g}; "
                "level {:.6g} (an error budget of {:g}% a year over {} timings)",
                100 * rule.source.margin.value_or(record.policy.margin), *finding.screen_p,
                night_rule_of(record.policy, rule, record.evidence).level(), 100 * record.policy.error_budget,
                record.evidence.tests);
        if (rule.source.name != finding.rule || !rule.timed() || !record.evidence.measured || !finding.screen_p)
            continue;
        auto const phases = phases_of(record.policy, rule, record.evidence);
        auto const metric = metric_index(finding.metric);
        auto const component = static_cast<std::size_t>(std::ranges::find(side_components, finding.component) -
                                                        std::begin(side_components));
        auto const blocks = [&](char const* phase) {
            std::string list;
            for (double const d : block_effects(record.evidence.attempts, finding.cell, phase, metric, component))
                list += fmt::format(" {:+.2f}%", 100 * std::expm1(d));
            return list.empty() ? std::string(" none") : list;
        };
        text += fmt::format("\n  blocks  B took longer than A by, screening:{}", blocks("screen"));
        text +=
            fmt::format("\n  screen  exact signed-rank test against {:g}%: p {:.6g}, {} at level {:g}",
                        100 * phases.margin, *finding.screen_p,
                        *finding.screen_p <= phases.screen_alpha ? "suspected" : "not suspected", phases.screen_alpha);
        if (finding.confirm_p) {
            text += fmt::format("\n  blocks  confirming, each a launch of its own:{}", blocks("confirm"));
            text += fmt::format(
                "\n  confirm the same test: p {:.6g}, {} at level {:.6g} (an error budget of {:g}% over {} tests)",
                *finding.confirm_p, *finding.confirm_p <= phases.confirm_alpha ? "confirmed" : "not confirmed",
                phases.confirm_alpha, 100 * record.policy.error_budget, record.evidence.tests);
        }
    }
    if (finding.detectable && std::isfinite(*finding.detectable))
        text += fmt::format("\n  could   have been found in 90% of repetitions: {:.2f}%{}", 100 * *finding.detectable,
                            finding.target ? fmt::format("; asked for: {:.2f}%", 100 * *finding.target) : "");
    if (!finding.waiver.empty()) text += "\n  waived  " + finding.waiver;
    return text + "\n";
}

}  // namespace kvstone
