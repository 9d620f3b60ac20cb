#include "results/query/show.hpp"

#include <iostream>
#include <map>

#include "harness/cli/cli.hpp"
#include "harness/workloads/entropy/entropy.hpp"
#include "results/query/best.hpp"
#include "results/query/pareto.hpp"
#include "results/query/query.hpp"

namespace kvstone {

void add_show(CommandLine& line) {
    struct Options {
        std::string subject = "summary";
        std::string campaign;
        bool pareto = false;
        std::string best;
        std::string history;
    };
    auto options = std::make_shared<Options>();
    auto* command = line.verb("show", "Show what the last run, or an earlier campaign, has measured");
    command
        ->add_option("subject", options->subject, "summary, campaigns, cells, failures, missing, published or targets")
        ->capture_default_str()
        ->check(CLI::IsMember({"summary", "campaigns", "cells", "failures", "missing", "published", "targets"}));
    command->add_option("--campaign", options->campaign,
                        "The campaign: its id, or how it starts; else the last one (campaigns, failures, missing and "
                        "--history: else all)");
    auto* best = command->add_option("--best", options->best,
                                     "The codec of the fewest bits per value with, for example, 'kld_mean < 0.01 and "
                                     "decode_tokens_per_s > 100', the whole confidence interval");
    command
        ->add_flag("--pareto", options->pareto,
                   "Codecs that no other beats in bits per value, KLD (or tensor error) and speed together")
        ->excludes(best);
    auto* history = command
                        ->add_option("--history", options->history,
                                     "One metric by commit and night, marked where its level moved (advisory); with "
                                     "--campaign of its cells and hardware, up to it")
                        ->excludes(best);
    command->callback([&line, options, best, history] {
        line.action = [&line, options, best, history] {
            auto const store = Store::open_read_only(line.database);
            ShowOptions const wanted{
                .colour = colour_wanted(), .campaign = options->campaign, .coded_values = coded_values};
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
            print(
                std::cout,
                options->campaign.empty() ? query(store, canned) : query_of_campaign(store, canned, options->campaign),
                line.json ? TableFormat::json : TableFormat::table, colour_wanted());
            return exit_pass;
        };
    });
}

}  // namespace kvstone
