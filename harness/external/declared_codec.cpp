// Values that a codec elsewhere has decoded, and the number of bytes that it stored them in: nothing is coded here.

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "codecs/external/external_failure.hpp"
#include "harness/external/external_codecs.hpp"
#include "harness/sources/elements.hpp"
#include "harness/sources/sources.hpp"

namespace kvstone {
namespace {

class DeclaredCodec : public ExternalCodec {
  public:
    explicit DeclaredCodec(ExternalDefinition const& definition) : definition_(definition) {}

    /// The section's share of the declared bytes, by its share of the values. K's and V's shares add up.
    std::uint64_t max_bytes(Section const& section) override {
        auto const k = tensor_of(Component::k).shape.values();
        auto const all = k + tensor_of(Component::v).shape.values();
        auto const share = [&](std::uint64_t values) {
            return static_cast<std::uint64_t>(static_cast<unsigned __int128>(definition_.bytes) * values / all);
        };
        bool const whole_v = section.component == Component::v && section.shape.values() == all - k;
        return whole_v ? definition_.bytes - share(k) : share(section.shape.values());
    }
    std::optional<double> nominal_bits() const override { return definition_.bits; }

    std::uint64_t encode(Section const& section, float const*, std::span<std::byte> out) override {
        auto const bytes = max_bytes(section);
        for (std::uint64_t at = 0; at < bytes; ++at) out[at] = stored_byte(at);
        return bytes;
    }

    void decode(Section const& section, std::span<std::byte const> stored, float* values) override {
        for (std::uint64_t at = 0; at < stored.size(); ++at)
            if (stored[at] != stored_byte(at))
                throw CorruptData(definition_.name + ": these are not the declared bytes");
        auto const& tensor = tensor_of(section.component);
        auto const& [layers, heads, tokens, dim] = section.shape;
        if (section.layer + layers > tensor.shape.layers || section.head + heads > tensor.shape.heads ||
            section.token + tokens > tensor.shape.tokens || dim != tensor.shape.dim)
            throw ExternalFailure(
                ExternalFailure::How::error,
                fmt::format(
                    "{}: {} has {} layers, {} heads, {} tokens and {} channels: fewer than the original, or others",
                    definition_.files[0].path, name_of(section.component), tensor.shape.layers, tensor.shape.heads,
                    tensor.shape.tokens, tensor.shape.dim));
        for (std::uint64_t l = 0; l < layers; ++l)
            for (std::uint64_t h = 0; h < heads; ++h) {
                auto const row = ((section.layer + l) * tensor.shape.heads + section.head + h) * tensor.shape.tokens;
                for (std::uint64_t i = 0; i < tokens * dim; ++i)
                    *values++ = element_value(tensor.type, tensor.bytes.get(), (row + section.token) * dim + i);
            }
    }

  private:
    /// The bytes stand for others, which are not known; they tell whether they were changed.
    std::byte stored_byte(std::uint64_t at) const {
        auto const& digits = definition_.files[0].sha256;
        return static_cast<std::byte>(digits[at % digits.size()]);
    }
    HostTensor const& tensor_of(Component component) {
        std::call_once(loaded_, [&] { tensors_ = read_dump(definition_.files[0].path, {.k = true, .v = true}); });
        auto const& tensor = component == Component::k ? tensors_.k : tensors_.v;
        if (!tensor)
            throw ConfigError(definition_.files[0].path + ": no decoded values of this tensor",
                              std::string(name_of(component)), {"a dump with k and v"});
        return *tensor;
    }

    ExternalDefinition definition_;
    std::once_flag loaded_;
    KvTensors tensors_;
};

}  // namespace

std::shared_ptr<ExternalCodec> make_declared_codec(ExternalDefinition const& definition) {
    return std::make_shared<DeclaredCodec>(definition);
}

}  // namespace kvstone
