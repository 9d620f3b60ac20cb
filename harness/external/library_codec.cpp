// A codec in a shared library: one process of ours encodes with it, another one decodes.

#include <algorithm>
#include <mutex>
#include <new>

#include <fmt/format.h>

#include "backends/timer.hpp"
#include "codecs/external/external_failure.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/attempts/attempt.hpp"
#include "harness/external/codec_process.hpp"
#include "harness/external/external_codecs.hpp"
#include "harness/external/finite_answers.hpp"

namespace kvstone {
namespace {

using How = ExternalFailure::How;

Json request_of(char const* call, Section const& section) {
    auto const& shape = section.shape;
    return {{"call", call},
            {"component", name_of(section.component)},
            {"box", {shape.layers, shape.heads, shape.tokens, shape.dim, section.layer, section.head, section.token}}};
}

CodecProgram program_of(ExternalDefinition const& definition, std::optional<Deadline> deadline) {
    CodecProgram program{
        definition.name, {attempt_program(), library_argument, definition.library}, definition.folder, "", deadline};
    for (auto const& [key, value] : definition.options) program.arguments.push_back(key + '=' + value);
    return program;
}

/// Of the time that encode() and decode() take here, the library's own call alone counts.
class LibraryCodec : public ExternalCodec {
  public:
    LibraryCodec(ExternalDefinition const& definition, std::optional<Deadline> deadline)
        : program_(program_of(definition, deadline)), bits_(definition.bits) {}

    std::uint64_t max_bytes(Section const& section) override {
        return ask(encoder_, request_of("max_bytes", section), {}, 0).header.at("bytes").get<std::uint64_t>();
    }
    std::optional<double> nominal_bits() const override { return bits_; }
    std::string description() override {
        return ask(encoder_, {{"call", "describe"}}, {}, 0).header.at("description").get<std::string>();
    }

    std::uint64_t encode(Section const& section, float const* values, std::span<std::byte> out) override {
        UncountedTime time;
        auto const count = section.shape.values();
        finite_.encoded({values, count});
        auto const stored =
            ask(encoder_, request_of("encode", section), std::as_bytes(std::span(values, count)), out.size());
        time.count(stored.header.at("ns"));
        std::ranges::copy(stored.body, out.begin());
        return stored.body.size();
    }

    void decode(Section const& section, std::span<std::byte const> stored, float* values) override {
        UncountedTime time;
        auto const count = section.shape.values();
        auto const decoded = ask(decoder_, request_of("decode", section), stored, count * sizeof(float));
        time.count(decoded.header.at("ns"));
        if (decoded.body.size() != count * sizeof(float))
            throw SystemError(
                fmt::format("{}: decode: {} bytes of values came back", program_.name, decoded.body.size()));
        std::ranges::copy(decoded.body, std::as_writable_bytes(std::span(values, count)).begin());
        finite_.require_finite(program_.name, {values, count});
    }

  private:
    CodecAnswer ask(CodecRole& role, Json const& request, std::span<std::byte const> body, std::uint64_t most_bytes) {
        auto answer = role.ask(program_, request, {body}, most_bytes);
        auto const& header = answer.header;
        if (auto const refused = header.find("refused"); refused != header.end())
            refuse(refused->at("kind"), refused->at("text"));
        return answer;
    }

    /// The text names the library's function that refused: it need not be the one that was called for.
    [[noreturn]] void refuse(std::string const& kind, std::string const& text) const {
        auto const what = fmt::format("{}: {}", program_.name, text);
        if (kind == "corrupt") throw CorruptData(what);
        if (kind == "not_applicable") throw NotApplicable(what);
        if (kind == "out_of_memory") throw std::bad_alloc();
        throw ExternalFailure(How::error, what);
    }

    CodecProgram program_;
    std::optional<double> bits_;
    FiniteAnswers finite_;
    CodecRole encoder_, decoder_;
};

}  // namespace

std::shared_ptr<ExternalCodec> make_library_codec(ExternalDefinition const& definition,
                                                  std::optional<Deadline> deadline) {
    return std::make_shared<LibraryCodec>(definition, deadline);
}

}  // namespace kvstone
