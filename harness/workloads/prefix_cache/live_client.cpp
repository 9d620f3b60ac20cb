#include "harness/workloads/prefix_cache/live_client.hpp"

#include <chrono>

#include <xxhash.h>

namespace kvstone {
namespace {

/// Adds the seconds until it goes.
class Clock {
  public:
    explicit Clock(double& seconds) : seconds_(&seconds) {}
    ~Clock() { *seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
    Clock(Clock const&) = delete;
    Clock& operator=(Clock const&) = delete;

  private:
    double* seconds_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Whoever waits for a block that will not be filled would wait for ever.
class GivesUp {
  public:
    explicit GivesUp(ServedRequest const& served) : served_(&served) {}
    ~GivesUp() {
        for (auto i = filled; i < served_->to_write.size(); ++i) served_->to_write[i].second->give_up();
    }
    GivesUp(GivesUp const&) = delete;
    GivesUp& operator=(GivesUp const&) = delete;
    std::size_t filled = 0;

  private:
    ServedRequest const* served_;
};

KvView view_of(HostTensor const& tensor) {
    return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
}

HostTensor const& tensor_of(KvBlock const& block, Component component) {
    return *(component == Component::k ? block.k : block.v);
}

}  // namespace

LiveClient::LiveClient(Codec const& codec, BlockSource& source, bool by_layer)
    : source_(source.client()), tokens_(source.shape(Component::k).tokens, source.vocabulary()) {
    for (auto const component : {Component::k, Component::v}) {
        auto const shape = source.shape(component);
        if (shape.values() == 0) continue;
        sides_.push_back(
            {component,
             CodedParts(codec, component, shape, source.type(), BackendKind::openmp, source.rope(), by_layer),
             Buffer(BackendKind::openmp, shape.values() * element_bytes(source.type())), source.type()});
    }
}

void LiveClient::serve(SharedStore& store, std::uint64_t number, RequestTrace const& trace, TraceRequest const& request,
                       BlockKey const& root, std::vector<std::uint64_t> const& next_uses) {
    OneThread::Scope const scope(&one_thread_);
    std::vector<BlockKey> keys;
    {
        Clock const clock(times_.hashing);
        keys = request_keys(root, trace, request, tokens_, layers());
    }
    std::optional<ServedRequest> served;
    {
        Clock const clock(times_.looking_up);
        auto const first = request.first * layers();
        served = store.serve(number, keys, request.time_ns,
                             [&](std::size_t i) { return next_uses.empty() ? never_again : next_uses[first + i]; });
    }
    if (!served) return;
    GivesUp gives_up(*served);
    auto const found = served->found.size() / layers();
    hit_tokens_.emplace_back(number, found_tokens(trace, request, found));
    source_->begin(request, found);
    {
        Clock const clock(times_.loading);
        if (!load_found(*served, found)) return;
    }
    {
        Clock const clock(times_.computing);
        source_->compute();
    }
    store_new(*served, gives_up.filled);
    for (std::size_t entry = 0; entry < found * layers(); ++entry)
        entries_.push_back({served->found[entry], entry % layers()});
}

bool LiveClient::load_found(ServedRequest const& served, std::uint64_t blocks) {
    for (std::uint64_t block = 0; block < blocks; ++block) {
        for (std::size_t part = 0; part < layers(); ++part) {
            auto const* const stored = served.found[block * layers() + part]->wait();
            if (stored == nullptr) return false;
            for (std::size_t side = 0; side < sides_.size(); ++side) {
                auto& [component, parts, decoded, type] = sides_[side];
                parts.load(part, (*stored)[side]);
                parts.decode_part(part, sides_[side].view(), DecodeFor::timing);
            }
        }
        for (auto const& side : sides_) source_->put(block, side.component, side.view());
    }
    times_.loaded_blocks += blocks;
    return true;
}

void LiveClient::store_new(ServedRequest const& served, std::size_t& filled) {
    Clock const clock(times_.storing);
    std::shared_ptr<KvBlock const> tensors;
    std::size_t encoded = SIZE_MAX;
    for (; filled < served.to_write.size(); ++filled) {
        auto const& [entry, stored] = served.to_write[filled];
        if (entry / layers() != encoded) {
            encoded = entry / layers();
            tensors = std::make_shared<KvBlock const>(source_->take(encoded));
            for (auto& side : sides_) side.parts.encode(view_of(tensor_of(*tensors, side.component)));
            ++times_.encoded_blocks;
        }
        StoredBlock::Parts parts;
        for (auto const& side : sides_) parts.push_back(side.parts.seal(entry % layers()));
        entries_.push_back({stored, entry % layers(), tensors});
        stored->fill(std::move(parts));
    }
}

void LiveClient::verify(LiveEntry const& entry, LiveResult& result) {
    OneThread::Scope const scope(&one_thread_);
    auto const* const stored = entry.stored->wait();
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        auto& side = sides_[i];
        side.parts.load(entry.part, (*stored)[i]);
        side.parts.decode_part(entry.part, side.view(), DecodeFor::checking);
        auto const shape = side.parts.part_shape();
        auto const bytes = shape.values() * element_bytes(side.type);
        auto const* const decoded = side.decoded.data() + entry.part * bytes;
        hash = XXH3_64bits_withSeed(decoded, bytes, hash);
        if (!entry.written_from) continue;
        auto const* const original = tensor_of(*entry.written_from, side.component).bytes.get() + entry.part * bytes;
        result.errors += measure_error_sums(shape, side.type, original, decoded);
    }
    if (entry.written_from) {
        entry.stored->decoded_hash = hash;
        for (auto const& part : *stored) result.written_bytes += part.size();
    } else {
        ++result.entries_verified;
        result.entries_differing += hash == entry.stored->decoded_hash ? 0 : 1;
    }
}

}  // namespace kvstone
