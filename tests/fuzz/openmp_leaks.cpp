/// OpenMP's runtime never frees its table of the processors. No kernel allocates in a parallel region, so
/// that no leak of ours has the runtime above it.
extern "C" char const* __lsan_default_suppressions();
extern "C" char const* __lsan_default_suppressions() { return "leak:libomp.so\n"; }
