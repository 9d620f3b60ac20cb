// `kvstone db`: looking after database files.

#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"
#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/record/utc.hpp"
#include "results/store/maintenance.hpp"
#include "results/store/schema.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::int64_t schema_of(Store const& store) {
    return std::get<std::int64_t>(query(store, "PRAGMA user_version").rows.at(0).at(0));
}

ExitCode init(CommandLine const& line) {
    Store::open(line.database, line.locking);
    fmt::print("{}: schema {}\n", line.database, schema_version());
    return exit_pass;
}

ExitCode migrate_file(CommandLine const& line) {
    auto const from = schema_of(Store::open_read_only(line.database));
    Store::open(line.database, line.locking);
    fmt::print("{}: schema {}, was {}\n", line.database, schema_version(), from);
    return exit_pass;
}

ExitCode merge_files(CommandLine const& line, std::vector<std::string> const& files) {
    auto store = Store::open(line.database, line.locking);
    for (auto const& file : files) {
        auto const merged = merge(store, file);
        fmt::print("{}: {} attempts and {} campaigns are new\n", file, merged.attempts, merged.campaigns);
    }
    return exit_pass;
}

ExitCode check_file(CommandLine const& line) {
    auto const store = Store::open_read_only(line.database);
    auto const problems = check(store);
    auto const version = schema_of(store);
    if (line.json) {
        std::cout << Json{{"schema", version}, {"problems", problems}}.dump(2) << '\n';
    } else {
        for (auto const& problem : problems) fmt::print("{}\n", problem);
        fmt::print("{}: schema {}{}, {}\n", line.database, version,
                   version > schema_version() ? " (newer than this build, which can read it but not write it)" : "",
                   problems.empty() ? "no problem found" : fmt::format("{} problems", problems.size()));
    }
    return problems.empty() ? exit_pass : exit_failed_cells;
}

struct PruneArguments {
    std::vector<std::string> campaigns;
    int older_than_days = -1;
    bool yes = false;
};

PruneChoice choice_of(Store const& store, PruneArguments const& arguments) {
    PruneChoice choice;
    for (auto const& campaign : arguments.campaigns) choice.campaigns.push_back(campaign_meant(store, campaign));
    if (arguments.older_than_days >= 0) {
        auto const day = std::chrono::system_clock::now() - std::chrono::hours(24) * arguments.older_than_days;
        choice.before_utc = utc_text(day);
    }
    if (choice.campaigns.empty() && choice.before_utc.empty())
        throw ConfigError("no campaign is given: name one by --campaign ID, or give --older-than DAYS");
    return choice;
}

ExitCode prune_file(CommandLine const& line, PruneArguments const& arguments) {
    std::vector<PrunedCampaign> pruned;
    if (arguments.yes) {
        auto store = Store::open(line.database, line.locking);
        pruned = prune(store, choice_of(store, arguments));
    } else {
        auto const store = Store::open_read_only(line.database);
        pruned = prunable(store, choice_of(store, arguments));
    }
    for (auto const& campaign : pruned)
        fmt::print("{} {}: {}, began {}, {} attempts\n", arguments.yes ? "removed" : "would remove", campaign.id,
                   campaign.scenario, campaign.started_utc, campaign.attempts);
    fmt::print("{} campaigns{}\n", pruned.size(), arguments.yes || pruned.empty() ? "" : "; --yes removes them");
    return exit_pass;
}

}  // namespace

void add_db(CommandLine& line) {
    auto* command = line.verb("db", "Maintain database files: init, migrate, merge, check, backup, prune",
                              {"kvstone db check", "kvstone db merge theirs.db --db ours.db"});
    command->require_subcommand(1);
    line.add_lock(*command);
    auto const add = [&](std::string const& name, std::string const& description, auto action) {
        auto* sub = command->add_subcommand(name, description);
        sub->fallthrough();  // to --db and --json
        sub->callback([&line, action] { line.action = action; });
        return sub;
    };
    auto files = std::make_shared<std::vector<std::string>>();
    auto backup_file = std::make_shared<std::string>();
    auto pruning = std::make_shared<PruneArguments>();
    add("init", "Make an empty database, or bring an older one up to date", [&line] { return init(line); });
    add("migrate", "Bring an older database to the schema of this build", [&line] { return migrate_file(line); });
    add("merge", "Copy the campaigns and attempts that other databases have into this one",
        [&line, files] { return merge_files(line, *files); })
        ->add_option("files", *files, "The other databases")
        ->required();
    add("check", "Look for damaged pages and broken references (exit code 4 where there are any)",
        [&line] { return check_file(line); });
    add("backup", "Write a compact copy, beside a run too",
        [&line, backup_file] {
            check_output(*backup_file);
            backup(Store::open_read_only(line.database), *backup_file);
            return exit_pass;
        })
        ->add_option("file", *backup_file, "The copy; it must not exist")
        ->required();
    auto* prune_command = add("prune", "Remove campaigns; without --yes only name them",
                              [&line, pruning] { return prune_file(line, *pruning); });
    prune_command->add_option("--campaign", pruning->campaigns,
                              "The campaign, by its id, the first digits of it, or its night");
    prune_command->add_option("--older-than", pruning->older_than_days, "Campaigns that began more days ago")
        ->check(CLI::NonNegativeNumber);
    prune_command->add_flag("--yes", pruning->yes, "Remove them");
}

}  // namespace kvstone
