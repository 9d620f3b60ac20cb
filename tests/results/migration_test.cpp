// Files of every schema that ever was, made by the SQL of their time.

#include <fstream>

#include <gtest/gtest.h>

#include "results/store/maintenance.hpp"
#include "results/store/schema.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::execute_in;
using test::number;
using test::stale_summaries;
using test::text;

/// One campaign of one cell with a figure, samples, a profile and a published figure, in columns that all versions have.
constexpr auto rows = R"sql(
INSERT INTO metric VALUES (1, 'cosine', '1', 'higher', 1, 'f'), (2, 'encode_ns', 'ns', 'lower', 0, 'f');
INSERT INTO toolchain VALUES (1, 'feed', 'g++ 16');
INSERT INTO build(id, toolchain, git_sha, version, build_type, compiler, flags, has_mpi, has_llama, has_cuda)
  VALUES (1, 1, 'abc-dirty', '0.1.0', 'Release', 'GNU', '-O3', 1, 1, 0);
INSERT INTO host(id, uid, name, hardware_class, facts) VALUES (1, 'h', 'node1', 'hw', '{}');
INSERT INTO plan VALUES (1, 'p', 1, '{}');
INSERT INTO campaign(id, uid, identity, serial, scenario, plan, build, hardware_class, started_utc, resumed_utc)
  VALUES (1, 'c', 'c', 0, 'old', 1, 1, 'hw', '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z');
INSERT INTO cell(id, uid, canonical, workload, source, source_name, context, batch, codec, codec_name, backend, threads)
  VALUES (1, 'x', '{}', 'roundtrip', '{}', 'tiny', 512, 1, 'int8', 'int8', 'openmp', 0);
INSERT INTO expected VALUES (1, 1, 0, 0, 0);
INSERT INTO attempt(id, uid, campaign, cell, process, status, finished_utc, host)
  VALUES (1, 'a', 1, 1, 0, 'ok', '2025-01-01T00:00:01Z', 1);
INSERT INTO figure VALUES (1, 1, 'k', 0.75, 1, NULL, NULL);
INSERT INTO profile VALUES (1, 1, 'k', 0, 0, -1, 0.5);
INSERT INTO published(id, campaign, match, component, metric, value) VALUES (1, 1, '{}', 'k', 1, 0.7);
INSERT INTO published_cell VALUES (1, 1);
)sql";

/// A series of samples: one a row, eight, or five.
constexpr auto sample_rows = R"sql(
INSERT INTO sample VALUES (1, 2, 'kv', 0, 1000.5), (1, 2, 'kv', 1, NULL), (1, 2, 'kv', 2, 3), (1, 2, 'kv', 3, 4),
  (1, 2, 'kv', 4, 5), (1, 2, 'kv', 5, 6), (1, 2, 'kv', 6, 7), (1, 2, 'kv', 7, 8), (1, 2, 'kv', 8, 0.1), (1, 2, 'kv', 9, NULL);
)sql";
constexpr auto sample_eights = R"sql(
INSERT INTO sample_block VALUES (1, 2, 'kv', 0, 8, 1000.5, NULL, 3, 4, 5, 6, 7, 8),
  (1, 2, 'kv', 1, 2, 0.1, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
)sql";
constexpr auto sample_fives = R"sql(
INSERT INTO series VALUES (1, 2, 'kv');
INSERT INTO sample_block VALUES (1, 1, 4, 1000.5, NULL, 3, 4, 5), (1, 1, 9, 6, 7, 8, 0.1, NULL);
)sql";
constexpr auto samples_told =
    "SELECT group_concat(metric || component || position || ':' || coalesce(value, '-'), ' ') FROM (SELECT * FROM "
    "sample "
    "ORDER BY position)";

/// `more_rows`: SQL that adds to the rows.
void make_file_of(int version, std::string const& path, std::string const& more_rows = {}) {
    for (auto const& migration : migrations())
        if (migration.version <= version) execute_in(path, std::string(migration.sql));
    execute_in(path, rows + more_rows + (version < 10 ? sample_rows : version < 12 ? sample_eights : sample_fives));
    if (version >= 11) execute_in(path, "INSERT INTO compared_figures(attempt) VALUES (1)");
    execute_in(path, fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, version));
}

class EveryVersion : public testing::TestWithParam<int> {};

TEST_P(EveryVersion, IsReadAndMigratedWithItsRows) {
    test::Folder const folder;
    make_file_of(GetParam(), folder.file());
    {
        // Read only, it stays as it was.
        auto const store = Store::open_read_only(folder.file());
        EXPECT_EQ(number(store, "SELECT value * 100 FROM figure"), 75);
        EXPECT_EQ(number(store, "PRAGMA user_version"), GetParam());
        // Views of this build that need no column of later versions are there, too.
        EXPECT_EQ(number(store, "SELECT count(*) FROM v_failures WHERE repeated"), 0);
        EXPECT_EQ(number(store, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), 0);
        EXPECT_EQ(text(store, "SELECT " + campaign_build_sql("'c'")), "abc-dirty");
        EXPECT_EQ(text(store, "SELECT campaign || coalesce(night, ' of no night') FROM v_campaign"), "c of no night");
        EXPECT_EQ(number(store, "SELECT count(*) FROM v_value"), 1);
        EXPECT_EQ(stale_summaries(store), 0);
        EXPECT_EQ(number(store, "SELECT sum(position) FROM sample WHERE value > 1"), 27);
        EXPECT_EQ(number(store, "SELECT sum(n) FROM sample_count WHERE metric = 2 AND component = 'kv'"), 10);
    }
    auto store = Store::open(folder.file());
    EXPECT_EQ(number(store, "PRAGMA user_version"), schema_version());
    EXPECT_TRUE(check(store).empty());
    EXPECT_EQ(number(store, "PRAGMA foreign_keys"), 1);
    EXPECT_EQ(text(store,
                   "SELECT b.id || git_sha || source_hash || processor || flags FROM build b JOIN campaign c ON "
                   "c.build = b.id"),
              "1abc-dirty-O3");
    EXPECT_THROW(execute(store.connection(), "DELETE FROM build"), std::runtime_error) << "the campaign refers to it";
    EXPECT_EQ(text(store, "SELECT campaign || cell || codec || page || value FROM v_latest"), "cxint8160.75");
    EXPECT_EQ(text(store, "SELECT relation || ' within ' || round(tolerance, 6) FROM published"),
              "equals within " + std::string(GetParam() == 1 ? "0.007" : "0.0"));
    EXPECT_EQ(text(store, "SELECT night FROM v_history WHERE metric = 'cosine'"), "2025-01-01") << "its day";
    EXPECT_EQ(number(store, "SELECT count(*) FROM v_profile"), 1);
    EXPECT_EQ(text(store, samples_told),
              "2kv0:1000.5 2kv1:- 2kv2:3.0 2kv3:4.0 2kv4:5.0 2kv5:6.0 2kv6:7.0 2kv7:8.0 2kv8:0.1 2kv9:-");
    EXPECT_EQ(number(store, "SELECT count(*) FROM outcome"), 1);
    EXPECT_EQ(stale_summaries(store), 0);
    // It merges like any other.
    auto other = Store::open(folder.file("other.db"));
    EXPECT_EQ(merge(other, folder.file()).attempts, 1);
    EXPECT_EQ(text(other, "SELECT campaign || cell || codec || page || value FROM v_latest"), "cxint8160.75");
    EXPECT_EQ(number(other, "SELECT count(*) FROM sample"), 10);
    EXPECT_EQ(number(other, "SELECT count(*) FROM outcome"), 1);
    EXPECT_EQ(stale_summaries(other), 0);
}

/// Until version 6 two edits of one commit were one build, and one campaign: it is not known whether they are the same.
TEST(Migrations, TwoNightsOfAnEditedTreeAreNotCalledTheSameBinary) {
    test::Folder const folder;
    make_file_of(6, folder.file(), R"(
INSERT INTO campaign VALUES (2, 'd', 'c', 1, 'old', 1, 1, 'hw', '2025-01-02T00:00:00Z', '2025-01-02T00:00:00Z');
INSERT INTO expected VALUES (2, 1, 0, 0, 0);
INSERT INTO attempt(id, uid, campaign, cell, process, status, finished_utc, host)
  VALUES (2, 'b', 2, 1, 0, 'ok', '2025-01-02T00:00:01Z', 1);
INSERT INTO figure VALUES (2, 1, 'k', 0.5, 1, NULL, NULL);)");
    auto const same =
        "SELECT group_concat(coalesce(same_binary, '-')) FROM (SELECT * FROM v_history WHERE metric = "
        "'cosine' ORDER BY started_utc)";
    EXPECT_EQ(text(Store::open_read_only(folder.file()), same), "0,0");
    EXPECT_EQ(text(Store::open(folder.file()), same), "0,0");
    auto const store = Store::open(folder.file());
    execute(store.connection(), "UPDATE build SET git_sha = 'abc'");
    EXPECT_EQ(text(store, same), "-,1");
}

/// Of K and V together, or the larger; of nmse the larger whatever there is together.
TEST(Migrations, FindTheFiguresThatCodecsAreComparedBy) {
    test::Folder const folder;
    make_file_of(10, folder.file(), R"(
INSERT INTO metric VALUES (3, 'bits_per_value', 'bit', 'lower', 1, 'f'), (4, 'kld_mean', 'nat', 'lower', 0, 'f'),
  (5, 'nmse', '1', 'lower', 1, 'f'), (6, 'decode_gb_per_s', 'GB/s', 'higher', 0, 'f'),
  (7, 'prefill_tokens_per_s', '1/s', 'higher', 0, 'f');
INSERT INTO figure VALUES (1, 3, 'k', 3, 1, NULL, NULL), (1, 3, 'v', 5, 1, NULL, NULL),
  (1, 4, 'k', 9, 1, 9, 9), (1, 4, 'kv', 0.5, 1, 0.25, NULL),
  (1, 5, 'k', 0.75, 1, NULL, NULL), (1, 5, 'v', 0.25, 1, NULL, NULL), (1, 5, 'kv', 0.5, 1, NULL, NULL),
  (1, 6, 'k', 4, 1, 3, 5), (1, 6, 'v', 6, 1, 2, 7), (1, 7, 'kv', NULL, 1, NULL, NULL), (1, 7, 'k', 8, 1, 7, 9);)");
    auto const told = [](Store const& store) {
        return text(
            store,
            "SELECT concat FROM (SELECT bits || ' kld ' || kld || ' from ' || kld_low || ' to ' || coalesce("
            "kld_high, '-') || ' nmse ' || nmse || ' rate ' || tensor_rate || ' from ' || tensor_rate_low || ' to ' "
            "|| tensor_rate_high || ' prefill ' || coalesce(prefill_rate, '-') || ' weights ' || coalesce("
            "weights_bytes, '-') AS concat FROM compared_figures WHERE attempt = 1)");
    };
    auto const expected = "5.0 kld 0.5 from 0.25 to - nmse 0.75 rate 6.0 from 3.0 to 7.0 prefill - weights -";
    auto const front =
        "SELECT bits_per_value || error_metric || error || speed_metric || speed || speed_low || on_front FROM "
        "v_pareto";
    EXPECT_EQ(told(Store::open_read_only(folder.file())), expected);
    EXPECT_EQ(text(Store::open_read_only(folder.file()), front), "5.0kld_mean0.5decode_gb_per_s6.03.01");
    auto store = Store::open(folder.file());
    EXPECT_EQ(told(store), expected);
    EXPECT_EQ(text(store, front), "5.0kld_mean0.5decode_gb_per_s6.03.01");
    EXPECT_EQ(stale_summaries(store), 0);
    execute(store.connection(), "UPDATE compared_figures SET bits = 4");
    EXPECT_EQ(stale_summaries(store), 2) << "a row that differs is seen";
    execute(store.connection(), "DELETE FROM attempt");
    EXPECT_EQ(number(store, "SELECT count(*) FROM compared_figures"), 0);
    EXPECT_TRUE(check(store).empty());
}

/// Rows of eight become rows of five: every sample comes back with every bit, in its place, however long its series.
TEST(Migrations, KeepSamplesOfEveryLength) {
    constexpr int longest = 17;
    auto const value = [](int length, int position) { return 1.0 / (length + position); };
    std::string blocks;
    for (int length = 1; length <= longest; ++length)
        for (int first = 0; first < length; first += 8) {
            blocks += fmt::format("INSERT INTO sample_block VALUES (1, 1, 'of {}', {}, {}", length, first / 8,
                                  std::min(8, length - first));
            for (int i = first; i < first + 8; ++i)
                blocks += i < length ? fmt::format(", {}", value(length, i)) : std::string(", NULL");
            blocks += ");\n";
        }
    test::Folder const folder;
    make_file_of(11, folder.file(), blocks);
    auto const expect_all = [&](Store const& store) {
        Statement read(store.connection(),
                       "SELECT value FROM sample WHERE attempt = 1 AND component = 'of ' || ? ORDER BY position");
        for (int length = 1; length <= longest; ++length) {
            int position = 0;
            for (read.with(length); read.step(); ++position) EXPECT_EQ(read.real(0), value(length, position)) << length;
            EXPECT_EQ(position, length);
            read.reset();
        }
    };
    expect_all(Store::open_read_only(folder.file()));
    expect_all(Store::open(folder.file()));
}

INSTANTIATE_TEST_SUITE_P(Schema, EveryVersion, testing::Range(1, schema_version() + 1));

/// The class of a host that a kernel's update took over a boundary of whole GiB is that of its first nights again.
TEST(Migrations, MakesOneClassOfHardwareThatWasTwo) {
    test::Folder const folder;
    make_file_of(6, folder.file(), R"(
UPDATE host SET facts = '{"cpu_model":"c","cores":2,"gpus":[],"memory_bytes":16642998272}';
INSERT INTO host(id, uid, name, hardware_class, facts) VALUES
  (2, 'i', 'node1', 'updated', '{"cpu_model":"c","cores":2,"gpus":[],"memory_bytes":16644000000}'),
  (3, 'j', 'node2', 'larger', '{"cpu_model":"c","cores":2,"gpus":[],"memory_bytes":33285996544}');
INSERT INTO campaign VALUES
  (2, 'd', 'd', 0, 'old', 1, 1, 'updated', '2025-01-02T00:00:00Z', '2025-01-02T00:00:00Z'),
  (3, 'e', 'e', 0, 'old', 1, 1, 'larger', '2025-01-03T00:00:00Z', '2025-01-03T00:00:00Z');)");
    auto const store = Store::open(folder.file());
    EXPECT_EQ(text(store, "SELECT group_concat(hardware_class, ' ') FROM (SELECT * FROM campaign ORDER BY id)"),
              "hw hw larger");
    EXPECT_EQ(text(store, "SELECT group_concat(hardware_class, ' ') FROM (SELECT * FROM host ORDER BY id)"),
              "hw hw larger");
}

// A migration that files have been through never changes: its text is frozen here when it is released.
TEST(Migrations, StayAsTheyWere) {
    std::vector<std::string> hashes;
    for (auto const& migration : migrations()) hashes.push_back(short_hash(migration.sql));
    std::vector<std::string> const frozen{"9734e60fc3b3e253", "d0748c2a74d508a6", "0b894476a306f296",
                                          "0a9779f8ba0e8b4f", "6925314da5b9f395", "4db8341b2305d117",
                                          "d43c5d921e661ca5", "74f4db29fc320595", "e90e8ff1a8199ea4",
                                          "0ffd4b969e73343f", "55f4f1af3a188f05", "265372ebfe4c9ed2"};
    ASSERT_EQ(hashes.size(), frozen.size()) << "a new version is frozen with the change that ships it";
    for (std::size_t i = 0; i < frozen.size(); ++i) EXPECT_EQ(hashes[i], frozen[i]) << "version " << i + 1;
}

TEST(Migrations, ANewerFileIsReadNotWritten) {
    test::Folder const folder;
    {
        Store::open(folder.file());
    }
    execute_in(folder.file(), fmt::format("ALTER TABLE cell ADD COLUMN later INTEGER; PRAGMA user_version = {}",
                                          schema_version() + 1));
    EXPECT_EQ(number(Store::open_read_only(folder.file()), "SELECT count(*) FROM v_latest"), 0);
    test::expect_error<ConfigError>([&] { Store::open(folder.file()); }, "it can be read, not written");
    auto other = Store::open(folder.file("other.db"));
    test::expect_error<ConfigError>([&] { merge(other, folder.file()); }, "this build knows");
}

}  // namespace
}  // namespace kvstone
