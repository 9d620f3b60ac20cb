// For kernels that gain nothing from the newer kinds of AVX-512 and of NEON, which would cost time to compile and nothing
// else. SVE is left out where vectors are members of arrays, whose size the compiler has to know. To be included before
// hwy/foreach_target.h, once for each target: there is no guard.

#undef HWY_DISABLED_TARGETS
#ifdef KVSTONE_VECTORS_OF_ANY_SIZE
#define HWY_DISABLED_TARGETS                                                                                       \
    (HWY_SSE2 | HWY_SSSE3 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2 | HWY_NEON | HWY_NEON_BF16 | \
     HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SCALAR)
#else
#define HWY_DISABLED_TARGETS                                                                                       \
    (HWY_SSE2 | HWY_SSSE3 | HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2 | HWY_NEON | HWY_NEON_BF16 | \
     HWY_ALL_SVE | HWY_RVV | HWY_SCALAR)
#endif
