#include "harness/workloads/tier/entry_form.hpp"

#include <cstring>

#include "codecs/container/container.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// The first container of an entry, which is taken off it.
std::span<std::byte const> next_container(std::span<std::byte const>& entry) {
    auto const bytes = container_bytes(entry);
    auto const container = entry.first(bytes);
    entry = entry.subspan(bytes);
    return container;
}

void check_end(std::span<std::byte const> rest) {
    if (!rest.empty()) throw CorruptData("an entry that goes on behind its containers");
}

}  // namespace

EntryForm::EntryForm(BlockValues const& blocks, std::optional<std::string> const& codec) : blocks_(&blocks) {
    if (!codec) return;
    for (auto const& part : blocks.parts())
        codecs_.emplace_back(Codec::parse(*codec), part.component, part.shape, part.type, BackendKind::openmp,
                             blocks.rope());
}

std::vector<std::byte> EntryForm::encode(std::span<std::byte const> values) {
    if (!is_coded()) return {values.begin(), values.end()};
    std::vector<std::byte> entry;
    for (std::size_t i = 0; i < codecs_.size(); ++i) {
        codecs_[i].encode(view_of(blocks_->parts()[i], values));
        auto container = codecs_[i].seal();
        if (entry.empty())
            entry = std::move(container);
        else
            entry.insert(entry.end(), container.begin(), container.end());
    }
    return entry;
}

void EntryForm::decode(std::span<std::byte const> entry, std::span<std::byte> values) {
    if (!is_coded()) {
        if (entry.size() != values.size()) throw CorruptData("an entry of another size than its block");
        std::memcpy(values.data(), entry.data(), entry.size());
        return;
    }
    for (std::size_t i = 0; i < codecs_.size(); ++i) {
        codecs_[i].load(next_container(entry));
        codecs_[i].decode(view_of(blocks_->parts()[i], values), DecodeFor::timing);
    }
    check_end(entry);
}

std::vector<std::byte> EntryForm::decode_alone(std::span<std::byte const> entry) const {
    if (!is_coded()) return {entry.begin(), entry.end()};
    std::vector<std::byte> values;
    for (std::size_t i = 0; i < codecs_.size(); ++i) {
        auto const part = decode_container(next_container(entry));
        values.insert(values.end(), part.begin(), part.end());
    }
    check_end(entry);
    return values;
}

}  // namespace kvstone
