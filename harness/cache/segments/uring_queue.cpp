#include "harness/cache/segments/uring_queue.hpp"

#include <cerrno>

#ifdef KVSTONE_URING
#include <liburing.h>

#include "scenarios/errors.hpp"
#endif

namespace kvstone {
#ifdef KVSTONE_URING
namespace {

class UringQueue final : public ReadQueue {
  public:
    /// `error`: of making the ring. REQUIRES: it is destroyed at once where there is one.
    UringQueue(unsigned depth, int& error) : depth_(depth) {
        error = io_uring_queue_init(depth, &ring_, 0);
        made_ = error >= 0;
    }
    ~UringQueue() override {
        if (!made_) return;
        // The kernel writes into buffers until a read has ended. Reads that it was not given end with the ring.
        while (under_way_ > prepared_) take_ended();
        io_uring_queue_exit(&ring_);
    }
    UringQueue(UringQueue const&) = delete;
    UringQueue& operator=(UringQueue const&) = delete;

    unsigned depth() const override { return depth_; }

    void start(int file, std::span<std::byte> to, std::uint64_t offset, std::uint64_t tag) override {
        auto* const entry = io_uring_get_sqe(&ring_);  // there is one: the ring has at least `depth` of them
        io_uring_prep_read(entry, file, to.data(), static_cast<unsigned>(to.size()), offset);
        io_uring_sqe_set_data64(entry, tag);
        ++under_way_;
        ++prepared_;
    }

    Ended finish() override {
        while (prepared_ > 0) {
            auto const taken = io_uring_submit(&ring_);
            if (taken > 0) prepared_ -= static_cast<unsigned>(taken);
            if (taken >= 0 || taken == -EINTR) continue;
            // No room for now: reads that end make some.
            if ((taken == -EAGAIN || taken == -EBUSY) && under_way_ > prepared_) break;
            throw SystemError("io_uring", -taken);
        }
        return take_ended();
    }

  private:
    Ended take_ended() {
        io_uring_cqe* ended = nullptr;
        while (io_uring_wait_cqe(&ring_, &ended) < 0) {
        }
        Ended const read{.tag = io_uring_cqe_get_data64(ended), .result = ended->res};
        io_uring_cqe_seen(&ring_, ended);
        --under_way_;
        return read;
    }

    io_uring ring_{};
    unsigned depth_;
    bool made_ = false;
    unsigned under_way_ = 0;  ///< prepared ones included
    unsigned prepared_ = 0;   ///< not yet handed to the kernel
};

}  // namespace

std::unique_ptr<ReadQueue> make_uring_queue(unsigned depth, int& error) {
    auto queue = std::make_unique<UringQueue>(depth, error);
    if (error < 0) queue.reset();
    return queue;
}
#else
std::unique_ptr<ReadQueue> make_uring_queue(unsigned /*depth*/, int& error) {
    error = -ENOSYS;
    return nullptr;
}
#endif

}  // namespace kvstone
