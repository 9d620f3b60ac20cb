#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace kvstone {

/// Hands items from one thread to another, a limited number at a time: the faster of two waits for the slower, and
/// memory stays bounded.
template <class T>
class BoundedQueue {
  public:
    /// REQUIRES: most > 0.
    explicit BoundedQueue(std::size_t most) : most_(most) {}

    /// Waits for room. False where the queue is closed: the item is dropped.
    bool push(T item) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return closed_ || items_.size() < most_; });
        if (closed_) return false;
        items_.push_back(std::move(item));
        changed_.notify_all();
        return true;
    }
    /// Waits for an item. Nothing where the queue is closed and empty.
    std::optional<T> pop() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return closed_ || !items_.empty(); });
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        changed_.notify_all();
        return item;
    }
    /// No more items come; items in the queue can still be taken.
    void close() {
        std::scoped_lock const lock(mutex_);
        closed_ = true;
        changed_.notify_all();
    }
    /// No more items are taken.
    void abandon() {
        std::scoped_lock const lock(mutex_);
        closed_ = true;
        items_.clear();
        changed_.notify_all();
    }

  private:
    std::size_t most_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<T> items_;
    bool closed_ = false;
};

}  // namespace kvstone
