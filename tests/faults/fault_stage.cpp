// fault: a stage that misbehaves, for tests of what contains it. Never part of a shipped program.
//
// Stores half of each value (as binary16) and decodes it, but for what `how` asks:
//   crash     encode() ends by SIGSEGV
//   abort     encode() ends by SIGABRT, with a line on standard error
//   hang      encode() never returns
//   stop      encode() stops its process by SIGSTOP
//   heap      encode() allocates without end, as malloc does
//   huge      encode() asks for 2^50 bytes at once
//   shared    the same in memory that RLIMIT_DATA does not see
//   throw     encode() throws
//   exit      encode() ends the process with code 0 and no result
//   forget    decode() gives what the last encode() of the process saw, and reads nothing that is stored
//   wrong     decode() gives another value in one place than was stored
//   infinite  decode() gives an infinity in one place

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "backends/map_values.hpp"
#include "codecs/registry.hpp"

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
        info.options = {choice_option("how", std::nullopt,
                                      {"crash", "abort", "hang", "stop", "heap", "huge", "shared", "throw", "exit",
                                       "forget", "wrong", "infinite"},
                                      "what goes wrong")};
        info.examples = {"fault:how=wrong"};
        return info;
    }
    explicit Fault(Options const& options) : how_(options.choice("how")) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {
            {LedgerLine::payload, section.shape.values() * sizeof(Float16), false, sizeof(Float16), section.shape.dim}};
    }
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
        if (how_ == "forget") remembered().assign(planes[0].data, planes[0].data + planes[0].bytes);
    }
    template <class Space, class T>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        auto const* const stored =
            how_ == "forget" ? reinterpret_cast<Float16 const*>(remembered().data()) : planes[0].as<Float16>();
        map_from_packed(space, stored, values, WidenFloat<T>{});
        space.fence();
        if (how_ == "wrong") values(0, 0, 0, 0) = from_float<T>(to_float(values(0, 0, 0, 0)) + 1);
        if (how_ == "infinite") values(0, 0, 0, 0) = from_float<T>(std::numeric_limits<float>::infinity());
    }

  private:
    static std::vector<std::byte>& remembered() {
        static std::vector<std::byte> bytes;
        return bytes;
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
