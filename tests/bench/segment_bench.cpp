// Blocks written to and read from the disk that holds the temporary folder ($TMPDIR): segments in each mode, and one file per
// block. Buffered reads may come from memory; figures of the disk itself are those of direct and io_uring.

#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness/cache/segments/segment_store.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

constexpr std::size_t total_bytes = std::size_t{256} << 20;
constexpr std::size_t together = 16;  ///< blocks of a put_many()

/// Keys, and bytes that no file system makes smaller.
struct Blocks {
    explicit Blocks(std::size_t block_bytes) : bytes(block_bytes + total_bytes / block_bytes) {
        std::mt19937_64 random(1);
        std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
        keys.resize(total_bytes / block_bytes);
        for (auto& key : keys) std::ranges::generate(key, [&] { return static_cast<std::uint8_t>(random()); });
        for (std::size_t i = 0; i < keys.size(); ++i)
            blocks.push_back({keys[i], std::span(bytes).subspan(i, block_bytes)});
        order = keys;
        std::ranges::shuffle(order, random);
    }
    std::vector<std::byte> bytes;
    std::vector<BlockKey> keys;
    std::vector<BlockToStore> blocks;
    std::vector<BlockKey> order;  ///< in which they are read
};

SegmentRules rules_of(SegmentIo io, SegmentSync sync) {
    return {.segment_bytes = 64 << 20, .budget_bytes = std::uint64_t{1} << 30, .io = io, .sync = sync};
}

void say(benchmark::State& state, SegmentStore const& store, SegmentIo io) {
    state.SetBytesProcessed(static_cast<std::int64_t>(total_bytes) * state.iterations());
    state.SetLabel(store.mode().text(io));
}

/// All is durable in the end; with SegmentSync::entry, `at_once` blocks after each call.
void write_segments(benchmark::State& state, SegmentIo io, SegmentSync sync, std::size_t at_once) {
    Blocks const data(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        state.PauseTiming();
        ScratchFolder const scratch;
        SegmentStore store(scratch.path(), rules_of(io, sync));
        state.ResumeTiming();
        for (std::span<BlockToStore const> rest = data.blocks; !rest.empty();
             rest = rest.subspan(std::min(at_once, rest.size())))
            store.put_many(rest.first(std::min(at_once, rest.size())));
        store.flush();
        say(state, store, io);
        state.counters["write_amplification"] = store.counters().write_amplification();
    }
}

void read_segments(benchmark::State& state, SegmentIo io, bool one_by_one) {
    Blocks const data(static_cast<std::size_t>(state.range(0)));
    ScratchFolder const scratch;
    SegmentStore store(scratch.path(), rules_of(io, SegmentSync::none));
    store.put_many(data.blocks);
    store.flush();
    std::size_t found = 0;
    for (auto _ : state) {
        if (one_by_one) {
            for (auto const& key : data.order) found += store.get(key).has_value();
        } else {
            store.get_many(data.order,
                           [&](std::size_t, std::optional<StoredBlock> block) { found += block.has_value(); });
        }
    }
    if (found != data.order.size() * static_cast<std::size_t>(state.iterations())) state.SkipWithError("a miss");
    say(state, store, io);
}

std::string file_of(std::string const& folder, std::size_t i) { return folder + "/" + std::to_string(i); }

void write_file(std::string const& path, std::span<std::byte const> bytes, bool sync) {
    auto const temporary = path + ".new";
    auto const file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || ::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
    if (sync && ::fdatasync(file) != 0) std::abort();
    ::close(file);
    if (::rename(temporary.c_str(), path.c_str()) != 0) std::abort();
}

void write_files(benchmark::State& state, bool sync_each) {
    Blocks const data(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        state.PauseTiming();
        ScratchFolder const scratch;
        state.ResumeTiming();
        for (std::size_t i = 0; i < data.blocks.size(); ++i)
            write_file(file_of(scratch.path(), i), data.blocks[i].bytes, sync_each);
        auto const folder = ::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if ((sync_each ? ::fsync(folder) : ::syncfs(folder)) != 0) std::abort();
        ::close(folder);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(total_bytes) * state.iterations());
}

void read_files(benchmark::State& state, bool direct) {
    Blocks const data(static_cast<std::size_t>(state.range(0)));
    ScratchFolder const scratch;
    for (std::size_t i = 0; i < data.blocks.size(); ++i)
        write_file(file_of(scratch.path(), i), data.blocks[i].bytes, true);
    std::vector<std::size_t> order(data.blocks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::shuffle(order, std::mt19937_64(1));
    AlignedBytes buffer(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        for (auto const i : order) {
            auto const file =
                ::open(file_of(scratch.path(), i).c_str(), O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
            if (file < 0) {
                state.SkipWithError("a file cannot be opened: is O_DIRECT refused here?");
                return;
            }
            if (::pread(file, buffer.span().data(), buffer.size(), 0) != static_cast<ssize_t>(buffer.size()))
                std::abort();
            ::close(file);
        }
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(total_bytes) * state.iterations());
}

void sizes(benchmark::internal::Benchmark* bench) {
    bench->Arg(2 << 20)->Arg(64 << 10)->ArgName("block")->UseRealTime()->Unit(benchmark::kMillisecond);
}

constexpr auto buffered = SegmentIo::buffered;
constexpr auto direct = SegmentIo::direct;
constexpr auto io_uring = SegmentIo::io_uring;

BENCHMARK_CAPTURE(write_segments, buffered_at_the_end, buffered, SegmentSync::none, together)->Apply(sizes);
BENCHMARK_CAPTURE(write_segments, direct_at_the_end, direct, SegmentSync::none, together)->Apply(sizes);
BENCHMARK_CAPTURE(write_segments, direct_one_by_one, direct, SegmentSync::none, 1)->Apply(sizes);
BENCHMARK_CAPTURE(write_segments, buffered_sync_each, buffered, SegmentSync::entry, 1)->Apply(sizes);
BENCHMARK_CAPTURE(write_segments, direct_sync_each, direct, SegmentSync::entry, 1)->Apply(sizes);
BENCHMARK_CAPTURE(write_segments, direct_sync_sixteen, direct, SegmentSync::entry, together)->Apply(sizes);
BENCHMARK_CAPTURE(write_files, at_the_end, false)->Apply(sizes);
BENCHMARK_CAPTURE(write_files, sync_each, true)->Apply(sizes);

BENCHMARK_CAPTURE(read_segments, buffered, buffered, false)->Apply(sizes);
BENCHMARK_CAPTURE(read_segments, direct, direct, false)->Apply(sizes);
BENCHMARK_CAPTURE(read_segments, io_uring, io_uring, false)->Apply(sizes);
BENCHMARK_CAPTURE(read_segments, io_uring_one_by_one, io_uring, true)->Apply(sizes);
BENCHMARK_CAPTURE(read_files, buffered, false)->Apply(sizes);
BENCHMARK_CAPTURE(read_files, direct, true)->Apply(sizes);

}  // namespace
}  // namespace kvstone

BENCHMARK_MAIN();
