// A codec that is a command: one process encodes, another one decodes, and neither sees what the other was given.

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "codecs/external/external_failure.hpp"
#include "harness/external/codec_process.hpp"
#include "harness/external/external_codecs.hpp"
#include "harness/external/finite_answers.hpp"
#include "harness/files/safetensors.hpp"
#include "harness/sources/builtin.hpp"

namespace kvstone {
namespace {

using How = ExternalFailure::How;

/// A frame's and a tensor's description beside the values.
constexpr std::uint64_t side_bytes = std::uint64_t{64} << 10;
constexpr auto tensor_name = "values";

std::uint64_t value_bytes(Section const& section) { return section.shape.values() * sizeof(float); }

std::span<std::byte const> bytes_of(float const* values, Section const& section) {
    return {reinterpret_cast<std::byte const*>(values), value_bytes(section)};
}

Json request_of(char const* call, Section const& section) {
    auto const& shape = section.shape;
    return {{"call", call},
            {"context",
             {{"component", name_of(section.component)},
              {"shape", {shape.layers, shape.heads, shape.tokens, shape.dim}},
              {"layer", section.layer},
              {"head", section.head},
              {"token", section.token}}}};
}

/// The head of a safetensors message of the section's values.
std::string message_head(Section const& section, float const* values) {
    // Not owned: only their number is asked for.
    std::shared_ptr<std::byte const> const bytes(std::shared_ptr<void>(), bytes_of(values, section).data());
    return safetensors_header({{tensor_name, {ElementType::f32, section.shape, bytes}}}, Json::object());
}

class CommandCodec : public ExternalCodec {
  public:
    CommandCodec(ExternalDefinition const& definition, std::optional<Deadline> deadline)
        : program_{definition.name, definition.command, definition.folder, builtin_path("python"), deadline},
          bits_(definition.bits) {}

    /// A codec that stores more than the values themselves is none.
    std::uint64_t max_bytes(Section const& section) override { return value_bytes(section) + side_bytes; }
    std::optional<double> nominal_bits() const override { return bits_; }

    std::uint64_t encode(Section const& section, float const* values, std::span<std::byte> out) override {
        finite_.encoded({values, section.shape.values()});
        auto const head = message_head(section, values);
        auto const stored = encoder_
                                .ask(program_, request_of("encode", section),
                                     {std::as_bytes(std::span(head)), bytes_of(values, section)}, out.size())
                                .body;
        std::ranges::copy(stored, out.begin());
        return stored.size();
    }

    void decode(Section const& section, std::span<std::byte const> stored, float* values) override {
        auto const answer = decoder_.ask(program_, request_of("decode", section), {stored}, max_bytes(section)).body;
        try {
            take(section, answer, values);
        } catch (CorruptData const& error) {
            throw ExternalFailure(How::error, error.what());
        }
        finite_.require_finite(program_.name, {values, section.shape.values()});
    }

  private:
    /// The values of a safetensors message. Throws CorruptData.
    void take(Section const& section, std::vector<std::byte> const& answer, float* values) const {
        auto const what = program_.name + ": decode";
        std::shared_ptr<std::byte const> const bytes(std::shared_ptr<void>(), answer.data());
        auto const message = read_safetensors(what, {bytes, answer.size()});
        auto const found = message->arrays().find(tensor_name);
        if (message->arrays().size() != 1 || found == message->arrays().end())
            throw CorruptData(fmt::format("{}: expected one tensor '{}'", what, tensor_name));
        auto const& [dtype, element_bytes, shape, fortran, layout] = found->second;
        std::vector<std::uint64_t> const wanted{section.shape.layers, section.shape.heads, section.shape.tokens,
                                                section.shape.dim};
        if (dtype != "f32" || shape != wanted)
            throw CorruptData(fmt::format("{}: the tensor is {} of {}, not {} of f32", what, shape_text(shape), dtype,
                                          shape_text(wanted)));
        std::memcpy(values, message->bytes(tensor_name).get(), value_bytes(section));
    }

    CodecProgram program_;
    std::optional<double> bits_;
    FiniteAnswers finite_;
    CodecRole encoder_, decoder_;
};

}  // namespace

std::shared_ptr<ExternalCodec> make_command_codec(ExternalDefinition const& definition,
                                                  std::optional<Deadline> deadline) {
    return std::make_shared<CommandCodec>(definition, deadline);
}

}  // namespace kvstone
