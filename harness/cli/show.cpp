#include "results/query/show.hpp"

#include <iostream>
#include <map>

#include "harness/cli/cli.hpp"
#include "harness/workloads/entropy/entropy.hpp"
#include "results/query/best.hpp"
#include "results/query/pareto.hpp"
#include "results/query/query.hpp"

namespace kvstone {
namespace {

/// Ids of commits and toolchains have as many digits as tell them apart.
QueryResult with_short_ids(QueryResult rows) {
    constexpr std::size_t most_digits = 12;
    for (std::size_t i = 0; i < rows.columns.size(); ++i) {
        if (!rows.columns[i].ends_with("_sha") && !rows.columns[i].ends_with("_hash")) continue;
        for (auto& row : rows.rows)
            if (auto* const id = std::get_if<std::string>(&row[i]); id != nullptr && id->size() > most_digits)
                id->resize(most_digits);
    }
    return rows;
}

/// A table, and below it the values that are the same in all of its rows.
void print_rows_once(QueryResult const& rows) {
    std::string said;
    auto const table = said_once(with_short_ids(rows), {"campaign", "cell", "codec_name", "status"}, said);
    print(std::cout, table, TableFormat::table, standard_output());
    if (said.empty()) return;
    std::cout << '\n';
    print_words(said);
}

}  // namespace

void add_show(CommandLine& line) {
    struct Options {
        std::string subject = "summary";
        std::string campaign;
        bool pareto = false;
        std::string best;
        std::string history;
    };
    auto options = std::make_shared<Options>();
    auto* command = line.verb("show", "Show the figures of the last run, or of an earlier campaign",
                              {"kvstone show", "kvstone show --best 'cosine > 0.999'"});
    command
        ->add_option("subject", options->subject, "summary, campaigns, cells, failures, missing, published or targets")
        ->capture_default_str()
        ->check(CLI::IsMember({"summary", "campaigns", "cells", "failures", "missing", "published", "targets"}));
    command->add_option(
        "--campaign", options->campaign,
        "The campaign, by its id, the first digits of it, or its night. Without this option: the campaign that was "
        "run last; campaigns, failures, missing and --history then take all campaigns");
    auto* best =
        command->add_option("--best", options->best,
                            "The codec with the fewest bits per value that meets a condition with its whole confidence "
                            "interval: 'kld_mean < 0.01 and decode_tokens_per_s > 100'");
    command
        ->add_flag("--pareto", options->pareto,
                   "Codecs that no other codec beats in bits per value, KLD (or tensor error) and speed together")
        ->excludes(best);
    auto* history =
        command
            ->add_option("--history", options->history,
                         "One metric by commit and night, with a hint where its level moved. With --campaign: for the "
                         "cells and the hardware of that campaign, up to that campaign")
            ->excludes(best);
    command->callback([&line, options, best, history] {
        line.action = [&line, options, best, history] {
            auto const store = Store::open_read_only(line.database);
            ShowOptions const wanted{
                .screen = standard_output(), .campaign = options->campaign, .coded_values = coded_values};
            if (best->count() > 0) {
                auto const constraints = parse_constraints(options->best);
                if (line.json)
                    print(std::cout, best_rows(store, constraints, options->campaign), TableFormat::json);
                else
                    show_best(store, std::cout, constraints, wanted);
                return exit_pass;
            }
            if (history->count() > 0) {
                if (line.json)
                    print(std::cout, history_rows(store, options->history, options->campaign), TableFormat::json);
                else
                    show_history(store, std::cout, options->history, wanted);
                return exit_pass;
            }
            if (options->pareto) {
                if (line.json)
                    print(std::cout, pareto_rows(store, options->campaign), TableFormat::json);
                else
                    show_pareto(store, std::cout, wanted);
                return exit_pass;
            }
            if (options->subject == "summary" && !line.json) {
                show_summary(store, std::cout, wanted);
                return exit_pass;
            }
            auto const canned = options->subject == "summary" ? "@latest" : "@" + options->subject;
            auto const rows =
                options->campaign.empty() ? query(store, canned) : query_of_campaign(store, canned, options->campaign);
            if (line.json)
                print(std::cout, rows, TableFormat::json);
            else
                print_rows_once(rows);
            return exit_pass;
        };
    });
}

}  // namespace kvstone
