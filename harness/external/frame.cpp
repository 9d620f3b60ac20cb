#include "harness/external/frame.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "results/record/text.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::string_view magic = "KVX1";
constexpr std::size_t sizes_bytes = 16;
constexpr std::uint32_t most_header_bytes = 1U << 20;

}  // namespace

std::string frame_head(Json const& header, std::uint64_t body_bytes) {
    auto const text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
    auto const header_bytes = static_cast<std::uint32_t>(text.size());
    std::string head(sizes_bytes, '\0');
    std::memcpy(head.data(), magic.data(), magic.size());
    std::memcpy(head.data() + 4, &header_bytes, sizeof header_bytes);
    std::memcpy(head.data() + 8, &body_bytes, sizeof body_bytes);
    return head + text;
}

void FrameReader::take(std::span<std::byte const> bytes) {
    taken_bytes_ += bytes.size();
    auto const move_to_head = [&](std::size_t wanted) {
        auto const count = std::min(wanted - head_.size(), bytes.size());
        head_.append(reinterpret_cast<char const*>(bytes.data()), count);
        bytes = bytes.subspan(count);
        return head_.size() == wanted;
    };
    if (stage_ == Stage::sizes) {
        bool const whole = move_to_head(sizes_bytes);
        auto const seen = std::min(head_.size(), magic.size());
        if (std::string_view(head_).substr(0, seen) != magic.substr(0, seen)) {
            head_.append(reinterpret_cast<char const*>(bytes.data()), std::min<std::size_t>(bytes.size(), 64));
            throw CorruptData(fmt::format("is no frame of the protocol, but '{}'", excerpt(valid_utf8(head_))));
        }
        if (!whole) return;
        read_sizes();
        stage_ = Stage::header;
    }
    if (stage_ == Stage::header) {
        if (!move_to_head(sizes_bytes + header_bytes_)) return;
        read_header();
        stage_ = Stage::body;
    }
    if (stage_ == Stage::body) {
        auto const count = std::min<std::uint64_t>(body_bytes_ - body_.size(), bytes.size());
        body_.insert(body_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
        bytes = bytes.subspan(count);
        if (body_.size() < body_bytes_) return;
        stage_ = Stage::complete;
    }
    if (!bytes.empty())
        throw CorruptData(
            fmt::format("is a frame of {} bytes, and {} more bytes", taken_bytes_ - bytes.size(), bytes.size()));
}

std::string FrameReader::progress() const {
    if (stage_ == Stage::sizes) return fmt::format("the first {} bytes", taken_bytes_);
    return fmt::format("the first {} of {} bytes", taken_bytes_, sizes_bytes + header_bytes_ + body_bytes_);
}

void FrameReader::read_sizes() {
    std::uint32_t header_bytes = 0;
    std::memcpy(&header_bytes, head_.data() + 4, sizeof header_bytes);
    std::memcpy(&body_bytes_, head_.data() + 8, sizeof body_bytes_);
    header_bytes_ = header_bytes;
    if (header_bytes > most_header_bytes)
        throw CorruptData(
            fmt::format("has a header of {} bytes; at most {} are accepted", header_bytes, most_header_bytes));
    if (body_bytes_ > most_body_bytes_)
        throw CorruptData(fmt::format("has {} bytes; at most {} are accepted", body_bytes_, most_body_bytes_));
}

void FrameReader::read_header() {
    header_ = parse_json_or_discard(std::string_view(head_).substr(sizes_bytes));
    if (!header_.is_object())
        throw CorruptData(fmt::format("has a header that is no JSON object, but '{}'",
                                      excerpt(valid_utf8(std::string_view(head_).substr(sizes_bytes)))));
}

}  // namespace kvstone
