// `kvstone explain`: a stored verdict, decided again from its evidence.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>

#include <fmt/format.h>

#include "harness/cli/cli.hpp"
#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/record/wrapped.hpp"
#include "results/verdict/calibration.hpp"
#include "results/verdict/gate_text.hpp"

namespace kvstone {
namespace {

struct Meant {
    std::string gate;
    std::size_t number = 0;  ///< from 1; 0: all of the cell
    std::string cell;
};

/// "GATE.N", or how the id of a cell starts: then the newest gate that judged it.
Meant meant_by(Store const& store, std::string const& what) {
    if (auto const dot = what.find('.'); dot != std::string::npos) {
        Meant meant{what.substr(0, dot), 0, {}};
        auto const* const end = what.data() + what.size();
        auto const [stop, error] = std::from_chars(what.data() + dot + 1, end, meant.number);
        if (error == std::errc{} && stop == end && meant.number > 0) return meant;
        throw ConfigError("no decision has this name", what, {"GATE.NUMBER", "CELL"});
    }
    auto const found =
        query(store, "SELECT DISTINCT d.cell FROM decision d WHERE substr(d.cell, 1, length(?1)) = ?1", {what}).rows;
    if (found.empty()) throw ConfigError("no decision and no judged cell has this name", what, {"GATE.NUMBER", "CELL"});
    if (found.size() > 1) throw ConfigError("several judged cells have ids that start with this", what);
    auto const cell = text(found[0][0]);
    auto const gate =
        query(store,
              "SELECT g.uid FROM decision d JOIN gate_run g ON g.id = d.gate_run WHERE d.cell = ?1 ORDER BY "
              "g.finished_utc DESC, g.id DESC LIMIT 1",
              {cell});
    return {text(gate.rows.at(0)[0]), 0, cell};
}

bool same(std::optional<double> const& a, std::optional<double> const& b) {
    // Infinity does not survive the database.
    auto const finite = [](std::optional<double> const& value) {
        return value && std::isfinite(*value) ? value : std::nullopt;
    };
    return finite(a) == finite(b);
}

bool same(Finding const& a, Finding const& b) {
    return a.rule == b.rule && a.cell == b.cell && a.component == b.component && a.verdict == b.verdict &&
           same(a.screen_p, b.screen_p) && same(a.confirm_p, b.confirm_p) && same(a.base, b.base) &&
           same(a.head, b.head) && same(a.detectable, b.detectable);
}

/// Calibrations whose id starts so.
bool names_calibration(Store const& store, std::string const& what) {
    return what.find('.') == std::string::npos &&
           !query(store, "SELECT 1 FROM gate_run WHERE kind = 'calibration' AND substr(uid, 1, length(?1)) = ?1",
                  {what})
                .rows.empty();
}

/// A calibration's campaigns, drawn again from its stored blocks.
ExitCode recalibrate(CommandLine const& line, Store const& store, std::string const& uid, int campaigns, int blocks) {
    auto stored = load_gate(store, line.database, uid);
    if (blocks > 0) stored.evidence.screen_blocks = blocks;
    bool const as_before = campaigns == 0 && blocks == 0;
    if (campaigns == 0) campaigns = stored.settings.at("campaigns");
    auto const result = calibrated(stored, campaigns, stored.settings.at("seed").get<std::uint64_t>());
    bool const same = !as_before || std::ranges::all_of(result.items(), [&](auto const& member) {
        return stored.settings.value(member.key(), Json()) == member.value();
    });
    if (line.json) {
        std::cout << result.dump(2) << '\n';
    } else {
        std::cout << wrapped(calibration_text(result), standard_output().columns, 2);
        if (as_before)
            print_words(
                fmt::format("drawn again from the stored samples: {}", same ? "the same" : "NOT the stored result"));
    }
    return same ? exit_pass : exit_failed_cells;
}

}  // namespace

void add_explain(CommandLine& line) {
    auto what = std::make_shared<std::string>();
    auto campaigns = std::make_shared<int>(0), blocks = std::make_shared<int>(0);
    auto* command = line.verb("explain", "Decide a stored verdict again from its raw samples, and give the reasons",
                              {"kvstone explain 1f3a5c7e.4", "kvstone explain 1f3a5c7e --json"});
    command
        ->add_option(
            "subject", *what,
            "A decision (GATE.NUMBER, as `gate` prints it), or the first digits of the id of a cell or a calibration")
        ->required();
    command->add_option("--campaigns", *campaigns, "For a calibration: draw this number of campaigns")
        ->check(CLI::Range(1, 1'000'000));
    command
        ->add_option("--blocks", *blocks,
                     "For a calibration: assume this number of blocks in the first stage (8 otherwise)")
        ->check(CLI::Range(8, 1000));
    command->callback([&line, what, campaigns, blocks] {
        line.action = [&line, what, campaigns, blocks] {
            auto const store = Store::open_read_only(line.database);
            if (names_calibration(store, *what)) return recalibrate(line, store, *what, *campaigns, *blocks);
            auto const meant = meant_by(store, *what);
            auto const stored = load_gate(store, line.database, meant.gate);
            auto replayed = stored;
            replayed.outcome = judge_gate(stored.policy, rules_of(stored.policy), stored.evidence);
            auto const& before = stored.outcome.findings;
            auto const& now = replayed.outcome.findings;
            if (meant.number > before.size())
                throw ConfigError(fmt::format("the gate has {} decisions", before.size()), *what);
            bool all_same = before.size() == now.size();
            Json answers = Json::array();
            for (std::size_t i = 0; i < before.size(); ++i) {
                if (meant.number > 0 ? i + 1 != meant.number : before[i].cell != meant.cell) continue;
                bool const equal = i < now.size() && same(before[i], now[i]);
                all_same = all_same && equal;
                auto const words = explained(replayed, i < now.size() ? now[i] : before[i]);
                auto const replay =
                    equal ? "decided again from the stored samples: the same verdict, with the same p-values"
                          : "decided again from the stored samples: NOT the stored verdict";
                answers.push_back({{"decision", fmt::format("{}.{}", stored.uid, i + 1)},
                                   {"judgement", name_of(before[i].verdict)},
                                   {"same", equal},
                                   {"words", words}});
                if (!line.json)
                    print_words(fmt::format("{}.{}  {}  {}\n", stored.uid.substr(0, 8), i + 1, words, replay), 10);
            }
            if (line.json) std::cout << answers.dump(2) << '\n';
            return all_same ? exit_pass : exit_failed_cells;
        };
    });
}

}  // namespace kvstone
