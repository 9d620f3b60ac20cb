#include "backends/kernels/host_stores.hpp"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/kernels/host_stores.cpp"
#define KVSTONE_VECTORS_OF_ANY_SIZE
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// `lines` cache lines; both sides start one.
template <bool ahead>
void stream_lines(std::uint8_t* to, std::uint8_t const* from, std::size_t lines) {
    hn::CappedTag<std::uint8_t, cache_line_bytes> const d;
    auto const step = hn::Lanes(d);
    for (std::size_t line = 0; line < lines; ++line, to += cache_line_bytes, from += cache_line_bytes) {
        if constexpr (ahead) prefetch_line(from + prefetch_distance_bytes);
        for (std::size_t i = 0; i < cache_line_bytes; i += step) hn::Stream(hn::LoadU(d, from + i), d, to + i);
    }
}

void stream_ready_lines(std::uint8_t* to, std::uint8_t const* from, std::size_t lines) {
    stream_lines<false>(to, from, lines);
}
void stream_far_lines(std::uint8_t* to, std::uint8_t const* from, std::size_t lines) {
    stream_lines<true>(to, from, lines);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

namespace {

bool is_made_by_amd() {
#ifdef __x86_64__
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") != 0;
#else
    return false;
#endif
}

}  // namespace

bool const prefetches_first_level = !is_made_by_amd();

HWY_EXPORT(stream_ready_lines);
HWY_EXPORT(stream_far_lines);

void store(void* destination, void const* source, std::size_t bytes, bool streaming) {
    auto* const to = static_cast<std::uint8_t*>(destination);
    auto const* const from = static_cast<std::uint8_t const*>(source);
    auto const places = reinterpret_cast<std::uintptr_t>(destination) | reinterpret_cast<std::uintptr_t>(source);
    std::size_t const lines =
        streaming && has_streaming_stores() && places % cache_line_bytes == 0 ? bytes / cache_line_bytes : 0;
    if (lines > 0) HWY_DYNAMIC_DISPATCH(stream_ready_lines)(to, from, lines);
    auto const done = lines * cache_line_bytes;
    if (done < bytes) std::memcpy(to + done, from + done, bytes - done);
}

void copy_bytes(void* destination, void const* source, std::size_t bytes, bool streaming) {
    auto* const to = static_cast<std::uint8_t*>(destination);
    auto const* const from = static_cast<std::uint8_t const*>(source);
    if (bytes == 0) return;
    if (!streaming || !has_streaming_stores()) {
        std::memcpy(to, from, bytes);
        return;
    }
    auto const before = static_cast<std::size_t>(values_before_line(to, bytes));
    auto const lines = (bytes - before) / cache_line_bytes;
    auto const done = before + lines * cache_line_bytes;
    std::memcpy(to, from, before);
    HWY_DYNAMIC_DISPATCH(stream_far_lines)(to + before, from + before, lines);
    std::memcpy(to + done, from + done, bytes - done);
}

}  // namespace kvstone
#endif
