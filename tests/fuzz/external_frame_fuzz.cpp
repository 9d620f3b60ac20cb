// libFuzzer: answers of a codec that is a command, in two pieces. Anything but a frame or CorruptData is a finding.

#include <algorithm>
#include <cstdlib>

#include "harness/external/frame.hpp"
#include "harness/files/safetensors.hpp"
#include "scenarios/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    if (size == 0) return 0;
    auto const bytes = std::as_bytes(std::span(data, size)).subspan(1);
    auto const cut = std::min<std::size_t>(data[0], bytes.size());
    kvstone::FrameReader frame(4096);
    try {
        frame.take(bytes.first(cut));
        frame.take(bytes.subspan(cut));
        if (!frame.complete()) return 0;
        if (!frame.header().is_object() || frame.body().size() > 4096) std::abort();
        std::shared_ptr<std::byte const> const body(std::shared_ptr<void>(), frame.body().data());
        for (auto const& [name, array] : kvstone::read_safetensors("answer", {body, frame.body().size()})->arrays())
            if (array.element_bytes > 4096) std::abort();
    } catch (kvstone::CorruptData const&) {
    }
    return 0;
}
