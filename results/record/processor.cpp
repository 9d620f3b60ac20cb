// Compiled for the baseline of its architecture (see results/CMakeLists.txt), and without templates or inline functions
// of other headers: of those the linker may keep the copy of a file that is compiled for more.

#include "results/record/processor.hpp"

#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "results/record/processor_features.hpp"

namespace kvstone {
namespace {

struct Feature {
    char const* name;
#if defined(__x86_64__)
    unsigned leaf, subleaf;
    int place, bit, saved;
#else
    int word, bit;
#endif
};

#define KVSTONE_ROW(name, macro, ...) {#name, __VA_ARGS__},
// The last row is none: there may be no other.
constexpr Feature table[] = {KVSTONE_PROCESSOR_FEATURES(KVSTONE_ROW){}};
#undef KVSTONE_ROW
constexpr unsigned count = sizeof table / sizeof table[0] - 1;

#if defined(__x86_64__)
/// The registers that the kernel saves when it switches threads: 0 SSE's, 1 AVX's too, 2 those of AVX-512 too.
int saved_registers() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 27 & 1) == 0) return 0;  // OSXSAVE
    unsigned low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0x6) != 0x6) return 0;
    return (low & 0xE6) == 0xE6 ? 2 : 1;
}

bool has(Feature const& feature, int saved) {
    unsigned registers[4] = {};
    if (__get_cpuid_count(feature.leaf, feature.subleaf, &registers[0], &registers[1], &registers[2], &registers[3]) ==
        0)
        return false;
    return feature.saved <= saved && (registers[feature.place] >> feature.bit & 1) != 0;
}
#elif defined(__aarch64__)
int saved_registers() { return 0; }
bool has(Feature const& feature, int) {
    return (getauxval(feature.word == 1 ? AT_HWCAP : AT_HWCAP2) >> feature.bit & 1) != 0;
}
#else
int saved_registers() { return 0; }
bool has(Feature const&, int) { return false; }
#endif

/// The needs of a build for any processor (CMakeLists.txt).
#if defined(__x86_64__)
constexpr char baseline[] = "no more than sse4_2 and popcnt (x86-64-v2)";
#else
constexpr char baseline[] = "nothing beyond the architecture's baseline";
#endif

/// Text in a buffer of a fixed size.
struct Line {
    char* text;
    std::size_t size;
    std::size_t length = 0;
    void add(char const* more) {
        for (; *more != '\0' && length < size; ++more) text[length++] = *more;
    }
    void add_names(ProcessorFeatures features) {
        bool first = true;
        for (unsigned i = 0; i < count; ++i) {
            if ((features >> i & 1) == 0) continue;
            if (!first) add(" ");
            add(table[i].name);
            first = false;
        }
    }
};

}  // namespace

ProcessorFeatures all_features() { return (ProcessorFeatures{1} << count) - 1; }

ProcessorFeatures processor_features() {
    ProcessorFeatures features = 0;
    int const saved = saved_registers();
    for (unsigned i = 0; i < count; ++i)
        if (has(table[i], saved)) features |= ProcessorFeatures{1} << i;
    return features;
}

std::size_t refusal_of(char const* program, ProcessorFeatures built, ProcessorFeatures has, char* text,
                       std::size_t size) {
    auto const missing = built & ~has;
    if (missing == 0) return 0;
    Line line{text, size};
    line.add(program);
    line.add(": compiled for a processor with ");
    line.add_names(missing);
    line.add(", which this one does not have; with -DKVSTONE_NATIVE=OFF, the default, a build needs ");
    line.add(baseline);
    line.add("\n");
    return line.length;
}

std::size_t name_features(ProcessorFeatures features, char* text, std::size_t size) {
    Line line{text, size};
    line.add_names(features);
    return line.length;
}

void require_processor(char const* program) {
    char text[1024];
    auto const length = refusal_of(program, built_for, processor_features(), text, sizeof text);
    if (length == 0) return;
    auto const written = write(STDERR_FILENO, text, length);
    static_cast<void>(written);  // no reader is left
    _exit(2);
}

}  // namespace kvstone
