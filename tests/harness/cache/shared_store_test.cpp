// A store shared by clients: their hits do not depend on their number, its accounts add up, and no client waits in
// vain.

#include "harness/cache/shared_store.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>

#include <gtest/gtest.h>

#include "harness/cache/clients.hpp"

namespace kvstone {
namespace {

using Keys = std::vector<BlockKey>;

/// Requests whose blocks are chained: every key says all that came before it.
std::vector<Keys> random_requests(std::uint64_t seed, std::size_t count) {
    std::mt19937_64 random(seed);
    std::vector<Keys> requests(count);
    for (auto& keys : requests) {
        std::vector<std::uint32_t> tokens(1 + random() % 12);
        for (auto& token : tokens) token = static_cast<std::uint32_t>(std::min(random() % 4, random() % 4));
        keys = block_keys(plain_root_key, tokens, 1);
    }
    return requests;
}

/// The stored bytes of a key: a function of the key alone, of various lengths.
StoredBlock::Parts parts_of(BlockKey const& key) {
    std::vector<std::byte> bytes(std::size_t{1} + key[0] % 7U);
    std::ranges::transform(std::span(key).first(bytes.size()), bytes.begin(),
                           [](auto byte) { return std::byte{byte}; });
    return {bytes, {std::byte{key[31]}}};
}

std::uint64_t bytes_of(BlockKey const& key) {
    std::uint64_t sum = 0;
    for (auto const& part : parts_of(key)) sum += part.size();
    return sum;
}

std::uint64_t never(std::size_t /*block*/) { return never_again; }

struct Outcome {
    std::vector<std::uint64_t> found;  ///< blocks of each request
    StoreCounters counters;
    std::uint64_t entries = 0;
    std::uint64_t written_bytes = 0, held_bytes = 0, evicted_bytes = 0, expired_bytes = 0;
    bool operator==(Outcome const&) const = default;
};

Outcome serve_all(std::vector<Keys> const& requests, StoreRules const& rules, std::size_t clients) {
    SharedStore store(rules);
    Outcome outcome;
    outcome.found.resize(requests.size());
    std::atomic<std::uint64_t> written = 0;
    std::atomic<int> wrong = 0;
    run_clients(
        clients, 0, requests.size(),
        [&](std::size_t /*client*/, std::uint64_t number) {
            auto const& keys = requests[number];
            auto const served = store.serve(number, keys, static_cast<std::int64_t>(number), never);
            ASSERT_TRUE(served);
            outcome.found[number] = served->found.size();
            for (auto const& [block, stored] : served->to_write) {
                written += bytes_of(keys[block]);
                stored->fill(parts_of(keys[block]));
            }
            for (std::size_t i = 0; i < served->found.size(); ++i) {
                auto const* const stored = served->found[i]->wait();
                wrong += stored == nullptr || *stored != parts_of(keys[i]) ? 1 : 0;
            }
        },
        [&] { store.throw_away(); });
    EXPECT_EQ(wrong, 0);
    outcome.counters = store.counters();
    outcome.entries = store.entries();
    outcome.written_bytes = written;
    outcome.held_bytes = store.held_bytes();
    outcome.evicted_bytes = store.evicted_bytes();
    outcome.expired_bytes = store.expired_bytes();
    return outcome;
}

TEST(SharedStores, FindTheSameForAnyNumberOfClients) {
    auto const requests = random_requests(3, 1500);
    for (auto const& policy : policy_names())
        for (std::int64_t const ttl_ns : {0, 4}) {
            StoreRules const rules{.policy = policy, .capacity = ttl_ns == 0 ? 60U : 14U, .ttl_ns = ttl_ns};
            auto const one = serve_all(requests, rules, 1);
            EXPECT_EQ(serve_all(requests, rules, 2), one) << policy;
            EXPECT_EQ(serve_all(requests, rules, 5), one) << policy;
            // The books are those of a store without bytes.
            BlockStore<BlockKey> books(rules);
            for (std::size_t i = 0; i < requests.size(); ++i) {
                ASSERT_EQ(books.match(requests[i], static_cast<std::int64_t>(i)), one.found[i]);
                books.commit(requests[i]);
            }
            EXPECT_EQ(books.counters(), one.counters);
            // Every byte that was written is held, was evicted or has expired.
            EXPECT_EQ(one.written_bytes, one.held_bytes + one.evicted_bytes + one.expired_bytes);
            EXPECT_EQ(one.counters.writes, one.entries + one.counters.evictions + one.counters.expirations);
            EXPECT_GT(one.evicted_bytes, 0U);
            EXPECT_EQ(one.expired_bytes > 0, ttl_ns > 0);
        }
}

TEST(SharedStores, CountBytesThatAreFilledAfterTheirEviction) {
    auto const keys = block_keys(plain_root_key, std::vector<std::uint32_t>{1, 2, 3}, 1);
    SharedStore store({.capacity = 1});
    auto const served = store.serve(0, keys, 0, never);
    ASSERT_TRUE(served);
    ASSERT_EQ(served->to_write.size(), 3U);
    EXPECT_EQ(store.entries(), 1U);
    EXPECT_EQ(store.evicted_bytes(), 0U);
    for (auto const& [block, stored] : served->to_write) stored->fill({std::vector<std::byte>(10 + block)});
    EXPECT_EQ(store.evicted_bytes(), 10U + 11U);
    EXPECT_EQ(store.held_bytes(), 12U);
}

TEST(SharedStores, LetNobodyWaitForOneWhoFailed) {
    auto const requests = random_requests(5, 200);
    for (std::uint64_t const failing : {0, 1, 50, 199}) {
        SharedStore store({});
        EXPECT_THROW(run_clients(
                         3, 0, requests.size(),
                         [&](std::size_t /*client*/, std::uint64_t number) {
                             if (number == failing) throw std::runtime_error("no");
                             if (auto const served = store.serve(number, requests[number], 0, never))
                                 for (auto const& [block, stored] : served->to_write) stored->give_up();
                         },
                         [&] { store.throw_away(); }),
                     std::runtime_error)
            << failing;
        EXPECT_FALSE(store.serve(0, requests[0], 0, never));
    }
    StoredBlock block;
    block.give_up();
    EXPECT_EQ(block.wait(), nullptr);
}

TEST(Clients, TakeEveryNumberOnce) {
    for (std::size_t const clients : {1, 2, 7}) {
        std::mutex lock;
        std::multiset<std::uint64_t> taken;
        std::set<std::size_t> who;
        run_clients(
            clients, 10, 500,
            [&](std::size_t client, std::uint64_t number) {
                std::scoped_lock const held(lock);
                taken.insert(number);
                who.insert(client);
            },
            [] {});
        EXPECT_EQ(taken.size(), 490U);
        EXPECT_EQ(std::set(taken.begin(), taken.end()).size(), 490U);
        EXPECT_EQ(*taken.begin(), 10U);
        EXPECT_EQ(*taken.rbegin(), 499U);
        EXPECT_LE(who.size(), clients);
    }
}

}  // namespace
}  // namespace kvstone
