// `kvstone bisect`: the first commit that breaks a rule of a policy, by `git bisect` and gates that measure.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <fmt/format.h>
#include <unistd.h>

#include "cluster/world.hpp"
#include "harness/attempts/shell_word.hpp"
#include "harness/cli/bisect_text.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/gate_measure.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/stop_signals.hpp"
#include "harness/gates/base_build.hpp"
#include "harness/gates/commit_search.hpp"
#include "harness/gates/shell_output.hpp"
#include "results/record/file_lock.hpp"
#include "results/verdict/gate_text.hpp"
#include "scenarios/cache_folder.hpp"
#include "scenarios/content_hash.hpp"

namespace kvstone {
namespace {

/// An inconclusive gate is measured again with twice the blocks, up to these.
constexpr int first_blocks = 8, most_blocks = 32;

struct BisectOptions {
    GateOptions gate;
    std::string good, bad;
    bool afresh = false, committed_only = false;
};

/// Thrown where a signal has asked the program to end.
struct Interrupted {};

std::string git_says(std::string const& arguments) { return shell_output("git " + arguments + " 2>/dev/null").text; }

/// The commits between which to search, by full id.
std::pair<std::string, std::string> ends_of(BisectOptions const& options) {
    if (shell_output("git rev-parse --show-toplevel >/dev/null 2>&1").status != 0)
        throw ConfigError("bisect works in a checkout of git, and this folder is in none",
                          std::filesystem::current_path().string());
    std::string ids[2];
    for (int i = 0; auto const* const word : {&options.good, &options.bad}) {
        ids[i] = commit_meant(*word);
        if (ids[i++].empty()) throw ConfigError("git knows no such commit", *word, {"a commit, a branch or a tag"});
    }
    auto const& [good, bad] = ids;
    if (good == bad) throw ConfigError("GOOD and BAD are one commit", options.good + " " + options.bad);
    if (shell_output("git merge-base --is-ancestor " + good + ' ' + bad).status != 0) {
        auto const common = git_says("merge-base " + good + ' ' + bad);
        throw ConfigError("GOOD is no ancestor of BAD: no commit between them can be the first bad one", options.good,
                          common.empty()
                              ? std::vector<std::string>{}
                              : std::vector<std::string>{common + ", the newest that is an ancestor of both"});
    }
    if (!options.committed_only && bad == commit_meant("HEAD") &&
        !git_says("status --porcelain --untracked-files=no").empty())
        throw ConfigError("BAD is checked out with changes that are not committed, and bisect measures commits",
                          options.bad, {"a commit of these changes", "--committed, which leaves them out"});
    return {good, bad};
}

class Bisection {
  public:
    Bisection(CommandLine const& line, BisectOptions const& options, Transport& world, Spawner& spawner)
        : line_(line), options_(options), world_(world), spawner_(spawner) {
        policy_ = load_policy(policy_path(options.gate.policy));
        if (!options.gate.rules.empty()) keep_rules(policy_, options.gate.rules);
        rules_of(policy_);
        if (policy_.build.empty())
            throw ConfigError("the policy does not say how to build a commit", "build",
                              {"build: {command: TEXT, program: TEXT}"}, {policy_.path, 0, 0});
        std::tie(good_, bad_) = ends_of(options);
        plan_of_gate(options.gate, policy_);  // refused before anything is built
    }

    ExitCode run() {
        auto const folder = folder_of_search();
        std::filesystem::create_directories(folder);
        std::ofstream(folder + ".lock", std::ios::app).close();
        auto const lock = FileLock::if_free(folder + ".lock");
        if (!lock) throw ConfigError("another `kvstone bisect` is at work between these commits", folder);
        if (options_.afresh) std::filesystem::remove(folder + "/state.json");
        CommitSearch search(folder, good_, bad_);
        search_ = &search;
        if (!search.answers().empty())
            say(fmt::format("going on: {} commits have been judged", search.answers().size()));
        base_ = built("GOOD", good_, [&] { return build_of_commit(good_, policy_.build, policy_.program); });
        if (!search.facts().contains("target")) {
            find_target();
            search.save();
        }
        for (auto commit = search.next(); !commit.empty(); commit = search.next()) judge(commit);
        auto const answer = concluded();
        if (line_.json)
            std::cout << answer.dump(2) << '\n';
        else
            print_words(bisect_text(answer), 2);
        search.remove_tree();
        return static_cast<ExitCode>(answer.at("exit_code").get<int>());
    }

  private:
    /// The same question has the same folder, so that it can go on.
    std::string folder_of_search() const {
        auto const folder = cache_folder("bisections");
        if (folder.empty()) throw ConfigError("bisect works in the cache folder: set XDG_CACHE_HOME or HOME", "bisect");
        auto const& gate = options_.gate;
        Json const question{git_says("rev-parse --path-format=absolute --git-common-dir"),
                            good_,
                            bad_,
                            policy_.text,
                            gate.scenario,
                            gate.set,
                            gate.only,
                            gate.rules,
                            gate.blocks};
        return folder + '/' + short_hash(question.dump());
    }

    /// A program that has to be built. An interrupted build is no failed one.
    static std::string built(char const* name, std::string const& commit, std::function<std::string()> const& build) {
        try {
            return build();
        } catch (SystemError const& error) {
            if (stop_requested) throw Interrupted{};
            throw SystemError(fmt::format("{} ({}) cannot be built: {}", name, commit, error.what()));
        }
    }

    std::string build_here(std::string const& commit) const {
        search_->check_out(commit);
        auto program = build_in(search_->tree(), policy_.build, policy_.program);
        if (access(program.c_str(), X_OK) != 0) throw SystemError(program + " is no program");
        return program;
    }

    /// A gate over two builds; of one rule at one cell where a target is given.
    GateRecord compared(std::string const& base, std::string const& head, Json const* target, int blocks) const {
        auto gate = options_.gate;
        gate.run = true;
        gate.base = base;
        gate.head = head;
        gate.blocks = blocks;
        if (target != nullptr) {
            gate.rules = {target->at("rule").get<std::string>()};
            gate.only = {target->at("cell").get<std::string>()};
        }
        bool met = false;
        auto record = decided_gate(line_, gate, [&](GateRecord& it, std::vector<PolicyRule> const& rules) {
            measure_gate(it, gate, rules, world_, spawner_, met);
        });
        if (stop_requested) throw Interrupted{};
        return record;
    }

    /// The same, with more blocks while the answer is inconclusive. `answer_of` tells the verdict that counts.
    template <class AnswerOf>
    GateRecord measured(std::string const& base, std::string const& head, Json const* target,
                        AnswerOf const& answer_of) const {
        int blocks = options_.gate.blocks;
        for (;;) {
            auto record = compared(base, head, target, blocks);
            auto const now = blocks == 0 ? first_blocks : blocks;
            if (answer_of(record) != Verdict::inconclusive || now >= most_blocks) return record;
            blocks = std::min(2 * now, most_blocks);
            say(fmt::format("inconclusive: measuring again in {} blocks", blocks));
        }
    }

    static Finding const* finding_of(GateRecord const& record, Json const& target) {
        auto const found = std::ranges::find_if(record.outcome.findings, [&](Finding const& finding) {
            return target.at("rule") == finding.rule && target.at("cell") == finding.cell &&
                   target.at("component") == finding.component;
        });
        return found == record.outcome.findings.end() ? nullptr : &*found;
    }

    static Verdict verdict_of(GateRecord const& record, Json const& target) {
        auto const* const finding = finding_of(record, target);
        return finding == nullptr ? Verdict::missing : finding->verdict;
    }

    /// The rule that BAD breaks and GOOD does not, at the cell where it is broken most.
    void find_target() {
        auto const bad = built("BAD", bad_, [&] { return build_here(bad_); });
        auto const record = measured(base_, bad, nullptr, [](GateRecord const& it) { return it.outcome.verdict; });
        auto targets = broken_rules(record);
        if (targets.empty()) {
            auto const verdict = record.outcome.verdict;
            if (verdict == Verdict::pass || verdict == Verdict::advisory)
                throw ConfigError(fmt::format("BAD is good: beside GOOD it breaks no rule of '{}'", policy_.name),
                                  options_.bad, {"a commit that does"});
            print_gate(std::cerr, record, standard_output());
            throw SystemError(fmt::format("BAD cannot be judged: the gate over GOOD and BAD is {}", name_of(verdict)));
        }
        while (!targets.empty() && breaks_alone(targets.front())) targets.erase(targets.begin());
        if (targets.empty())
            throw ConfigError("GOOD is bad already: it breaks the rules that BAD breaks", options_.good,
                              {"an older commit"});
        auto target = targets.front();
        targets.erase(targets.begin());
        say(fmt::format("looking for the first commit that breaks '{}' at {} {}", target["rule"].get<std::string>(),
                        target["codec"].get<std::string>(), target["where"].get<std::string>()));
        search_->facts() = {{"target", target}, {"others", targets}};
    }

    /// An absolute bound may have been broken before; a comparison with itself cannot be.
    bool breaks_alone(Json const& target) const {
        if (target.at("relative")) return false;
        return verdict_of(compared(base_, base_, &target, options_.gate.blocks), target) == Verdict::regression;
    }

    std::vector<Json> broken_rules(GateRecord const& record) const {
        std::vector<Json> targets;
        auto const answer = gate_json(record);
        auto const rules = rules_of(record.policy);
        for (auto const& finding : answer.at("decisions")) {
            if (finding["judgement"] != "regression" || !finding["counts"].get<bool>() || finding["cell"] == "")
                continue;
            auto target = finding;
            auto const rule = std::ranges::find(rules, finding["rule"].get<std::string>(),
                                                [](PolicyRule const& it) { return it.source.name; });
            target["relative"] = rule == rules.end() || rule->relative;
            target["timed"] = rule != rules.end() && rule->timed();
            target["gate"] = record.uid;
            targets.push_back(std::move(target));
        }
        std::ranges::stable_sort(targets, std::greater(), [](Json const& target) {
            auto const& base = target["base"];
            auto const& head = target["head"];
            if (!base.is_number() || !head.is_number() || base == 0 || head == 0) return 0.0;
            return std::abs(std::log(std::abs(head.get<double>() / base.get<double>())));
        });
        return targets;
    }

    /// The facts of an answer that people want to see.
    static Json facts_of(GateRecord const& record, Json const& target) {
        auto const* const finding = finding_of(record, target);
        if (finding == nullptr)
            return {{"gate", record.uid}, {"verdict", "missing"}, {"why", "this commit does not have the figure"}};
        auto const number = [](std::optional<double> const& value) { return value ? Json(*value) : Json(); };
        return {{"gate", record.uid},
                {"verdict", name_of(finding->verdict)},
                {"base", number(finding->base)},
                {"head", number(finding->head)},
                {"why", finding->why}};
    }

    void judge(std::string const& commit) const {
        auto const target = search_->facts().at("target");
        auto judgement = CommitJudgement::skip;
        Json facts;
        try {
            auto const program = build_here(commit);
            auto const record =
                measured(base_, program, &target, [&](GateRecord const& it) { return verdict_of(it, target); });
            facts = facts_of(record, target);
            auto const verdict = verdict_of(record, target);
            if (verdict == Verdict::regression) judgement = CommitJudgement::bad;
            if (verdict == Verdict::pass || verdict == Verdict::advisory) judgement = CommitJudgement::good;
        } catch (SystemError const& error) {
            if (stop_requested) throw Interrupted{};
            facts = {{"verdict", "failed"}, {"why", error.what()}};
        }
        say(fmt::format("{}  {}: {}", commit.substr(0, 12), name_of(judgement), facts["why"].get<std::string>()));
        search_->answer(commit, judgement, std::move(facts));
    }

    /// The figures beside the parent: two verdicts beside GOOD may tell of a change that came in several commits.
    Json beside_parent(std::string const& commit, Json const& target) const {
        auto const parent = commit_meant(commit + "^");
        if (!target.at("relative") || parent == good_) return nullptr;
        try {
            auto const base = build_of_commit(parent, policy_.build, policy_.program);
            auto const head = build_here(commit);
            auto facts = facts_of(
                measured(base, head, &target, [&](GateRecord const& it) { return verdict_of(it, target); }), target);
            facts["commit"] = parent;
            return facts;
        } catch (SystemError const& error) {
            if (stop_requested) throw Interrupted{};
            return {{"commit", parent}, {"verdict", "failed"}, {"why", error.what()}};
        }
    }

    Json concluded() const {
        auto& facts = search_->facts();
        auto const candidates = search_->candidates();
        bool const found = candidates.size() == 1;
        auto const& target = facts.at("target");
        if (found && !facts.contains("parent")) {
            facts["parent"] = beside_parent(candidates[0], target);
            search_->save();
        }
        Json answer{{"first_bad", found ? Json(candidates[0]) : Json()},
                    {"good", good_},
                    {"bad", bad_},
                    {"policy", policy_.name},
                    {"target", target},
                    {"others", facts.at("others")},
                    {"commits", search_->answers()},
                    {"candidates", candidates},
                    {"parent", facts.value("parent", Json())}};
        if (found) answer["subject"] = git_says("log -1 --format=%s " + candidates[0]);
        auto const& parent = answer["parent"];
        bool const unsure = target.at("timed") && !parent.is_null() && parent.at("verdict") != "regression";
        answer["exit_code"] = static_cast<int>(found && !unsure ? exit_pass : exit_inconclusive);
        return answer;
    }

    CommandLine const& line_;
    BisectOptions const& options_;
    Transport& world_;
    Spawner& spawner_;
    GatePolicy policy_;
    std::string good_, bad_, base_;
    CommitSearch* search_ = nullptr;
};

ExitCode bisect(CommandLine const& line, BisectOptions const& options) {
    Spawner spawner;  // forks: before any thread
    stop_on_signals();
    auto const world = open_world();
    if (world->size() > 1) throw ConfigError("bisect measures on one node: start it without a launcher", "bisect");
    try {
        return Bisection(line, options, *world, spawner).run();
    } catch (Interrupted const&) {
        say("interrupted: the same command goes on from here");
        return exit_interrupted;
    }
}

}  // namespace

void add_bisect(CommandLine& line) {
    auto options = std::make_shared<BisectOptions>();
    auto* command = line.verb(
        "bisect",
        "Find the first commit that breaks a rule of a policy; exit code 0, 3 where commits had to be skipped",
        {"kvstone bisect ci v1.2 main", "kvstone bisect ci good bad --rule 'no more bytes'"});
    auto& gate = options->gate;
    command->add_option("policy", gate.policy, "YAML file, or the name of a shipped policy: ci")->required();
    command->add_option("good", options->good, "A commit that keeps the rules, an ancestor of BAD")->required();
    command->add_option("bad", options->bad, "A commit that breaks one of them beside GOOD")->required();
    command->add_option("--rule", gate.rules, "Look for this rule of the policy; may be given several times");
    command->add_option("--scenario", gate.scenario, "The scenario, in place of the policy's");
    command->add_option("--set", gate.set, "KEY=VALUE into the scenario, after the policy's");
    command->add_option("--only", gate.only, "Cells whose text, codec name or id has this word");
    command
        ->add_option("--blocks", gate.blocks,
                     "Blocks of each timing at first (default: 8); twice as many while a verdict is inconclusive, up "
                     "to 32")
        ->check(CLI::Range(8, 1000));
    command->add_option("--seed", gate.seed, "Seed of the order of blocks (default: random)");
    command->add_flag("--committed", options->committed_only, "Leave out changes that are not committed");
    command->add_flag("--fresh", options->afresh, "Begin again, in place of going on");
    line.add_lock(*command);
    command->add_flag("--no-store", gate.keep_nothing, "Store no decisions of the gates");
    command->callback([&line, options] { line.action = [&line, options] { return bisect(line, *options); }; });
}

}  // namespace kvstone
