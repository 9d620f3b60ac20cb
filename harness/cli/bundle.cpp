// `kvstone bundle`: a campaign as one file, from which another site can measure it again and compare.

#include <filesystem>
#include <iostream>
#include <map>

#include <fmt/format.h>

#include "harness/attempts/shell_word.hpp"
#include "harness/bundles/bundle_contents.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/files/zip_writer.hpp"
#include "harness/planning/plan_of_file.hpp"
#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/store/maintenance.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/gguf_shards.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

/// Larger files are named by their hash, and not packed.
constexpr std::uintmax_t largest_packed_bytes = 100'000'000;

struct BundleOptions : ScenarioOptions {
    std::string output;
    std::string campaign;
};

std::string campaign_of(Store const& store, Plan const& plan, std::string const& given) {
    auto const found = query(store,
                             "SELECT campaign FROM v_campaign WHERE plan = ?1 AND ?2 IN ('', campaign) ORDER BY "
                             "started_utc DESC LIMIT 1",
                             {plan.hash, given.empty() ? "" : campaign_meant(store, given)});
    if (found.rows.empty())
        throw ConfigError(
            fmt::format(
                "the database has no such campaign of this scenario (plan {}); --set and --only must be the same here "
                "as they were for `kvstone run`",
                plan.hash),
            plan.scenario);
    return text(found.rows[0][0]);
}

/// Removes all but one campaign.
void keep_only(Store& store, std::string const& campaign) {
    PruneChoice others;
    for (auto const& row : query(store, "SELECT uid FROM campaign WHERE uid <> ?1", {campaign}).rows)
        others.campaigns.push_back(text(row[0]));
    prune(store, others);
}

/// Names in the archive and the files they come from, with their hashes as sha256sum writes and reads them.
class Contents {
  public:
    explicit Contents(ZipWriter& archive) : archive_(archive) {}
    void add(std::string const& name, std::string const& path) {
        if (!sums_.emplace(name, content_hash(path)).second) return;
        archive_.add_file(name, path);
    }
    std::string sums() const {
        std::string text;
        for (auto const& [name, sum] : sums_) text += fmt::format("{}  {}\n", sum, name);
        return text;
    }

  private:
    ZipWriter& archive_;
    std::map<std::string, std::string> sums_;
};

/// Where a file that the scenario names goes: beside the scenario as it lies there; empty: it is not packed.
std::string packed_name(fs::path const& file, fs::path const& folder) {
    auto const relative = fs::weakly_canonical(file).lexically_relative(fs::weakly_canonical(folder));
    if (relative.empty() || *relative.begin() == "..") return "";
    return fs::file_size(file) <= largest_packed_bytes ? relative.string() : "";
}

/// Every file of the plan's cells, packed or told by its hash.
Json pack_sources(Plan const& plan, fs::path const& folder, Contents& contents) {
    std::map<std::string, std::string> paths;  // and their purposes
    for (auto const& cell : plan.cells) {
        auto locator = cell.locator;
        // Of a codec from outside its files alone: its arguments may name programs of the machine.
        for (auto& codec : locator["codecs"]) codec = codec.at("files");
        for (auto const& value : locator.flatten())
            if (value.is_string() && fs::path(value.get<std::string>()).is_absolute() &&
                fs::is_regular_file(value.get<std::string>()))
                for (auto const& file : files_behind(value.get<std::string>())) paths[file] = cell.source_name;
    }
    Json list = Json::array();
    for (auto const& [path, source] : paths) {
        auto const name = packed_name(path, folder);
        if (!name.empty()) contents.add(name, path);
        list.push_back({{"source", source},
                        {"file", fs::path(path).filename().string()},
                        {"bytes", fs::file_size(path)},
                        {"sha256", content_hash(path)},
                        {"packed", !name.empty()}});
    }
    return list;
}

std::string read_me(Plan const& plan, ScenarioFile const& file, std::string const& scenario,
                    std::string const& archive) {
    std::string arguments;
    for (auto const& set : file.set) arguments += " --set " + shell_word(set);
    for (auto const& only : file.only) arguments += " --only " + shell_word(only);
    return fmt::format(
        "# A campaign of {0}, to be measured again\n\n"
        "    kvstone run {3} --db ours.db\n\n"
        "checks the hashes of its files, measures the same cells, and ends with the command that compares both.\n"
        "Unpacked, it is\n\n"
        "    sha256sum --check SHA256SUMS\n"
        "    kvstone run {1}{2} --db ours.db\n"
        "    kvstone compare measured.db --db ours.db\n\n"
        "`measured.db` holds the campaign's figures, raw samples, builds, packages and hosts. `kvstone db merge --db\n"
        "ours.db measured.db` copies them, for reports of both. `environment.json` has the builds, packages and\n"
        "hosts, too. `sources.json` names every file that was read, by its SHA-256. Files that are not packed have to\n"
        "be where the scenario names them; KVstone finds its own model and text. A file with another content makes\n"
        "other cells, which cannot be compared. The plan is {4}: `kvstone plan {3}` prints it at the end where the\n"
        "files are the same.\n",
        plan.scenario, scenario, arguments, shell_word(archive), plan.hash);
}

ExitCode bundle(CommandLine const& line, BundleOptions const& options) {
    if (options.scenarios.size() != 1) throw ConfigError("a bundle holds one scenario");
    auto const file = options.files().front();
    auto const plan = load_plan(file, say);
    auto const scenario = fs::absolute(file.path);
    auto const store = Store::open_read_only(line.database);
    auto const campaign = campaign_of(store, plan, options.campaign);
    check_output(options.output);
    if (fs::exists(options.output)) throw ConfigError("a file of this name exists", options.output);
    ZipWriter archive(options.output);
    TemporaryCopy const measured(store, options.output);
    {
        auto copy = Store::open(measured.path(), Locking::none);
        keep_only(copy, campaign);
    }
    Contents contents(archive);
    contents.add(scenario.filename().string(), scenario.string());
    contents.add(measured_member, measured.path());
    auto const sources = pack_sources(plan, scenario.parent_path(), contents);
    Json environment = Json::array();
    for (auto const& row :
         query(store, "SELECT kind, name, value FROM v_environment WHERE campaign = ?1", {campaign}).rows)
        environment.push_back({{"kind", text(row[0])}, {"name", text(row[1])}, {"value", text(row[2])}});
    archive.add_text("sources.json", sources.dump(2) + "\n");
    archive.add_text("environment.json", environment.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    archive.add_text(sums_member, contents.sums());
    archive.add_text(bundle_member, bundle_text(scenario.filename().string(), file, plan.hash));
    archive.add_text("README.md",
                     read_me(plan, file, scenario.filename().string(), fs::path(options.output).filename().string()));
    write_to_output(options.output, [&] { archive.close(); });
    say(fmt::format("{}: campaign {}, {} bytes", options.output, campaign, fs::file_size(options.output)));
    return exit_pass;
}

}  // namespace

void add_bundle(CommandLine& line) {
    auto options = std::make_shared<BundleOptions>();
    auto* command =
        line.verb("bundle", "Pack a campaign, its scenario and its samples for another site to measure again",
                  {"kvstone bundle mine.yaml -o mine.zip", "kvstone run mine.zip --db theirs.db"});
    options->add_to(*command);
    command->add_option("-o,--output", options->output, "The archive to write (.zip); it must not exist")->required();
    command->add_option("--campaign", options->campaign,
                        "The campaign, by its id, the first digits of it, or its night. Without this option: the last "
                        "one of this scenario");
    command->callback([&line, options] { line.action = [&line, options] { return bundle(line, *options); }; });
}

}  // namespace kvstone
