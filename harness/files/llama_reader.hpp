#pragma once
// Numbers of a state of llama.cpp's, one after the other.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {

class LlamaReader {
  public:
    /// Reads from byte `begin` on; `name` begins each error. The bytes have to outlive it.
    LlamaReader(std::span<std::byte const> state, std::uint64_t begin, std::string name)
        : state_(state), at_(begin), name_(std::move(name)) {}

    /// Throws CorruptData with the present place.
    [[noreturn]] void fail(std::string const& why) const {
        throw CorruptData(fmt::format("{}: byte {} of a state of llama.cpp's: {}", name_, at_, why));
    }
    /// Passes bytes over; returns the place of the first one. Throws CorruptData where there are fewer.
    std::uint64_t skip(std::uint64_t count) {
        if (at_ > state_.size() || count > state_.size() - at_) fail("ends early");
        return std::exchange(at_, at_ + count);
    }
    template <class T>
    T number() {
        T value{};
        std::memcpy(&value, state_.data() + skip(sizeof value), sizeof value);
        return value;
    }
    std::uint64_t at() const { return at_; }
    std::string const& name() const { return name_; }

  private:
    std::span<std::byte const> state_;
    std::uint64_t at_;
    std::string name_;
};

}  // namespace kvstone
