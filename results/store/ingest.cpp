#include "results/store/ingest.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "results/record/metrics.hpp"
#include "results/record/text.hpp"
#include "results/store/combine.hpp"
#include "results/store/compared_figures.hpp"
#include "results/store/sample_schema.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::optional<std::string> unless_empty(std::string const& text) {
    if (text.empty()) return std::nullopt;
    return valid_utf8(text);
}

template <class Number>
std::optional<Number> unless_zero(Number value) {
    if (value == Number{}) return std::nullopt;
    return value;
}

std::optional<std::string> text_member(Json const& facts, char const* name) {
    auto const found = facts.find(name);
    if (found == facts.end() || !found->is_string()) return std::nullopt;
    return valid_utf8(found->get<std::string>());
}

template <class Number>
std::optional<Number> number_member(Json const& facts, char const* name) {
    auto const found = facts.find(name);
    if (found == facts.end() || !found->is_number()) return std::nullopt;
    return found->get<Number>();
}

/// Numbers by name, of the metrics that this build declares.
std::unordered_map<std::string, std::int64_t> declared_metrics(sqlite3* connection) {
    std::unordered_map<std::string, std::int64_t> metrics;
    for (Statement known(connection, "SELECT name, id FROM metric"); known.step();)
        if (find_metric(known.text(0)) != nullptr) metrics.emplace(known.text(0), known.integer(1));
    return metrics;
}

}  // namespace

Ingester::Ingester(sqlite3* connection)
    : connection_(connection),
      metrics_(declared_metrics(connection)),
      find_expected_(connection,
                     "SELECT e.cell, p.processes FROM expected e JOIN campaign c ON c.id = e.campaign JOIN plan p ON "
                     "p.id = c.plan WHERE e.campaign = ? AND e.cell = (SELECT id FROM cell WHERE uid = ?) AND "
                     "e.process = ?"),
      find_host_(connection, "SELECT id FROM host WHERE uid = ?"),
      add_host_(connection,
                "INSERT INTO host(uid, name, hardware_class, hardware_name, cpu_model, cores, threads, memory_bytes, "
                "kernel, governor, facts, vector_units) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      add_attempt_(
          connection,
          "INSERT INTO attempt(uid, campaign, cell, process, status, reason, signal, stderr_tail, "
          "started_utc, finished_utc, wall_ns, harness_ns, roofline_gb_per_s, device, threads, protocol, "
          "task, host, load_average, temperature_c, engine, clock_mhz, slurm_job) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid) DO NOTHING"),
      add_figure_(connection, "INSERT INTO figure VALUES (?, ?, ?, ?, ?, ?, ?)"),
      find_series_(connection, "SELECT id FROM series WHERE metric = ? AND component = ?"),
      add_series_(connection, "INSERT INTO series(metric, component) VALUES (?, ?)"),
      add_samples_(connection, "INSERT INTO sample_block VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      add_profile_(connection, "INSERT INTO profile VALUES (?, ?, ?, ?, ?, ?, ?)"),
      add_compared_(
          connection,
          "INSERT INTO compared_figures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      drift_(connection),
      hardware_classes_(connection) {}

std::int64_t Ingester::metric(std::string const& name) const {
    auto const found = metrics_.find(name);
    if (found == metrics_.end())
        throw std::logic_error("metric '" + name + "' is not declared in results/record/metrics.cpp");
    return found->second;
}

std::optional<std::int64_t> Ingester::host(Json const& facts) {
    if (!facts.is_object() || facts.empty()) return std::nullopt;
    // Facts that change by the minute belong to the attempt; the others are stored once.
    Json lasting = facts;
    for (auto const* const passing : {"load_average", "temperature_c", "clock_mhz", "slurm_job"})
        lasting.erase(passing);
    auto const text = lasting.dump(-1, ' ', false, Json::error_handler_t::replace);
    auto const uid = short_hash(text);
    std::optional<std::int64_t> known;
    if (find_host_.with(uid).step()) known = find_host_.integer(0);
    find_host_.reset();
    if (known) return known;
    add_host_.run(uid, text_member(facts, "name"), unless_empty(hardware_classes_.of(facts)),
                  text_member(facts, "hardware_name"), text_member(facts, "cpu_model"),
                  number_member<std::int64_t>(facts, "cores"), number_member<std::int64_t>(facts, "threads"),
                  number_member<std::int64_t>(facts, "memory_bytes"), text_member(facts, "kernel"),
                  text_member(facts, "governor"), text, text_member(facts, "vector_units"));
    return sqlite3_last_insert_rowid(connection_);
}

std::int64_t Ingester::series(std::int64_t metric, std::string const& component) {
    std::optional<std::int64_t> known;
    if (find_series_.with(metric, component).step()) known = find_series_.integer(0);
    find_series_.reset();
    if (known) return *known;
    add_series_.run(metric, component);
    return sqlite3_last_insert_rowid(connection_);
}

void Ingester::add_samples(std::int64_t attempt, Samples const& samples) {
    constexpr std::size_t block = samples_a_row;
    auto const number = series(metric(samples.metric), samples.component);
    auto const& values = samples.values;
    for (std::size_t first = 0; first < values.size(); first += block) {
        auto const n = std::min(block, values.size() - first);
        add_samples_.with(attempt, number, first + n - 1);
        for (std::size_t i = 0; i < block; ++i) {
            int const column = static_cast<int>(4 + i);
            i < n ? add_samples_.bind(column, values[first + i]) : add_samples_.bind(column, nullptr);
        }
        while (add_samples_.step()) {
        }
        add_samples_.reset();
    }
}

void Ingester::add_compared(std::int64_t attempt, std::vector<Figure> const& figures) {
    add_compared_.with(attempt);
    int column = 1;
    for (auto const& value : compared_figures_of(figures)) add_compared_.bind(++column, value);
    while (add_compared_.step()) {
    }
    add_compared_.reset();
}

void Ingester::store_figures(std::int64_t attempt, Measurement const& measurement) {
    for (auto const& figure : measurement.figures)
        add_figure_.run(attempt, metric(figure.metric), figure.component, figure.value, figure.n, figure.ci_low,
                        figure.ci_high);
    if (!measurement.figures.empty()) add_compared(attempt, measurement.figures);
    for (auto const& samples : measurement.samples) add_samples(attempt, samples);
    for (auto const& profile : measurement.profiles)
        add_profile_.run(attempt, metric(profile.metric), profile.component, profile.layer, profile.head,
                         profile.position, profile.value);
}

bool Ingester::store(std::int64_t campaign, Measurement const& measurement) {
    if (!find_expected_.with(campaign, measurement.cell_id, measurement.process).step())
        throw CorruptData(fmt::format("attempt {} is at cell {}, process {}, which its campaign does not expect",
                                      measurement.attempt_id, measurement.cell_id, measurement.process));
    auto const cell = find_expected_.integer(0);
    auto const processes = find_expected_.integer(1);
    find_expected_.reset();
    auto const& m = measurement;
    auto const passing = m.host.is_object() ? m.host : Json::object();
    add_attempt_.run(
        m.attempt_id, campaign, cell, m.process, name_of(m.status), unless_empty(m.reason), unless_zero(m.signal),
        unless_empty(m.stderr_tail), unless_empty(m.started_utc), m.finished_utc, unless_zero(m.wall_ns),
        unless_zero(m.harness_ns), unless_zero(m.roofline_gb_per_s), unless_empty(m.device), unless_zero(m.threads),
        unless_empty(m.protocol), unless_empty(m.task), host(m.host), number_member<double>(passing, "load_average"),
        number_member<double>(passing, "temperature_c"), unless_empty(m.engine),
        number_member<double>(passing, "clock_mhz"), unless_empty(text_member(passing, "slurm_job").value_or("")));
    if (sqlite3_changes(connection_) == 0) return false;
    auto const attempt = sqlite3_last_insert_rowid(connection_);
    store_figures(attempt, m);
    if (m.roofline_gb_per_s > 0) drift_.mark(attempt);
    if (processes > 1) combine_processes(connection_, campaign, cell);
    return true;
}

}  // namespace kvstone
