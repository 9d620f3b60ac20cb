// bench_nights [NIGHTS...]: how the time of each question grows with the nights in a database. Default: 37 and 365 nights of
// 275 cells, 10,175 and 100,375 cells. Prints seconds (the median of three, of one warm process that opens the file anew),
// and the exponent e of time ~ cells^e between the first database and the last.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "results/query/pareto.hpp"
#include "results/query/query.hpp"
#include "results/query/show.hpp"
#include "results/report/report.hpp"
#include "results/verdict/compare.hpp"
#include "results/verdict/gate.hpp"
#include "tests/report/nights.hpp"

namespace kvstone::test {
namespace {

struct Question {
    std::string name;
    std::function<void(std::string const& file, std::ostream& out)> ask;
};

Question of_query(std::string const& name, std::string const& sql) {
    return {name, [sql](std::string const& file, std::ostream& out) {
                print(out, query(Store::open_read_only(file), sql), TableFormat::csv);
            }};
}

void gate(std::string const& file, std::ostream& out) {
    auto const policy = parse_policy(
        "gate: 1\nrules: [ratio_vs_fp32 >= 0.00001, bits_per_value <= 50, relative_error_l1 no worse than 1%]\n",
        "bench");
    auto const rules = rules_of(policy);
    auto [base, head] = read_sides(file, "nights", {}, metrics_of(policy, rules));
    Evidence const evidence{.base = std::move(base), .head = std::move(head)};
    out << judge_gate(policy, rules, evidence).findings.size();
}

std::vector<Question> questions() {
    return {
        {"show", [](auto const& file, auto& out) { show_summary(Store::open_read_only(file), out); }},
        of_query("query @best", "@best"),
        {"show --pareto", [](auto const& file, auto& out) { show_pareto(Store::open_read_only(file), out, {}); }},
        {"compare",
         [](auto const& file, auto& out) {
             auto [base, head] = read_sides(file, "nights", {});
             print_comparison(out, *compare_sides(std::move(base), std::move(head), {}, false), TableFormat::table, {});
         }},
        {"gate", gate},
        of_query("query @statistics", "@statistics"),
        of_query("v_campaign, all", "SELECT * FROM v_campaign"),
        of_query("v_pareto, one campaign",
                 "SELECT count(*), count(beaten_by), count(rival) FROM v_pareto WHERE campaign = (SELECT campaign FROM "
                 "v_newest)"),
        of_query("v_pareto, all", "SELECT count(*), count(beaten_by), count(rival) FROM v_pareto"),
        {"show --history",
         [](auto const& file, auto& out) { show_history(Store::open_read_only(file), out, "decode_gb_per_s", {}); }},
        of_query("query @history", "@history decode_gb_per_s"),
        {"report", [](auto const& file, auto& out) {
             if (has_charts()) write_html_report(Store::open_read_only(file), out, {});
         }}};
}

double seconds(Question const& question, std::string const& file) {
    std::vector<double> times;
    for (int i = 0; i < 3; ++i) {
        auto const begin = std::chrono::steady_clock::now();
        std::ostringstream out;
        question.ask(file, out);
        times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    std::ranges::sort(times);
    return times[1];
}

void print_size(std::string const& file) {
    auto const store = Store::open_read_only(file);
    fmt::print("{} cells, {} figures, {} samples, {:.0f} MB; {:.1f} bytes a sample\n",
               number(store, "SELECT count(*) FROM expected"), number(store, "SELECT count(*) FROM figure"),
               number(store, "SELECT sum(n) FROM sample_block"),
               static_cast<double>(std::filesystem::file_size(file)) / 1e6,
               static_cast<double>(number(store, "SELECT sum(pgsize) FROM dbstat WHERE name = 'sample_block'")) /
                   static_cast<double>(number(store, "SELECT sum(n) FROM sample_block")));
}

int measure(std::vector<int> const& nights) {
    Folder const folder;
    std::vector<std::string> files;
    for (int const n : nights) {
        files.push_back(folder.file(fmt::format("{}.db", n)));
        write_nights(files.back(), year(n));
        print_size(files.back());
    }
    fmt::print("{:<20}", "seconds");
    for (int const n : nights) fmt::print("{:>12}", fmt::format("{} nights", n));
    fmt::print("{:>12}\n", "exponent");
    for (auto const& question : questions()) {
        std::vector<double> times;
        fmt::print("{:<20}", question.name);
        for (auto const& file : files) {
            times.push_back(seconds(question, file));
            fmt::print("{:>12.3f}", times.back());
        }
        fmt::print("{:>12.2f}\n", std::log(times.back() / times.front()) /
                                      std::log(static_cast<double>(nights.back()) / nights.front()));
    }
    return 0;
}

}  // namespace
}  // namespace kvstone::test

int main(int argc, char** argv) {
    std::vector<int> nights;
    for (int i = 1; i < argc; ++i) nights.push_back(std::max(std::atoi(argv[i]), 2));
    return kvstone::test::measure(nights.empty() ? std::vector<int>{37, 365} : nights);
}
