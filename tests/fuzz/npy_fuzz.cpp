// libFuzzer: headers of npy arrays. Anything but a header or CorruptData is a finding.

#include "harness/files/npy.hpp"
#include "scenarios/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    try {
        kvstone::parse_npy_header({reinterpret_cast<std::byte const*>(data), size}, "fuzz");
    } catch (kvstone::CorruptData const&) {
    }
    return 0;
}
