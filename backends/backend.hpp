#pragma once
// The execution spaces that this build has, and the memory that belongs to them.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// Every backend KVstone knows. `arm` is a name for openmp on aarch64 and not a kind of its own.
enum class BackendKind : std::uint8_t { openmp, cuda };

std::string_view name_of(BackendKind kind);

/// The kind that a name stands for on this build and machine. Throws ConfigError where the name is unknown, and
/// SystemError where this build or machine does not have it ("arm" on x86-64, "cuda" without a device).
BackendKind backend_named(std::string_view name);

/// Names that cells may ask of this process: "openmp", with "arm" on aarch64, with "cuda" where a device is present.
std::vector<std::string> advertised_backends();

/// Why "cuda" is not among them, though compiled in: "" where it is, or where this build is without CUDA.
std::string why_no_device();

/// Every name a scenario may write, whether this build has it or not.
std::vector<std::string> known_backends();

/// Starts Kokkos with the given number of host threads (0: the number in the environment) and stops it at the end of
/// scope.
class BackendRuntime {
  public:
    explicit BackendRuntime(int threads = 0);
    ~BackendRuntime();
    BackendRuntime(BackendRuntime const&) = delete;
    BackendRuntime& operator=(BackendRuntime const&) = delete;
};

/// Bytes in a backend's memory, aligned to 256, counted in memory_in_use() and memory_peak().
class Buffer {
  public:
    explicit Buffer(BackendKind kind, std::size_t bytes = 0);
    /// Of host memory that what belongs to a backend is copied from and to: pinned where that is a device's, so that
    /// copies run at the bus's speed. Counted as the host's.
    static Buffer staging(BackendKind of);
    ~Buffer();
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;

    BackendKind kind() const { return kind_; }
    std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }
    /// Makes room for this many bytes at least. It allocates only where the buffer has to grow; its contents are then
    /// lost.
    void reserve_discard(std::size_t bytes);

  private:
    BackendKind kind_;
    bool pinned_ = false;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Whether an error says that memory was short: std::bad_alloc, and what Kokkos makes of a device's refusal.
bool is_out_of_memory(std::exception const& error);

std::size_t memory_in_use(BackendKind kind);
std::size_t memory_peak(BackendKind kind);

void copy_to_backend(BackendKind kind, std::byte* destination, std::byte const* host_source, std::size_t bytes);
void copy_to_host(BackendKind kind, std::byte* host_destination, std::byte const* source, std::size_t bytes);
/// Waits until all work of the backend is done.
void fence(BackendKind kind);

}  // namespace kvstone
