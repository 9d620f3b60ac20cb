#pragma once
// The frames in which KVstone and a command speak (docs/external.md):
//   4 bytes   "KVX1"
//   4 bytes   H, little-endian: bytes of the header
//   8 bytes   B, little-endian: bytes of the body
//   H bytes   JSON object
//   B bytes   the body

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "scenarios/json.hpp"

namespace kvstone {

/// All of a frame that stands before its body.
std::string frame_head(Json const& header, std::uint64_t body_bytes);

/// One frame, as its bytes arrive from a process that may write anything.
class FrameReader {
  public:
    explicit FrameReader(std::uint64_t most_body_bytes) : most_body_bytes_(most_body_bytes) {}
    /// Throws CorruptData where the bytes are no frame, or more than one; its text continues a sentence about "the answer".
    void take(std::span<std::byte const> bytes);
    bool complete() const { return stage_ == Stage::complete; }
    /// "the first 3 of 120 bytes", for an answer that ends early.
    std::string progress() const;
    Json const& header() const { return header_; }
    std::vector<std::byte>& body() { return body_; }

  private:
    enum class Stage : std::uint8_t { sizes, header, body, complete };
    void read_sizes();
    void read_header();

    std::uint64_t most_body_bytes_;
    Stage stage_ = Stage::sizes;
    std::string head_;  ///< sizes and header
    std::uint64_t header_bytes_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::uint64_t taken_bytes_ = 0;
    Json header_;
    std::vector<std::byte> body_;
};

}  // namespace kvstone
