#include "codecs/stream/stream_run.hpp"

#include <algorithm>
#include <utility>

#include "backends/kernels/copy_vectors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t plane_alignment = 64;

KvView tokens_of(KvView const& view, std::uint64_t first, std::uint64_t tokens) {
    return view.box(0, 0, first, {view.shape.layers, view.shape.heads, tokens, view.shape.dim});
}

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

StreamRun::StreamRun(Pipeline const& pipeline, TokenRun const& run, Section const& columns, std::uint64_t page,
                     BackendKind kind)
    : pipeline_(&pipeline), run_(run), section_(columns), kind_(kind), spare_(kind), decoded_(kind) {
    section_.token = run.first;
    auto const least = std::max<std::uint64_t>(run.page_tokens, 1);
    auto const wanted = run.end == TokenRules::no_end ? page : std::min(page, run.end - run.first);
    block_tokens_ = rounded_up(wanted, least);
    lay_out();
}

SectionCodec StreamRun::codec_of(std::uint64_t tokens) const {
    auto section = section_;
    section.shape.tokens = tokens;
    return {*pipeline_, section, kind_};
}

void StreamRun::lay_out() {
    page_codec_.emplace(codec_of(std::max<std::uint64_t>(run_.page_tokens, 1)));
    if (run_.page_tokens == 0) return;
    block_codec_.emplace(codec_of(block_tokens_));
    for (std::size_t p = 0; p < page_codec_->plane_count(); ++p) {
        auto const& spec = page_codec_->plane_spec(p);
        if (spec.once) {
            once_.emplace_back(kind_, spec.bytes);
            parts_.push_back({spec.bytes, once_.size() - 1, true});
            page_codec_->place_plane(p, once_.back().data());
            block_codec_->place_plane(p, once_.back().data());
            continue;
        }
        parts_.push_back({spec.bytes / columns(), block_bytes_, false});
        block_bytes_ += rounded_up(columns() * pages_of_block() * parts_.back().page_bytes, plane_alignment);
    }
}

KvView StreamRun::held_block(std::uint64_t block) const {
    auto shape = section_.shape;
    shape.tokens = block_tokens_;
    return {held_blocks_[block - first_held_block_].data(), section_.type, shape, KvStrides::packed(shape)};
}

void StreamRun::append(KvView const& view, std::uint64_t final_tokens, Scratch& scratch) {
    auto const last = tokens_ + view.shape.tokens;
    code_held(std::min(final_tokens, tokens_), scratch);
    for (std::uint64_t done = 0; done < view.shape.tokens;) {
        auto const now = std::min(view.shape.tokens - done, block_tokens_ - tokens_ % block_tokens_);
        if (coded_ == tokens_) {  // nothing is held: tokens that are final already need not be
            auto const pages = std::min(codable(std::min(final_tokens, last)), tokens_ + now) - coded_;
            auto const direct = pages / std::max<std::uint64_t>(run_.page_tokens, 1) * run_.page_tokens;
            if (direct > 0) {
                code(tokens_of(view, done, direct), scratch);
                tokens_ += direct;
                done += direct;
                continue;
            }
        }
        hold(tokens_of(view, done, now));
        done += now;
        code_held(std::min(final_tokens, tokens_), scratch);
    }
}

/// How many of the first tokens can be coded: whole pages, and the tail where the run ends.
std::uint64_t StreamRun::codable(std::uint64_t final_tokens) const {
    if (run_.page_tokens == 0) return 0;
    if (run_.first + final_tokens == run_.end) return final_tokens;
    return final_tokens / run_.page_tokens * run_.page_tokens;
}

void StreamRun::hold(KvView const& view) {
    auto const block = tokens_ / block_tokens_;
    if (held_blocks_.empty()) first_held_block_ = block;
    if (block == first_held_block_ + held_blocks_.size()) {
        held_blocks_.push_back(std::exchange(spare_, Buffer(kind_)));
        held_blocks_.back().reserve_discard(columns() * block_tokens_ * section_.shape.dim *
                                            element_bytes(section_.type));
    }
    copy_view(kind_, view, tokens_of(held_block(block), tokens_ % block_tokens_, view.shape.tokens));
    tokens_ += view.shape.tokens;
}

void StreamRun::code_held(std::uint64_t final_tokens, Scratch& scratch) {
    auto const end = codable(final_tokens);
    while (coded_ < end) {
        auto const in_block = coded_ % block_tokens_;
        auto now = std::min(end - coded_, block_tokens_ - in_block);
        if (now > run_.page_tokens) now = now / run_.page_tokens * run_.page_tokens;
        code(tokens_of(held_block(coded_ / block_tokens_), in_block, now), scratch);
        release_held();
    }
}

void StreamRun::release_held() {
    while (!held_blocks_.empty() && (coded_ == tokens_ || coded_ >= (first_held_block_ + 1) * block_tokens_)) {
        spare_ = std::move(held_blocks_.front());
        held_blocks_.pop_front();
        ++first_held_block_;
    }
}

void StreamRun::code(KvView const& view, Scratch& scratch) {
    auto const tokens = view.shape.tokens;
    if (tokens % run_.page_tokens != 0) {
        tail_.emplace(codec_of(tokens));
        tail_->move_to(run_.first + coded_);
        tail_->encode(view, scratch);
        coded_ += tokens;
        return;
    }
    if (coded_ % block_tokens_ == 0) coded_blocks_.emplace_back(kind_, block_bytes_);
    auto* const block = coded_blocks_.back().data();
    if (tokens == block_tokens_) {
        for (std::size_t p = 0; p < parts_.size(); ++p) {
            if (!parts_[p].once) block_codec_->place_plane(p, block + parts_[p].offset);
        }
        block_codec_->move_to(run_.first + coded_);
        block_codec_->encode(view, scratch);
        coded_ += tokens;
        return;
    }
    for (std::uint64_t done = 0; done < tokens; done += run_.page_tokens, coded_ += run_.page_tokens) {
        page_codec_->move_to(run_.first + coded_);
        page_codec_->encode(tokens_of(view, done, run_.page_tokens), scratch);
        auto const page = coded_ % block_tokens_ / run_.page_tokens;
        for (std::size_t p = 0; p < parts_.size(); ++p) {
            auto const bytes = parts_[p].page_bytes;
            if (parts_[p].once || bytes == 0) continue;
            copy_rows(kind_, page_codec_->plane(p).data, bytes, block + parts_[p].offset + page * bytes,
                      pages_of_block() * bytes, columns(), bytes);
        }
    }
}

void StreamRun::read_block(std::uint64_t block, std::uint64_t tokens, KvView const& view, Scratch& scratch) {
    auto* const memory = coded_blocks_[block].data();
    auto const token = run_.first + block * block_tokens_;
    if (tokens == block_tokens_) {
        for (std::size_t p = 0; p < parts_.size(); ++p) {
            if (!parts_[p].once) block_codec_->place_plane(p, memory + parts_[p].offset);
        }
        block_codec_->move_to(token);
        block_codec_->decode(view, scratch);
        return;
    }
    auto codec = codec_of(tokens);  // of as many pages as there are
    codec.move_to(token);
    for (std::size_t p = 0; p < parts_.size(); ++p) {
        if (parts_[p].once) {
            codec.place_plane(p, once_[parts_[p].offset].data());
            continue;
        }
        auto const bytes = tokens / run_.page_tokens * parts_[p].page_bytes;
        copy_rows(kind_, memory + parts_[p].offset, pages_of_block() * parts_[p].page_bytes, codec.open_plane(p).data,
                  bytes, columns(), bytes);
    }
    codec.decode(view, scratch);
}

void StreamRun::read_coded(std::uint64_t first, KvView const& view, Scratch& scratch) {
    auto const end = first + view.shape.tokens;
    auto const in_blocks = coded_ - (tail_ ? tail_->section().shape.tokens : 0);
    for (auto token = first; token < end;) {
        auto const block = token / block_tokens_;
        bool const of_tail = token >= in_blocks;
        auto const start = of_tail ? in_blocks : block * block_tokens_;
        auto const tokens = of_tail ? coded_ - in_blocks : std::min(block_tokens_, in_blocks - start);
        auto const now = std::min(end, start + tokens) - token;
        auto const target = tokens_of(view, token - first, now);
        auto whole = target;
        if (now < tokens) {
            whole.shape.tokens = tokens;
            whole.strides = KvStrides::packed(whole.shape);
            decoded_.reserve_discard(whole.shape.values() * element_bytes(view.type));
            whole.data = decoded_.data();
        }
        if (of_tail) {
            tail_->decode(whole, scratch);
        } else {
            read_block(block, tokens, whole, scratch);
        }
        if (now < tokens) copy_view(kind_, tokens_of(whole, token - start, now), target);
        token += now;
    }
}

void StreamRun::read_held(std::uint64_t first, KvView const& view) const {
    auto const end = first + view.shape.tokens;
    for (auto token = first; token < end;) {
        auto const in_block = token % block_tokens_;
        auto const now = std::min(end - token, block_tokens_ - in_block);
        copy_view(kind_, tokens_of(held_block(token / block_tokens_), in_block, now),
                  tokens_of(view, token - first, now));
        token += now;
    }
}

void StreamRun::copy_plane(std::size_t plane, std::byte* to, std::uint64_t layer_stride,
                           std::uint64_t head_stride) const {
    auto const heads = section_.shape.heads;
    auto const copy = [&](std::byte const* from, std::uint64_t from_stride, std::uint64_t at, std::uint64_t bytes,
                          std::uint64_t from_bytes) {
        std::vector<std::byte> host;
        if (kind_ != BackendKind::openmp) {
            host.resize(from_bytes);
            copy_to_host(kind_, host.data(), from, from_bytes);
            from = host.data();
        }
        for (std::uint64_t column = 0; column < columns(); ++column) {
            auto* const target = to + column / heads * layer_stride + column % heads * head_stride + at;
            std::copy_n(from + column * from_stride, bytes, target);
        }
    };
    if (parts_[plane].once) {
        auto const* const from = tail_ ? tail_->plane(plane).data : once_[parts_[plane].offset].data();
        copy_to_host(kind_, to, from, parts_[plane].page_bytes);
        return;
    }
    auto const page_bytes = parts_[plane].page_bytes;
    auto const tail_tokens = tail_ ? tail_->section().shape.tokens : 0;
    auto pages = (coded_ - tail_tokens) / run_.page_tokens;
    std::uint64_t at = 0;
    for (auto const& block : coded_blocks_) {
        auto const now = std::min(pages, pages_of_block());
        copy(block.data() + parts_[plane].offset, pages_of_block() * page_bytes, at, now * page_bytes,
             columns() * pages_of_block() * page_bytes);
        at += now * page_bytes;
        pages -= now;
    }
    if (tail_) {
        auto const coded = tail_->plane(plane);
        copy(coded.data, coded.bytes / columns(), at, coded.bytes / columns(), coded.bytes);
    }
}

std::size_t StreamRun::workspace_bytes() const {
    auto bytes = decoded_.size();
    for (std::size_t p = 0; p < parts_.size(); ++p) bytes += parts_[p].once ? 0 : page_codec_->plane(p).bytes;
    return bytes;
}

std::size_t StreamRun::held_bytes() const {
    std::size_t bytes = spare_.size();
    for (auto const& block : coded_blocks_) bytes += block.size();
    for (auto const& block : held_blocks_) bytes += block.size();
    for (auto const& plane : once_) bytes += plane.size();
    for (std::size_t p = 0; tail_ && p < tail_->plane_count(); ++p) bytes += tail_->plane(p).bytes;
    return bytes;
}

}  // namespace kvstone
