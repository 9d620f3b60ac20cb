// Campaigns: the expected attempts, those still to be made, and those coming in.

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "results/record/utc.hpp"
#include "results/store/claims.hpp"
#include "results/store/store.hpp"
#include "results/store/store_state.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

template <class... Values>
std::int64_t insert_or_find(sqlite3* connection, std::string_view sql, Values const&... values) {
    Statement statement(connection, sql);
    if (!statement.with(values...).step()) throw std::logic_error("no row came back");
    auto const id = statement.integer(0);
    while (statement.step()) {
    }
    return id;
}

std::int64_t write_build(sqlite3* connection, Build const& build) {
    auto const toolchain = insert_or_find(connection,
                                          "INSERT INTO toolchain(uid, packages) VALUES (?, ?) ON CONFLICT (uid) DO "
                                          "UPDATE SET packages = excluded.packages RETURNING id",
                                          build.toolchain, build.toolchain_packages);
    return insert_or_find(connection,
                          "INSERT INTO build(toolchain, git_sha, source_hash, version, build_type, compiler, flags, "
                          "processor, has_mpi, has_llama, has_cuda) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON "
                          "CONFLICT DO UPDATE SET git_sha = excluded.git_sha RETURNING id",
                          toolchain, build.git_sha, build.source_hash, build.version, build.build_type, build.compiler,
                          build.flags, build.processor, build.has_mpi, build.has_llama, build.has_cuda);
}

/// Two builds of one commit are the same where all that their machine code follows from is the same.
std::string identity_of(Plan const& plan, Build const& build, std::string const& hardware_class,
                        std::string const& night) {
    auto text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}{}{}", plan.hash, build.git_sha, build.source_hash,
                            build.build_type, build.flags, build.processor, build.toolchain, hardware_class,
                            build.has_mpi, build.has_llama, build.has_cuda);
    if (!night.empty()) text += "\n" + night;  // ids of campaigns without a night stay as they were
    return short_hash(text);
}

std::int64_t write_plan(sqlite3* connection, Plan const& plan) {
    return insert_or_find(connection,
                          "INSERT INTO plan(uid, processes, measure) VALUES (?, ?, ?) ON CONFLICT (uid) DO UPDATE SET "
                          "measure = excluded.measure RETURNING id",
                          plan.hash, plan.measure.processes, to_json(plan.measure).dump());
}

void write_expected(sqlite3* connection, std::int64_t campaign, Plan const& plan) {
    std::set<std::string> const required(plan.require.begin(), plan.require.end());
    Statement cell(
        connection,
        "INSERT INTO cell(uid, canonical, workload, source, source_kind, source_name, context, batch, codec, "
        "codec_name, backend, threads, page, options) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT "
        "(uid) DO "
        "UPDATE SET source_name = excluded.source_name, codec_name = excluded.codec_name WHERE source_name "
        "<> excluded.source_name OR codec_name <> excluded.codec_name");
    Statement expected(connection,
                       "INSERT INTO expected(campaign, cell, process, position, required) VALUES (?, (SELECT id FROM "
                       "cell WHERE uid = ?), ?, ?, ?) ON CONFLICT DO UPDATE SET required = excluded.required");
    std::int64_t position = 0;
    for (auto const& c : plan.cells) {
        auto const kind = c.source.is_object() ? c.source.value("kind", "") : "";
        cell.run(c.id, c.canonical, c.workload, c.source.dump(), kind, c.source_name, c.context, c.batch, c.codec,
                 c.codec_name.empty() ? c.codec : c.codec_name, c.backend, c.threads, c.page, c.options.dump());
        for (int process = 0; process < plan.measure.processes; ++process)
            expected.run(campaign, c.id, process, position, required.contains(c.id));
        ++position;
    }
}

std::int64_t campaign_id(sqlite3* connection, std::string const& uid) {
    Statement find(connection, "SELECT id FROM campaign WHERE uid = ?");
    if (!find.with(uid).step()) throw ConfigError("the database has no such campaign", uid);
    return find.integer(0);
}

/// Everything without a standing attempt, in plan order.
std::vector<PendingAttempt> open_attempts(sqlite3* connection, std::string const& campaign) {
    Statement select(connection,
                     fmt::format("SELECT cell.uid, c.process, {} FROM v_current c JOIN cell ON cell.id = c.cell LEFT "
                                 "JOIN attempt a ON a.id = c.attempt WHERE c.campaign = ? AND (a.id IS NULL OR NOT "
                                 "a.stands) ORDER BY c.position, c.process",
                                 losses_of_current));
    std::vector<PendingAttempt> open;
    select.with(campaign_id(connection, campaign));
    while (select.step())
        open.push_back({select.text(0), static_cast<int>(select.integer(1)), static_cast<int>(select.integer(2))});
    return open;
}

}  // namespace

Campaign Store::begin_campaign(Plan const& plan, Build const& build, std::string const& hardware_class, bool fresh,
                               std::string const& night) {
    auto* const db = connection();
    auto const identity = identity_of(plan, build, hardware_class, night);
    Transaction transaction(db);
    // The newest of the same identity goes on, unless a fresh one is asked for.
    Statement newest(db, "SELECT coalesce(max(serial), -1) FROM campaign WHERE identity = ?");
    newest.with(identity).step();
    auto const last = newest.integer(0);
    newest.reset();
    auto const serial = fresh ? last + 1 : std::max<std::int64_t>(last, 0);
    auto const uid = serial == 0 ? identity : short_hash(fmt::format("{}\n{}", identity, serial));
    auto const id = insert_or_find(db,
                                   "INSERT INTO campaign(uid, identity, serial, scenario, plan, build, hardware_class, "
                                   "started_utc, resumed_utc, night) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, "
                                   "nullif(?9, '')) ON CONFLICT "
                                   "(uid) DO UPDATE SET scenario = excluded.scenario, resumed_utc = "
                                   "excluded.resumed_utc RETURNING id",
                                   uid, identity, serial, plan.scenario, write_plan(db, plan), write_build(db, build),
                                   hardware_class, utc_now(), night);
    write_expected(db, id, plan);
    write_claims(db, id, plan);
    transaction.commit();
    return {uid, plan.scenario, plan.hash, hardware_class};
}

std::vector<PendingAttempt> Store::pending(Campaign const& campaign) const {
    auto open = open_attempts(connection(), campaign.id);
    std::erase_if(open, [](PendingAttempt const& attempt) { return attempt.losses >= losses_allowed; });
    return open;
}

std::vector<PendingAttempt> Store::quarantined(Campaign const& campaign) const {
    auto open = open_attempts(connection(), campaign.id);
    std::erase_if(open, [](PendingAttempt const& attempt) { return attempt.losses < losses_allowed; });
    return open;
}

std::int64_t Store::failed_cells(Campaign const& campaign) const {
    Statement failed(connection(), "SELECT failed FROM v_campaign WHERE campaign = ?");
    return failed.with(campaign.id).step() ? failed.integer(0) : 0;
}

void Store::ingest(Campaign const& campaign, std::vector<Measurement> const& measurements) {
    if (!state_->ingester) throw std::logic_error("the database was opened for reading");
    Transaction transaction(connection());
    auto const id = campaign_id(connection(), campaign.id);
    state_->ingester->begin();
    for (auto const& measurement : measurements) state_->ingester->store(id, measurement);
    transaction.commit();
}

std::optional<std::size_t> Store::recover(std::string const& campaign, std::vector<Measurement> const& measurements) {
    auto* const db = connection();
    Statement known(db, "SELECT id FROM campaign WHERE uid = ?");
    if (!known.with(campaign).step()) return std::nullopt;
    auto const id = known.integer(0);
    known.reset();
    Transaction transaction(db);
    Statement open(db,
                   "SELECT NOT EXISTS (SELECT 1 FROM attempt a WHERE a.campaign = e.campaign AND a.cell = e.cell AND "
                   "a.process = e.process AND a.stands) FROM expected e JOIN cell ON cell.id = e.cell WHERE e.campaign "
                   "= ? AND cell.uid = ? AND e.process = ?");
    // Its worker was silent for so long that it was taken for lost; the result is there all the same.
    Statement not_lost(db, "DELETE FROM attempt WHERE uid = ? AND status = 'node_lost'");
    state_->ingester->begin();
    std::size_t stored = 0;
    for (auto const& measurement : measurements) {
        bool const wanted = open.with(id, measurement.cell_id, measurement.process).step() && open.integer(0) != 0;
        open.reset();
        if (wanted && measurement.status != Status::node_lost) not_lost.run(measurement.attempt_id);
        if (wanted && state_->ingester->store(id, measurement)) ++stored;
    }
    transaction.commit();
    return stored;
}

}  // namespace kvstone
