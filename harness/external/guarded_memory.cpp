#include "harness/external/guarded_memory.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include <fmt/format.h>
#include <sys/mman.h>

namespace kvstone {
namespace {

constexpr std::byte pattern{0xA5};
constexpr std::size_t huge_page = std::size_t{2} << 20;

}  // namespace

GuardedMemory::~GuardedMemory() {
    if (mapping_ != nullptr) munmap(mapping_, mapped_bytes_);
}

void GuardedMemory::resize(std::size_t bytes) {
    auto const needed = bytes + 2 * guard_bytes;
    if (needed < bytes) throw std::bad_alloc();
    if (needed > mapped_bytes_) {
        if (mapping_ != nullptr) munmap(mapping_, mapped_bytes_);
        mapped_bytes_ = 0;
        void* const memory = mmap(nullptr, needed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mapping_ = memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
        if (mapping_ == nullptr) throw std::bad_alloc();
        mapped_bytes_ = needed;
#ifdef MADV_HUGEPAGE
        if (needed >= 4 * huge_page) madvise(mapping_, needed, MADV_HUGEPAGE);  // as the memory of our own codecs
#endif
    }
    bytes_ = bytes;
    set_guards();
}

void GuardedMemory::set_guards() const {
    std::memset(mapping_, static_cast<int>(pattern), guard_bytes);
    std::memset(data() + bytes_, static_cast<int>(pattern), guard_bytes);
}

void GuardedMemory::allow_writes(bool allowed) const {
    if (mapping_ != nullptr) mprotect(mapping_, mapped_bytes_, allowed ? PROT_READ | PROT_WRITE : PROT_READ);
}

std::string GuardedMemory::damage() const {
    auto const changed = [](std::byte const* first) {
        return std::count_if(first, first + guard_bytes, [](std::byte value) { return value != pattern; });
    };
    auto const before = changed(mapping_);
    auto const behind = changed(data() + bytes_);
    if (before > 0) return fmt::format("{} bytes before its {}", before, bytes_);
    return behind > 0 ? fmt::format("{} bytes behind its {}", behind, bytes_) : "";
}

}  // namespace kvstone
