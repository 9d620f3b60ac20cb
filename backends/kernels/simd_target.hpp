#pragma once
// Which vector units the kernels of this process use: the best that the processor has, chosen when the program runs.
//
// Kernels written with Google Highway are compiled for several targets (SSE4, AVX2, AVX-512, NEON, SVE), and every call goes
// to the chosen one. Loops without code of that kind run through at_simd_level(), which compiles them for the same choices.
// One program is therefore right and fast on every node of a cluster, and its results are the same on each.

#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// The variable that limits the choice: the name of a target, which is then the best one that is used.
inline constexpr char simd_variable[] = "KVSTONE_SIMD";

/// Name of the chosen target, in lower case as Highway has it: "avx3_zen4", "avx2", "neon", "sve2_128".
std::string simd_target();

/// Names of the targets that this build was compiled for and this processor has, the best first.
std::vector<std::string> simd_targets();

/// Uses no target better than `name`; an empty one allows all. Throws std::invalid_argument with the names there are. Not to
/// be called while kernels run.
void limit_simd(std::string_view name);

/// Classes of targets that plain loops are compiled for.
enum class SimdLevel { baseline, avx2, avx512 };

/// The class of the chosen target.
SimdLevel simd_level();

#if defined(__x86_64__) && !defined(__CUDACC__) && !defined(KVSTONE_ONE_SIMD_LEVEL)
#define KVSTONE_SIMD_LEVELS

template <class Work>
[[gnu::flatten, gnu::noinline,
  gnu::target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,movbe")]] void work_at_avx2(Work const& work) {
    work();
}

template <class Work>
[[gnu::flatten, gnu::noinline,
  gnu::target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,movbe")]] void
work_at_avx512(Work const& work) {
    work();
}
#endif

/// work(), as it was compiled for the level of this processor with all that it calls: loops vectorise for it. Host only.
template <class Work>
inline void at_simd_level(Work const& work) {
#ifdef KVSTONE_SIMD_LEVELS
    switch (simd_level()) {
        case SimdLevel::avx512:
            return work_at_avx512(work);
        case SimdLevel::avx2:
            return work_at_avx2(work);
        case SimdLevel::baseline:
            break;
    }
#endif
    work();
}

}  // namespace kvstone
