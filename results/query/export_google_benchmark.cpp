// Google Benchmark's JSON. Its compare.py matches entries by name and takes those of one name as repetitions, so a name
// tells everything that makes a cell but not the build.

#include <ostream>

#include <fmt/ostream.h>

#include "results/query/export.hpp"
#include "results/query/query.hpp"
#include "results/record/build.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

using Object = nlohmann::ordered_json;

constexpr auto name_sql = R"sql(
workload || coalesce('/' || nullif(options, '{}'), '') || '/' || source_name || '/context:' || context ||
  iif(batch > 1, '/batch:' || batch, '') || iif(page <> 16, '/page:' || page, '') || '/' || codec_name || '/' ||
  backend || iif(x.threads > 0, '/threads:' || x.threads, '')
)sql";

Object context_of(Store const& store, std::string const& campaign) {
    Statement select(
        store.connection(),
        "SELECT started_utc, git_sha, build_type, toolchain, hardware, scenario, (SELECT cores FROM host WHERE "
        "host.hardware_class = c.hardware_class LIMIT 1), (SELECT name FROM host WHERE host.hardware_class = "
        "c.hardware_class LIMIT 1), " +
            campaign_build_sql("campaign") + " FROM v_campaign c WHERE campaign = ?");
    select.with(campaign).step();
    auto const build_type = select.text(2);
    return {{"date", select.text(0)},
            {"host_name", select.text(7)},
            {"executable", "kvstone"},
            {"num_cpus", select.integer(6)},
            {"library_build_type", build_type == "Release" ? "release" : "debug"},
            {"kvstone_campaign", campaign},
            {"kvstone_scenario", select.text(5)},
            {"kvstone_git_sha", select.text(1)},
            {"kvstone_build", select.text(8)},
            {"kvstone_toolchain", select.text(3)},
            {"kvstone_hardware", select.text(4)}};
}

class Entries {
  public:
    explicit Entries(std::ostream& out) : out_(out) {}
    void add(Object const& entry) {
        out_ << (first_ ? "\n    " : ",\n    ") << entry.dump(-1, ' ', false, Object::error_handler_t::replace);
        first_ = false;
    }

  private:
    std::ostream& out_;
    bool first_ = true;
};

void add_times(Store const& store, std::string const& campaign, Entries& entries) {
    Statement select(store.connection(),
                     "SELECT " + std::string(name_sql) +
                         " || '/' || s.component || '/' || m.name, s.value, a.threads, a.process, "
                         "count(*) OVER (PARTITION BY x.id, m.id, s.component) FROM v_current c JOIN "
                         "campaign ON campaign.id = c.campaign AND campaign.uid = ? JOIN attempt a ON "
                         "a.id = c.attempt AND a.status = 'ok' JOIN cell x ON x.id = c.cell JOIN "
                         "sample s ON s.attempt = a.id JOIN metric m ON m.id = s.metric AND m.unit = "
                         "'ns' WHERE s.value IS NOT NULL ORDER BY c.position, m.id, s.component, "
                         "c.process, s.position");
    std::string name;
    std::int64_t repetition = 0;
    select.with(campaign);
    while (select.step()) {
        repetition = select.text(0) == name ? repetition + 1 : 0;
        name = select.text(0);
        double const time_ns = select.real(1);
        entries.add({{"name", name},
                     {"run_name", name},
                     {"run_type", "iteration"},
                     {"repetitions", select.integer(4)},
                     {"repetition_index", repetition},
                     {"threads", select.integer(2)},
                     {"iterations", 1},
                     {"real_time", time_ns},
                     {"cpu_time", time_ns},
                     {"time_unit", "ns"},
                     {"process", select.integer(3)}});
    }
}

void add_failures(Store const& store, std::string const& campaign, Entries& entries) {
    Statement select(store.connection(),
                     "SELECT " + std::string(name_sql) +
                         ", a.status || coalesce(': ' || a.reason, '') FROM v_current c JOIN campaign ON campaign.id = "
                         "c.campaign AND campaign.uid = ? JOIN attempt a ON a.id = c.attempt AND a.status <> 'ok' JOIN "
                         "cell x ON x.id = c.cell ORDER BY c.position, c.process");
    select.with(campaign);
    while (select.step())
        entries.add({{"name", select.text(0)},
                     {"run_name", select.text(0)},
                     {"run_type", "iteration"},
                     {"error_occurred", true},
                     {"error_message", select.text(1)}});
}

}  // namespace

void export_google_benchmark(Store const& store, std::ostream& out, std::string const& campaign) {
    fmt::print(out, "{{\n  \"context\": {},\n  \"benchmarks\": [", context_of(store, campaign).dump());
    Entries entries(out);
    add_times(store, campaign, entries);
    add_failures(store, campaign, entries);
    out << "\n  ]\n}\n";
}

}  // namespace kvstone
