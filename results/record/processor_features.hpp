#pragma once
// Instruction sets beyond the baseline that a compiler may use by itself: their names in /proc/cpuinfo, the macro that
// compilers define where they may use one, and the processor's bit for it.

// x86-64: X(name, macro, leaf, subleaf, register (0 eax to 3 edx), bit, registers that the kernel has to save: 0 none
// beyond SSE's, 1 AVX's, 2 AVX-512's). Source: Intel's Software Developer's Manual, CPUID; AMD's Programmer's Manual,
// volume 3, appendix E.
#define KVSTONE_X86_FEATURES(X)                                \
    X(sse3, __SSE3__, 0x1, 0, 2, 0, 0)                         \
    X(ssse3, __SSSE3__, 0x1, 0, 2, 9, 0)                       \
    X(fma, __FMA__, 0x1, 0, 2, 12, 1)                          \
    X(sse4_1, __SSE4_1__, 0x1, 0, 2, 19, 0)                    \
    X(sse4_2, __SSE4_2__, 0x1, 0, 2, 20, 0)                    \
    X(movbe, __MOVBE__, 0x1, 0, 2, 22, 0)                      \
    X(popcnt, __POPCNT__, 0x1, 0, 2, 23, 0)                    \
    X(pclmulqdq, __PCLMUL__, 0x1, 0, 2, 1, 0)                  \
    X(aes, __AES__, 0x1, 0, 2, 25, 0)                          \
    X(avx, __AVX__, 0x1, 0, 2, 28, 1)                          \
    X(f16c, __F16C__, 0x1, 0, 2, 29, 1)                        \
    X(bmi1, __BMI__, 0x7, 0, 1, 3, 0)                          \
    X(avx2, __AVX2__, 0x7, 0, 1, 5, 1)                         \
    X(bmi2, __BMI2__, 0x7, 0, 1, 8, 0)                         \
    X(avx512f, __AVX512F__, 0x7, 0, 1, 16, 2)                  \
    X(avx512dq, __AVX512DQ__, 0x7, 0, 1, 17, 2)                \
    X(adx, __ADX__, 0x7, 0, 1, 19, 0)                          \
    X(avx512ifma, __AVX512IFMA__, 0x7, 0, 1, 21, 2)            \
    X(avx512cd, __AVX512CD__, 0x7, 0, 1, 28, 2)                \
    X(avx512bw, __AVX512BW__, 0x7, 0, 1, 30, 2)                \
    X(avx512vl, __AVX512VL__, 0x7, 0, 1, 31, 2)                \
    X(avx512vbmi, __AVX512VBMI__, 0x7, 0, 2, 1, 2)             \
    X(avx512_vbmi2, __AVX512VBMI2__, 0x7, 0, 2, 6, 2)          \
    X(gfni, __GFNI__, 0x7, 0, 2, 8, 0)                         \
    X(vaes, __VAES__, 0x7, 0, 2, 9, 1)                         \
    X(vpclmulqdq, __VPCLMULQDQ__, 0x7, 0, 2, 10, 1)            \
    X(avx512_vnni, __AVX512VNNI__, 0x7, 0, 2, 11, 2)           \
    X(avx512_bitalg, __AVX512BITALG__, 0x7, 0, 2, 12, 2)       \
    X(avx512_vpopcntdq, __AVX512VPOPCNTDQ__, 0x7, 0, 2, 14, 2) \
    X(avx512_fp16, __AVX512FP16__, 0x7, 0, 3, 23, 2)           \
    X(avx_vnni, __AVXVNNI__, 0x7, 1, 0, 4, 1)                  \
    X(avx512_bf16, __AVX512BF16__, 0x7, 1, 0, 5, 2)            \
    X(avx_ifma, __AVXIFMA__, 0x7, 1, 0, 23, 1)                 \
    X(avx_vnni_int8, __AVXVNNIINT8__, 0x7, 1, 3, 4, 1)         \
    X(avx_ne_convert, __AVXNECONVERT__, 0x7, 1, 3, 5, 1)       \
    X(abm, __LZCNT__, 0x80000001, 0, 2, 5, 0)                  \
    X(sse4a, __SSE4A__, 0x80000001, 0, 2, 6, 0)                \
    X(xop, __XOP__, 0x80000001, 0, 2, 11, 1)                   \
    X(fma4, __FMA4__, 0x80000001, 0, 2, 16, 1)                 \
    X(tbm, __TBM__, 0x80000001, 0, 2, 21, 0)

// aarch64: X(name, macro, auxiliary vector's entry (1: AT_HWCAP, 2: AT_HWCAP2), bit). Source: Linux,
// arch/arm64/include/uapi/asm/hwcap.h.
#define KVSTONE_ARM_FEATURES(X)                             \
    X(atomics, __ARM_FEATURE_ATOMICS, 1, 8)                 \
    X(asimdhp, __ARM_FEATURE_FP16_VECTOR_ARITHMETIC, 1, 10) \
    X(asimddp, __ARM_FEATURE_DOTPROD, 1, 20)                \
    X(asimdfhm, __ARM_FEATURE_FP16_FML, 1, 23)              \
    X(sve, __ARM_FEATURE_SVE, 1, 22)                        \
    X(sve2, __ARM_FEATURE_SVE2, 2, 1)                       \
    X(i8mm, __ARM_FEATURE_MATMUL_INT8, 2, 13)               \
    X(bf16, __ARM_FEATURE_BF16, 2, 14)

#if defined(__x86_64__)
#define KVSTONE_PROCESSOR_FEATURES(X) KVSTONE_X86_FEATURES(X)
#elif defined(__aarch64__)
#define KVSTONE_PROCESSOR_FEATURES(X) KVSTONE_ARM_FEATURES(X)
#else
#define KVSTONE_PROCESSOR_FEATURES(X)
#endif
