#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <Kokkos_Core.hpp>
#include <sys/mman.h>

#include "backends/backend.hpp"

namespace kvstone {
namespace {

struct MemoryCount {
    std::atomic<std::size_t> in_use{0};
    std::atomic<std::size_t> peak{0};

    void add(std::size_t bytes) {
        auto const now = in_use.fetch_add(bytes) + bytes;
        auto before = peak.load();
        while (before < now && !peak.compare_exchange_weak(before, now)) {
        }
    }
};

MemoryCount& count_of(BackendKind kind) {
    static std::array<MemoryCount, 2> counts;
    return counts[static_cast<std::size_t>(kind)];
}

#ifdef KOKKOS_ENABLE_CUDA
/// Kokkos' own allocations end as errors of no type, which would hide that it was memory that was short, and are aligned
/// to 128 bytes.
std::byte* given(void* memory, cudaError_t status) {
    if (status == cudaSuccess) return static_cast<std::byte*>(memory);
    cudaGetLastError();  // the next call must not meet it again
    if (status == cudaErrorMemoryAllocation) throw std::bad_alloc();
    throw std::runtime_error(std::string("CUDA gives no memory: ") + cudaGetErrorString(status));
}
#endif

std::byte* allocate(BackendKind kind, bool pinned, std::size_t bytes) {
#ifdef KOKKOS_ENABLE_CUDA
    if (kind == BackendKind::cuda || pinned) {
        void* memory = nullptr;
        cudaSetDevice(Kokkos::Cuda{}.cuda_device());  // a thread begins with the first device, whatever Kokkos chose
        auto const status = pinned ? cudaMallocHost(&memory, bytes) : cudaMalloc(&memory, bytes);
        return given(memory, status);
    }
#else
    (void)kind;
    (void)pinned;
#endif
    constexpr std::size_t alignment = 256;
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    auto const wanted = bytes >= 4 * huge_page ? huge_page : alignment;
    if (bytes > SIZE_MAX - wanted) throw std::bad_alloc();
    auto const rounded = (bytes + wanted - 1) / wanted * wanted;
    void* const memory = std::aligned_alloc(wanted, rounded);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (wanted == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: kernels may not grant it
#endif
    return static_cast<std::byte*>(memory);
}

void release(BackendKind kind, bool pinned, std::byte* memory) {
#ifdef KOKKOS_ENABLE_CUDA
    if (pinned) {
        cudaFreeHost(memory);
        return;
    }
    if (kind == BackendKind::cuda) {
        cudaFree(memory);  // waits for the kernels that use it
        return;
    }
#else
    (void)kind;
    (void)pinned;
#endif
    std::free(memory);
}

void copy(BackendKind kind, std::byte* destination, std::byte const* source, std::size_t bytes, bool to_backend) {
    if (bytes == 0) return;
#ifdef KOKKOS_ENABLE_CUDA
    if (kind == BackendKind::cuda) {
        using Host = Kokkos::View<std::byte*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
        using HostConst = Kokkos::View<std::byte const*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
        using Device = Kokkos::View<std::byte*, Kokkos::CudaSpace, Kokkos::MemoryUnmanaged>;
        using DeviceConst = Kokkos::View<std::byte const*, Kokkos::CudaSpace, Kokkos::MemoryUnmanaged>;
        if (to_backend) {
            Kokkos::deep_copy(Device(destination, bytes), HostConst(source, bytes));
        } else {
            Kokkos::deep_copy(Host(destination, bytes), DeviceConst(source, bytes));
        }
        return;
    }
#else
    (void)kind;
    (void)to_backend;
#endif
    std::memcpy(destination, source, bytes);
}

}  // namespace

Buffer::Buffer(BackendKind kind, std::size_t bytes) : kind_(kind) { reserve_discard(bytes); }

Buffer Buffer::staging(BackendKind of) {
    Buffer buffer(BackendKind::openmp);
    buffer.pinned_ = of == BackendKind::cuda;
    return buffer;
}

Buffer::~Buffer() {
    if (data_ == nullptr) return;
    release(kind_, pinned_, data_);
    count_of(kind_).in_use -= size_;
}

Buffer::Buffer(Buffer&& other) noexcept
    : kind_(other.kind_),
      pinned_(other.pinned_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(kind_, other.kind_);
    std::swap(pinned_, other.pinned_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

void Buffer::reserve_discard(std::size_t bytes) {
    if (bytes <= size_) return;
    bool const pinned = pinned_;
    *this = Buffer(kind_);  // given back before the larger one is asked for
    pinned_ = pinned;
    data_ = allocate(kind_, pinned_, bytes);
    size_ = bytes;
    count_of(kind_).add(bytes);
}

bool is_out_of_memory(std::exception const& error) {
    if (dynamic_cast<std::bad_alloc const*>(&error) != nullptr) return true;
    std::string_view const text(error.what());
    return text.find("cudaErrorMemoryAllocation") != text.npos ||
           text.find("memory space failed to allocate") != text.npos;
}

std::size_t memory_in_use(BackendKind kind) { return count_of(kind).in_use; }
std::size_t memory_peak(BackendKind kind) { return count_of(kind).peak; }

void copy_to_backend(BackendKind kind, std::byte* destination, std::byte const* host_source, std::size_t bytes) {
    copy(kind, destination, host_source, bytes, true);
}

void copy_to_host(BackendKind kind, std::byte* host_destination, std::byte const* source, std::size_t bytes) {
    copy(kind, host_destination, source, bytes, false);
}

}  // namespace kvstone
