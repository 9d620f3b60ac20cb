#include "backends/kernels/simd_target.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/kernels/simd_target.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

SimdLevel level_of_target() {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    return SimdLevel::avx512;
#elif HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
    return SimdLevel::avx2;
#else
    return SimdLevel::baseline;
#endif
}

std::int64_t number_of_target() { return HWY_TARGET; }

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(level_of_target);
HWY_EXPORT(number_of_target);

namespace {

std::string name_of(std::int64_t target) {
    std::string name = hwy::TargetName(target);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    return name;
}

/// The best first. What everything is compiled for is the last one: Highway's library may not know that a processor has it,
/// as it asks for AES with SSE4, which we do without.
std::vector<std::int64_t> targets() {
    auto found = hwy::SupportedAndGeneratedTargets();
    if (std::ranges::find(found, HWY_STATIC_TARGET) == found.end()) found.push_back(HWY_STATIC_TARGET);
    return found;
}

/// Before the first kernel: the variable counts for the whole process.
bool const limited = [] {
    auto const* const name = std::getenv(simd_variable);
    if (name == nullptr) return false;
    try {
        limit_simd(name);
    } catch (std::invalid_argument const& error) {
        std::fprintf(stderr, "%s: %s\n", simd_variable, error.what());
        std::_Exit(2);
    }
    return true;
}();

}  // namespace

SimdLevel simd_level() { return HWY_DYNAMIC_DISPATCH(level_of_target)(); }

std::string simd_target() { return name_of(HWY_DYNAMIC_DISPATCH(number_of_target)()); }

std::vector<std::string> simd_targets() {
    // Of all: limit_simd() asks before it limits them.
    static std::vector<std::string> const all = [] {
        std::vector<std::string> names;
        for (auto const target : targets()) names.push_back(name_of(target));
        return names;
    }();
    return all;
}

void limit_simd(std::string_view name) {
    hwy::DisableTargets(0);
    auto const names = simd_targets();
    if (name.empty()) return;
    auto const all = targets();
    auto const found = std::ranges::find(all, name, name_of);
    if (found == all.end()) {
        throw std::invalid_argument(
            fmt::format("no vector unit \"{}\": this program and processor have {}", name, fmt::join(names, ", ")));
    }
    // The better a target, the lower its bit.
    hwy::DisableTargets(*found - 1);
}

}  // namespace kvstone
#endif
