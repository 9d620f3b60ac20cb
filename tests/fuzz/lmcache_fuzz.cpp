// libFuzzer: chunks of LMCache. Anything but tensors, CorruptData or ConfigError is a finding.

#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"
#include "tests/fuzz/memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    kvstone::MemoryFile const input({reinterpret_cast<char const*>(data), size});
    try {
        auto const file = kvstone::open_lmcache(input.path());
        kvstone::load_arrays(*file, {{"kv_heads", 2}}, 0, {.k = true, .v = true});
    } catch (kvstone::CorruptData const&) {
    } catch (kvstone::ConfigError const&) {
    }
    return 0;
}
