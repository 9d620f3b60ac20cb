// libFuzzer: safetensors files, from the header to the values. Anything but tensors, CorruptData or ConfigError is a
// finding.

#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    int const descriptor = ::memfd_create("input.safetensors", MFD_CLOEXEC);
    if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
    try {
        auto const file = kvstone::open_safetensors("/proc/self/fd/" + std::to_string(descriptor));
        kvstone::load_arrays(*file, kvstone::Json::object(), 0, {.k = true, .v = true, .k_prerope = true, .q = true});
    } catch (kvstone::CorruptData const&) {
    } catch (kvstone::ConfigError const&) {
    }
    ::close(descriptor);
    return 0;
}
