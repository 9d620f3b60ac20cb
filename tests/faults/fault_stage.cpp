// fault: a stage that misbehaves, for tests of its containment. Never part of a shipped program.
//
// Stores half of each value (as binary16) and decodes it, except as `how` asks:
//   crash     encode() ends by SIGSEGV
//   abort     encode() ends by SIGABRT, with a line on standard error
//   hang      encode() never returns
//   sleep     the first encode() of a process makes the file $KVSTONE_FAULT_MARK and sleeps $KVSTONE_FAULT_SLEEP_S seconds
//             (default: 60)
//   stop      encode() stops its process by SIGSTOP
//   heap      encode() allocates without end, as malloc does
//   huge      encode() asks for 2^50 bytes at once
//   shared    the same in memory that RLIMIT_DATA does not see
//   throw     encode() throws
//   exit      encode() ends the process with code 0 and no result
//   forget    decode() gives the input of the process's last encode(), and reads no stored byte
//   wrong     decode() gives another value in one place than was stored
//   infinite  decode() gives an infinity in one place
//   skip_value, skip_vector, skip_head   decode() leaves the last value, vector or head as it was
//   omit_zeros  nothing is wrong: stores nothing of a section of zeros

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct HalveFloat {
    template <class T>
    KOKKOS_INLINE_FUNCTION Float16 operator()(T value) const {
        return from_float<Float16>(to_float(value));
    }
};

template <class T>
struct WidenFloat {
    KOKKOS_INLINE_FUNCTION T operator()(Float16 value) const { return from_float<T>(to_float(value)); }
};

class Fault : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "fault";
        info.summary = "misbehaves as told";
        info.source = "tests";
        info.options = {
            choice_option("how", std::nullopt,
                          {"crash", "abort", "hang", "sleep", "stop", "heap", "huge", "shared", "throw", "exit",
                           "forget", "wrong", "infinite", "skip_value", "skip_vector", "skip_head", "omit_zeros"},
                          "what goes wrong")};
        info.examples = {"fault:how=wrong"};
        return info;
    }
    explicit Fault(Options const& options) : how_(options.choice("how")) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::payload, section.shape.values() * sizeof(Float16), how_ == "omit_zeros", sizeof(Float16),
                 section.shape.dim}};
    }
    std::uint64_t page_tokens(Section const&) const { return how_ == "omit_zeros" ? 0 : 1; }
    double nominal_bits(Section const&) const { return 16; }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        for (std::uint64_t i = 0; i < section.shape.values(); ++i)
            bounds[i] = static_cast<double>(values[i] < 0 ? -values[i] : values[i]) / 2048 + 1e-7;
    }

    template <class Space, class T>
    void encode(Space const& space, Section const&, KvSpan<T const> values, Planes planes, Workspace) const {
        misbehave();
        map_to_packed(space, values, planes[0].as<Float16>(), HalveFloat{});
        space.fence();
        auto const is_zero = [](std::byte byte) { return byte == std::byte{0}; };
        if (how_ == "omit_zeros" && std::all_of(planes[0].data, planes[0].data + planes[0].bytes, is_zero))
            planes[0].bytes = 0;
        if (how_ == "forget") remembered().assign(planes[0].data, planes[0].data + planes[0].bytes);
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        std::vector<Float16> const zeros(planes[0].bytes == 0 ? values.shape.values() : 0);
        auto const* const stored = planes[0].bytes == 0 ? zeros.data()
                                   : how_ == "forget"   ? reinterpret_cast<Float16 const*>(remembered().data())
                                                        : planes[0].as<Float16>();
        auto const before = skipped(values);
        map_from_packed(space, stored, values, WidenFloat<T>{});
        space.fence();
        put_back(before, values);
        if (how_ == "wrong") values(0, 0, 0, 0) = from_float<T>(to_float(values(0, 0, 0, 0)) + 1);
        if (how_ == "infinite") values(0, 0, 0, 0) = from_float<T>(std::numeric_limits<float>::infinity());
    }

  private:
    /// Vectors at the end of the tensor of which something is left as it was.
    template <class T>
    std::uint64_t skipped_vectors(KvSpan<T> const& values) const {
        return how_ == "skip_head" ? values.shape.tokens : how_.starts_with("skip") ? 1 : 0;
    }
    /// Calls action(first byte, bytes) for each part that is left as it was.
    template <class T, class Action>
    void each_skipped(KvSpan<T> const& values, Action const& action) const {
        auto const& shape = values.shape;
        for (std::uint64_t n = 1; n <= skipped_vectors(values); ++n) {
            auto* const vector = values.vector(shape.layers - 1, shape.heads - 1, shape.tokens - n);
            auto const first = how_ == "skip_value" ? shape.dim - 1 : 0;
            action(reinterpret_cast<std::byte*>(vector + first), (shape.dim - first) * sizeof(T));
        }
    }
    template <class T>
    std::vector<std::byte> skipped(KvSpan<T> const& values) const {
        std::vector<std::byte> kept;
        each_skipped(values,
                     [&](std::byte const* from, std::size_t bytes) { kept.insert(kept.end(), from, from + bytes); });
        return kept;
    }
    template <class T>
    void put_back(std::vector<std::byte> const& kept, KvSpan<T> const& values) const {
        auto const* from = kept.data();
        each_skipped(values, [&](std::byte* to, std::size_t bytes) {
            std::memcpy(to, from, bytes);
            from += bytes;
        });
    }

    static std::vector<std::byte>& remembered() {
        static std::vector<std::byte> bytes;
        return bytes;
    }

    static void sleep_once() {
        static bool slept = false;
        if (std::exchange(slept, true)) return;
        if (char const* const mark = std::getenv("KVSTONE_FAULT_MARK"); mark != nullptr)
            std::ofstream(mark) << getpid() << '\n';
        char const* const seconds = std::getenv("KVSTONE_FAULT_SLEEP_S");
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds == nullptr ? 60 : std::atof(seconds)));
    }

    void misbehave() const {
        constexpr std::size_t piece = std::size_t{16} << 20;
        if (how_ == "crash") {
            std::signal(SIGSEGV, SIG_DFL);  // where a sanitizer has put its own
            std::raise(SIGSEGV);
        }
        if (how_ == "abort") {
            std::fputs("about to abort \xff\n", stderr);
            std::abort();
        }
        while (how_ == "hang") pause();
        if (how_ == "sleep") sleep_once();
        if (how_ == "stop") std::raise(SIGSTOP);
        for (std::vector<std::vector<char>> pieces; how_ == "heap";) pieces.emplace_back(piece, 'x');
        if (how_ == "huge") ::operator delete(::operator new(std::size_t{1} << 50));
        while (how_ == "shared") {
            void* const memory = mmap(nullptr, piece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
            std::memset(memory, 'x', piece);
        }
        if (how_ == "throw") throw std::runtime_error("thrown on purpose");
        if (how_ == "exit") _exit(0);
    }

    std::string how_;
};

static Register<Fault> const registered;

}  // namespace kvstone
