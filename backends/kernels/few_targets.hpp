// For kernels that gain nothing from the newer kinds of AVX-512 and of NEON, which would cost time to compile and nothing
// else. SVE is left out where vectors are members of arrays, whose size the compiler has to know
// (KVSTONE_VECTORS_OF_ANY_SIZE: they are not); one of the newer kinds of AVX-512 stays where single bytes are moved between
// all parts of a register (KVSTONE_BYTES_BETWEEN_PARTS). To be included before hwy/foreach_target.h, once for each target:
// there is no guard.

#undef HWY_DISABLED_TARGETS
#ifdef KVSTONE_VECTORS_OF_ANY_SIZE
#define KVSTONE_DISABLED_SVE (HWY_SVE_256 | HWY_SVE2_128)
#else
#define KVSTONE_DISABLED_SVE HWY_ALL_SVE
#endif
#ifdef KVSTONE_BYTES_BETWEEN_PARTS
#define KVSTONE_DISABLED_AVX3 (HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2)
#else
#define KVSTONE_DISABLED_AVX3 (HWY_AVX3_DL | HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2)
#endif
#define HWY_DISABLED_TARGETS                                                                                    \
    (HWY_SSE2 | HWY_SSSE3 | KVSTONE_DISABLED_AVX3 | HWY_NEON | HWY_NEON_BF16 | KVSTONE_DISABLED_SVE | HWY_RVV | \
     HWY_SCALAR)
