// Counts the allocations of the program. In a file of its own: seen beside a delete, the compiler takes the pair
// apart.

#include "tests/codecs/count_allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<std::size_t> allocations{0};

std::size_t kvstone::allocation_count() { return allocations; }

static void count(std::size_t bytes) {
    if (bytes >= kvstone::counted_from_bytes) ++allocations;
}

void* operator new(std::size_t bytes) {
    count(bytes);
    if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t bytes, std::nothrow_t const&) noexcept {
    count(bytes);
    return std::malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
