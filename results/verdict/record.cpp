#include "results/verdict/record.hpp"

#include <unordered_map>

#include <fmt/format.h>

#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/record/utc.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

/// The facts about a side, without its figures; cells only where no campaign has them.
Json side_json(Side const& side) {
    Json json{{"name", side.name},
              {"database", side.database},
              {"campaign", side.campaign},
              {"scenario", side.scenario},
              {"started_utc", side.started_utc},
              {"git_sha", side.git_sha},
              {"source_hash", side.source_hash},
              {"toolchain", side.toolchain},
              {"build", side.build},
              {"hardware_class", side.hardware_class},
              {"hardware", side.hardware}};
    if (!side.campaign.empty()) return json;
    json["cells"] = Json::array();
    for (auto const& cell : side.cells) json["cells"].push_back(to_json(cell.cell));
    return json;
}

void circumstances_from(Side& side, Json const& json) {
    for (auto const& [key, member] : {std::pair{"name", &side.name},
                                      {"database", &side.database},
                                      {"campaign", &side.campaign},
                                      {"scenario", &side.scenario},
                                      {"started_utc", &side.started_utc},
                                      {"git_sha", &side.git_sha},
                                      {"toolchain", &side.toolchain},
                                      {"build", &side.build},
                                      {"hardware_class", &side.hardware_class},
                                      {"hardware", &side.hardware}})
        json.at(key).get_to(*member);
    side.source_hash = json.value("source_hash", "");  // older records do not have it
}

Side read_back(Json const& json, std::string const& database, std::vector<std::string> const& metrics_wanted,
               std::vector<GateAttempt> const& attempts, char which) {
    if (auto const campaign = json.at("campaign").get<std::string>(); !campaign.empty()) {
        auto const other = json.at("database").get<std::string>();
        auto side = read_side(other.empty() ? database : other, campaign, {}, metrics_wanted);
        side.name = json.at("name");
        return side;
    }
    std::vector<Cell> cells;
    for (auto const& cell : json.at("cells")) cells.push_back(cell_from_json(cell));
    auto side = side_of_cells(cells);
    circumstances_from(side, json);
    add_attempts(side, attempts, which);
    return side;
}

/// The table knows three stages: counts of work are its second block of probes.
struct StoredStage {
    static constexpr int block_of_work = 1;
    std::string stage;
    int block;

    static StoredStage of(GateAttempt const& attempt) {
        if (attempt.phase == "work") return {"probe", block_of_work};
        return {attempt.phase, attempt.block};
    }
    /// Gives an attempt back what it was stored from.
    void restore(GateAttempt& attempt) const {
        bool const work = stage == "probe" && block == block_of_work;
        attempt.phase = work ? "work" : stage;
        attempt.block = work ? 0 : block;
    }
};

std::optional<std::string> or_null(std::string const& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

void write_findings(sqlite3* connection, std::int64_t run, std::vector<Finding> const& findings) {
    Statement write(connection, "INSERT INTO decision VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    std::int64_t number = 0;
    for (auto const& d : findings) {
        auto const cell = or_null(d.cell), codec = or_null(d.codec_name), component = or_null(d.component);
        auto const metric = or_null(d.metric), waiver = or_null(d.waiver);
        write.run(run, ++number, d.rule, cell, codec, component, metric, d.base, d.head,
                  d.change ? std::optional(d.change->value) : std::nullopt, d.change ? d.change->low : std::nullopt,
                  d.change ? d.change->high : std::nullopt, d.screen_p, d.confirm_p, d.detectable, d.target,
                  name_of(d.verdict), d.why, waiver);
    }
}

void write_attempts(sqlite3* connection, std::int64_t run, std::vector<GateAttempt> const& attempts) {
    Statement write(connection, "INSERT INTO gate_attempt VALUES (?,?,?,?,?,?,?,?,?,?)");
    std::int64_t number = 0;
    for (auto const& attempt : attempts) {
        std::string const side(1, attempt.side);
        auto const measurement = to_json(attempt.measurement).dump(-1, ' ', false, Json::error_handler_t::replace);
        auto const stored = StoredStage::of(attempt);
        write.run(run, ++number, attempt.cell, stored.stage, stored.block, attempt.position, side, attempt.launch,
                  name_of(attempt.measurement.status), measurement);
    }
}

void write_waivers(sqlite3* connection, std::int64_t run, GateRecord const& record) {
    Statement write(connection, "INSERT INTO waiver VALUES (?,?,?,?,?,?,?,?)");
    for (std::size_t i = 0; i < record.policy.waivers.size(); ++i) {
        auto const& waiver = record.policy.waivers[i];
        auto const rule = or_null(waiver.rule);
        auto const cells = Json{{"match", waiver.cells.match}, {"except", waiver.cells.except}}.dump();
        bool const used = i < record.outcome.waived.size();
        write.run(run, i + 1, rule, cells, waiver.until, waiver.reason, waiver.until < record.evidence.today,
                  used ? record.outcome.waived[i] : 0);
    }
}

std::optional<double> nullable(QueryValue const& value) {
    if (auto const* real = std::get_if<double>(&value)) return *real;
    return std::nullopt;
}

std::vector<Finding> read_findings(Store const& store, std::int64_t run) {
    std::vector<Finding> findings;
    for (auto const& row :
         query(store,
               "SELECT rule, cell, codec_name, component, metric, base, head, change, low, high, screen_p, "
               "confirm_p, detectable, target, judgement, why, waiver FROM decision WHERE gate_run = ?1 "
               "ORDER BY number",
               {run})
             .rows) {
        Finding d{.rule = text(row[0]),
                  .cell = text(row[1]),
                  .title = {},
                  .codec_name = text(row[2]),
                  .component = text(row[3]),
                  .metric = text(row[4]),
                  .base = nullable(row[5]),
                  .head = nullable(row[6]),
                  .screen_p = nullable(row[10]),
                  .confirm_p = nullable(row[11]),
                  .detectable = nullable(row[12]),
                  .target = nullable(row[13]),
                  .verdict = verdict_named(text(row[14])),
                  .why = text(row[15]),
                  .waiver = text(row[16])};
        if (auto const change = nullable(row[7])) d.change = Estimate{*change, nullable(row[8]), nullable(row[9])};
        findings.push_back(std::move(d));
    }
    return findings;
}

std::vector<GateAttempt> read_attempts(Store const& store, std::int64_t run) {
    std::vector<GateAttempt> attempts;
    Statement read(store.connection(),
                   "SELECT cell, stage, block, position, side, launch, measurement FROM gate_attempt "
                   "WHERE gate_run = ?1 ORDER BY number");
    for (read.with(run); read.step();) {
        attempts.push_back({.cell = read.text(0),
                            .position = static_cast<int>(read.integer(3)),
                            .side = read.text(4).at(0),
                            .launch = static_cast<int>(read.integer(5)),
                            .measurement = measurement_from_json(parse_json(read.text(6)))});
        StoredStage{read.text(1), static_cast<int>(read.integer(2))}.restore(attempts.back());
    }
    return attempts;
}

}  // namespace

void store_gate(Store& store, GateRecord const& record) {
    auto* const connection = store.connection();
    Transaction transaction(connection);
    auto const& evidence = record.evidence;
    auto settings = record.settings;
    settings["tests"] = evidence.tests;
    settings["screen_blocks"] = evidence.screen_blocks;
    settings["untimed"] = evidence.untimed;
    settings["measured"] = evidence.measured;
    settings["today"] = evidence.today;
    settings["across_toolchains"] = evidence.across_toolchains;
    if (evidence.nights) settings["nights"] = to_json(*evidence.nights);
    auto const base = evidence.base ? std::optional(side_json(*evidence.base).dump()) : std::nullopt;
    auto const head = side_json(evidence.head).dump(), text = settings.dump();
    Statement(
        connection,
        "INSERT INTO gate_run(uid, kind, started_utc, finished_utc, policy_name, policy_path, policy, base, head, "
        "settings, hardware_class, judgement, exit_code) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")
        .run(record.uid, record.kind, record.started_utc, record.finished_utc, record.policy.name, record.policy.path,
             record.policy.text, base, head, text, evidence.head.hardware_class, name_of(record.outcome.verdict),
             record.exit_code);
    auto const run = sqlite3_last_insert_rowid(connection);
    write_findings(connection, run, record.outcome.findings);
    write_attempts(connection, run, evidence.attempts);
    write_waivers(connection, run, record);
    transaction.commit();
}

GateRecord load_gate(Store const& store, std::string const& database, std::string const& uid) {
    auto const found =
        query(store,
              uid.empty() ? "SELECT id, uid, kind, started_utc, finished_utc, policy_path, policy, base, head, "
                            "settings, judgement, exit_code FROM gate_run WHERE kind <> 'calibration' AND ?1 = "
                            "'' ORDER BY finished_utc DESC, id DESC LIMIT 1"
                          : "SELECT id, uid, kind, started_utc, finished_utc, policy_path, policy, base, head, "
                            "settings, judgement, exit_code FROM gate_run WHERE substr(uid, 1, length(?1)) = ?1",
              {uid})
            .rows;
    if (found.empty()) throw ConfigError("no gate has this id (`kvstone query 'select * from gate_run'`)", uid);
    if (found.size() > 1) throw ConfigError("more than one gate has an id that starts with this", uid);
    auto const& row = found[0];
    GateRecord record;
    auto const id = std::get<std::int64_t>(row[0]);
    record.uid = text(row[1]);
    record.kind = text(row[2]);
    record.started_utc = text(row[3]);
    record.finished_utc = text(row[4]);
    if (!text(row[6]).empty()) record.policy = parse_policy(text(row[6]), text(row[5]));
    record.settings = parse_json(text(row[9]));
    if (auto const kept = record.settings.value("rules", std::vector<std::string>{}); !kept.empty())
        keep_rules(record.policy, kept);
    record.outcome.findings = read_findings(store, id);
    record.outcome.verdict = verdict_named(text(row[10]));
    record.exit_code = static_cast<int>(std::get<std::int64_t>(row[11]));
    auto& evidence = record.evidence;
    evidence.attempts = read_attempts(store, id);
    record.settings.at("tests").get_to(evidence.tests);
    evidence.screen_blocks = record.settings.value("screen_blocks", evidence.screen_blocks);
    record.settings.at("untimed").get_to(evidence.untimed);
    record.settings.at("measured").get_to(evidence.measured);
    record.settings.at("today").get_to(evidence.today);
    record.settings.at("across_toolchains").get_to(evidence.across_toolchains);
    auto const wanted = metrics_of(record.policy, rules_of(record.policy));
    if (auto const base = text(row[7]); !base.empty())
        evidence.base = read_back(parse_json(base), database, wanted, evidence.attempts, 'A');
    evidence.head = read_back(parse_json(text(row[8])), database, wanted, evidence.attempts, 'B');
    if (auto const nights = record.settings.find("nights"); nights != record.settings.end() && nights->is_object())
        evidence.nights = night_series_from_json(*nights, database, wanted);
    return record;
}

Json newest_calibration(Store const& store, std::string const& hardware_class) {
    auto const found =
        query(store,
              "SELECT settings, uid, started_utc FROM gate_run WHERE kind = 'calibration' AND hardware_class "
              "= ?1 AND json_extract(settings, '$.failed') IS NOT NULL ORDER BY finished_utc DESC, id DESC LIMIT 1",
              {hardware_class})
            .rows;
    if (found.empty()) return nullptr;
    auto settings = parse_json(text(found[0][0]));
    settings["uid"] = text(found[0][1]);
    settings["started_utc"] = text(found[0][2]);
    return settings;
}

void set_baseline(Store& store, std::string const& name, std::string const& campaign, std::string const& gate_run) {
    auto const gate = or_null(gate_run);
    Statement(store.connection(), "INSERT OR REPLACE INTO baseline VALUES (?, ?, ?, ?)")
        .run(name, campaign, utc_now(), gate);
}

Side side_of_cells(std::vector<Cell> const& cells) {
    Side side;
    for (auto const& cell : cells) {
        SideCell row;
        row.cell = cell;
        row.title =
            fmt::format("{}  {}  {} tokens  {}", workload_text(cell), cell.source_name, cell.context, cell.backend);
        row.status = "missing";
        side.cells.push_back(std::move(row));
    }
    return side;
}

void add_attempts(Side& side, std::vector<GateAttempt> const& attempts, char which) {
    std::unordered_map<std::string_view, SideCell*> cells;
    for (auto& cell : side.cells) cells[cell.cell.id] = &cell;
    for (auto const& attempt : attempts) {
        auto const found = cells.find(attempt.cell);
        if (attempt.side != which || found == cells.end()) continue;
        auto& cell = *found->second;
        if (attempt.phase == "probe" && cell.status != "ok") add_measurement(side, cell, attempt.measurement);
        if (attempt.phase == "work" && cell.status == "ok" && cell.counted_by.empty())
            add_work(cell, attempt.measurement);
    }
}

}  // namespace kvstone
