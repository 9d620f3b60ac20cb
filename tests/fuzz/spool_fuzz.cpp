// libFuzzer: the content of a spool's file, unchanged and with checksums that fit. Nothing may throw.

#include <string>

#include "cluster/spool.hpp"
#include "scenarios/content_hash.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    std::string const text(reinterpret_cast<char const*>(data), size);
    kvstone::parse_spool(text);
    std::string sealed;
    for (std::size_t start = 0; start < text.size();) {
        auto const end = std::min(text.find('\n', start), text.size());
        auto const line = text.substr(start, end - start);
        sealed += kvstone::short_hash(line) + ' ' + line + '\n';
        start = end + 1;
    }
    kvstone::parse_spool(sealed);
    return 0;
}
