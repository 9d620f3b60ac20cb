#include "harness/cache/segments/record_batch.hpp"

#include <algorithm>
#include <cstring>

namespace kvstone {

void RecordBatch::start(std::uint64_t segment, std::uint64_t offset, std::uint64_t room, std::uint64_t sequence) {
    used_ = 0;
    blocks_.clear();
    payload_bytes_ = 0;
    segment_ = segment;
    offset_ = offset;
    room_ = room;
    sequence_ = sequence;
}

bool RecordBatch::add(RecordKind kind, BlockKey const& key, std::span<std::byte const> payload) {
    auto const bytes = record_bytes(payload.size());
    if (bytes > room_ - used_ || (used_ > 0 && used_ + bytes > usual_bytes)) return false;
    if (used_ + bytes > buffer_.size()) {
        AlignedBytes larger(std::max<std::size_t>(2 * buffer_.size(), used_ + bytes));
        if (used_ > 0) std::memcpy(larger.span().data(), buffer_.span().data(), used_);
        buffer_ = std::move(larger);
    }
    RecordHeader const header{
        .kind = kind, .segment = segment_, .offset = offset_ + used_, .sequence = sequence_, .key = key};
    write_record(buffer_.span().subspan(used_, bytes), header, payload);
    if (kind == RecordKind::block) {
        blocks_.push_back({key, {segment_, header.offset, payload.size(), sequence_}});
        payload_bytes_ += payload.size();
    }
    used_ += bytes;
    ++sequence_;
    return true;
}

}  // namespace kvstone
