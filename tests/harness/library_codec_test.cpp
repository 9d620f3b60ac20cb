// Codecs in shared libraries: bytes of the templates by hand, and libraries that break each rule of kvstone/codec.h.

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/timer.hpp"
#include "codecs/external/external_failure.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/external/external_codecs.hpp"
#include "harness/external/loaded_library.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using How = ExternalFailure::How;

std::string library(std::string const& name) { return programs_folder() + "/codecs/" + name + ".so"; }

std::shared_ptr<ExternalCodec> codec_of(std::string const& name, std::map<std::string, std::string> options = {},
                                        std::optional<Deadline> deadline = std::nullopt) {
    ExternalDefinition definition;
    definition.name = "theirs";
    definition.kind = "library";
    definition.library = library(name);
    definition.options = std::move(options);
    definition.folder = programs_folder();
    return make_library_codec(definition, deadline);
}

std::shared_ptr<ExternalCodec> broken(std::string const& mode, std::optional<Deadline> deadline = std::nullopt) {
    return codec_of("broken", {{"mode", mode}}, deadline);
}

Section section_of(KvShape const& shape) { return {Component::k, ElementType::f32, 0, 0, 0, shape, nullptr}; }

struct Coded {
    std::vector<std::byte> bytes;
    std::vector<float> values;
};

std::vector<std::byte> encoded(ExternalCodec& codec, Section const& section, std::vector<float> const& values) {
    std::vector<std::byte> bytes(codec.max_bytes(section));
    bytes.resize(codec.encode(section, values.data(), bytes));
    return bytes;
}

std::vector<float> decoded(ExternalCodec& codec, Section const& section, std::vector<std::byte> const& bytes) {
    std::vector<float> values(section.shape.values(), -1);
    codec.decode(section, bytes, values.data());
    return values;
}

Coded coded(ExternalCodec& codec, Section const& section, std::vector<float> const& values) {
    Coded result{encoded(codec, section, values), {}};
    result.values = decoded(codec, section, result.bytes);
    return result;
}

std::vector<float> some_values(KvShape const& shape) {
    std::vector<float> values(shape.values());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<int>(i % 23) - 11) / 4;
    return values;
}

/// How and why a codec fails on a small tensor; an empty text where it does not.
struct Ending {
    How how = How::error;
    std::string text;
};
Ending ending_of(ExternalCodec& codec) {
    KvShape const shape{1, 2, 3, 4};
    try {
        coded(codec, section_of(shape), some_values(shape));
    } catch (ExternalFailure const& failure) {
        return {failure.how(), failure.what()};
    }
    return {};
}

void expect_error(std::string const& mode, std::string const& text) {
    auto const ending = ending_of(*broken(mode));
    EXPECT_EQ(ending.how, How::error) << mode;
    EXPECT_THAT(ending.text, HasSubstr(text)) << mode;
}

// docs/codec-libraries.md says so for Rust.
static_assert(sizeof(kvstone_section) == 80 && sizeof(kvstone_error) == 512 && sizeof(kvstone_codec_library) == 80);
static_assert(offsetof(kvstone_section, layers) == 16 && offsetof(kvstone_section, memory) == 72);
static_assert(offsetof(kvstone_codec_library, name) == 16 && offsetof(kvstone_codec_library, decode) == 72);

TEST(LibraryCodec, UniformHasTheBytesOfItsFormat) {
    // Scale 7 / 7 = 1. Codes of 4 bits: 7 + 7 = 14, -3.5 is rounded to the even -4: 3, 1 + 7 = 8; a zero fills the last byte.
    auto const section = section_of({1, 1, 1, 3});
    auto const [bytes, values] = coded(*codec_of("uniform", {{"bits", "4"}}), section, {7, -3.5, 1});
    EXPECT_THAT(bytes, ElementsAre(std::byte{0}, std::byte{0}, std::byte{0x80}, std::byte{0x3f}, std::byte{0x3e},
                                   std::byte{0x08}));
    EXPECT_THAT(values, ElementsAre(7, -4, 1));
}

TEST(LibraryCodec, UniformIsWithinHalfAStepForAllBits) {
    KvShape const shape{2, 3, 5, 7};
    auto const original = some_values(shape);
    for (int bits = 2; bits <= 8; ++bits) {
        auto const values =
            coded(*codec_of("uniform", {{"bits", std::to_string(bits)}}), section_of(shape), original).values;
        for (std::size_t v = 0; v < original.size(); v += 7) {
            float largest = 0;
            for (std::size_t d = 0; d < 7; ++d) largest = std::max(largest, std::fabs(original[v + d]));
            auto const step = largest / static_cast<float>((1 << (bits - 1)) - 1);
            for (std::size_t d = 0; d < 7; ++d)  // a float's error of the division and of the product
                EXPECT_LE(std::fabs(values[v + d] - original[v + d]), step / 2 + 4 * largest * 0x1p-24F) << bits;
        }
    }
}

TEST(LibraryCodec, UniformKeepsFiniteValuesFinite) {
    auto const most = std::numeric_limits<float>::max();
    auto const tiny = std::numeric_limits<float>::denorm_min();
    auto const section = section_of({1, 1, 2, 4});
    auto const values =
        coded(*codec_of("uniform", {{"bits", "4"}}), section, {most, -most, 0, tiny, tiny, 0, -tiny, 0}).values;
    for (auto const value : values) EXPECT_TRUE(std::isfinite(value));
    auto const mixed =
        coded(*codec_of("uniform", {{"bits", "4"}}), section, {NAN, INFINITY, -INFINITY, 7, 0, 0, 0, 0}).values;
    EXPECT_THAT(mixed, ElementsAre(0, 7, -7, 7, 0, 0, 0, 0));
}

TEST(LibraryCodec, HalvesHasTheBytesOfItsFormat) {
    // 1 is 3f80 in bfloat16, 1 + 2^-8 lies between 3f80 and 3f81 and goes to the even one; the vector of zeros has no bytes.
    auto const section = section_of({1, 1, 3, 2});
    auto const [bytes, values] = coded(*codec_of("halves"), section, {1, 1 + 0x1p-8F, 0, 0, -2, 0});
    EXPECT_THAT(bytes, ElementsAre(std::byte{0x05}, std::byte{0x80}, std::byte{0x3f}, std::byte{0x80}, std::byte{0x3f},
                                   std::byte{0x00}, std::byte{0xc0}, std::byte{0}, std::byte{0}));
    EXPECT_THAT(values, ElementsAre(1, 1, 0, 0, -2, 0));
}

TEST(LibraryCodec, NoSectionIsTooSmallOrTooOften) {
    auto const codec = codec_of("halves");
    for (KvShape const& shape : {KvShape{1, 1, 1, 1}, {2, 1, 300, 128}, {1, 1, 1, 1}, {2, 2, 0, 64}, {1, 3, 17, 80}}) {
        auto const values = some_values(shape);
        EXPECT_EQ(coded(*codec, section_of(shape), values).values, values);  // quarters are exact in bfloat16
    }
}

TEST(LibraryCodec, DescribesItself) {
    EXPECT_EQ(codec_of("uniform", {{"bits", "3"}})->description(), "uniform 1: uniform, 3 bits, a scale a vector");
}

TEST(LibraryCodec, OptionsAndTheirRefusal) {
    EXPECT_THAT(ending_of(*codec_of("uniform", {{"bits", "9"}})).text,
                HasSubstr("theirs: create: bits is a number from 2 to 8"));
    EXPECT_THAT(ending_of(*codec_of("uniform", {{"bit", "4"}})).text, HasSubstr("there is one option: bits"));
    EXPECT_EQ(ending_of(*codec_of("uniform", {{"bits", "3"}})).text, "");
}

/// A library that keeps the tensor in its memory and stores one byte returns the tensor where the same process decodes, and
/// nothing of it here.
TEST(LibraryCodec, ATensorKeptInMemoryIsNotFoundByTheDecoder) {
    KvShape const shape{1, 2, 3, 4};
    auto const original = some_values(shape);
    auto const [bytes, values] = coded(*broken("kept"), section_of(shape), original);
    EXPECT_EQ(bytes.size(), 1U);
    EXPECT_EQ(values, std::vector<float>(original.size(), 0));

    LoadedLibrary const here(library("broken"), {{"mode", "kept"}});
    kvstone_section section{};
    section.layers = 1, section.heads = 2, section.tokens = 3, section.dim = 4;
    GuardedMemory given, stored, back;
    given.resize(original.size() * sizeof(float));
    std::memcpy(given.data(), original.data(), given.size());
    EXPECT_EQ(here.encode(section, given, stored).bytes, 1U);
    here.decode(section, stored, back);
    EXPECT_EQ(std::memcmp(back.data(), original.data(), given.size()), 0) << "the library does cheat";
}

TEST(LibraryCodec, BrokenRulesAreNamed) {
    expect_error("refuse", "theirs: encode: not on a Tuesday");
    expect_error("silent", "encode() returned 77 without a word");
    expect_error("beyond", "encode() wrote 1 bytes behind its 96 of max_bytes()");
    expect_error("before", "encode() wrote 1 bytes before its 96 of max_bytes()");
    expect_error("too_many", "encode() says that it wrote 97 bytes; max_bytes() is 96");
    expect_error("huge", "max_bytes() is 9223372036854775807 for a section of 24 values");
    expect_error("unwritten", "decode() left 1 of 24 values unwritten");
    expect_error("values_beyond", "decode() wrote 4 bytes behind its 96");
    expect_error("nan", "1 of 24 values are NaN or infinite, and none of the original ones");
    expect_error("no_codec", "create() returned KVSTONE_OK and no codec");
    EXPECT_THROW(ending_of(*broken("short_of_memory")), std::bad_alloc);
    EXPECT_THROW(ending_of(*broken("dim")), NotApplicable);
    EXPECT_EQ(ending_of(*broken("exact")).text, "");
    testing::internal::CaptureStderr();
    EXPECT_EQ(ending_of(*broken("loud")).text, "");
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("line 99999 of a library"));
    EXPECT_EQ(ending_of(*broken("fork")).text, "");
}

#ifdef __SANITIZE_ADDRESS__  // reports such a signal, and exits
constexpr char const* segmentation_fault = "exit code 1";
#else
constexpr char const* segmentation_fault = "SIGSEGV";
#endif

TEST(LibraryCodec, CrashesSayHowTheProcessEnded) {
    auto const fault = std::string("its process ended (") + segmentation_fault + ")";
    auto const expect_crash = [](std::string const& mode, std::string const& text) {
        auto const ending = ending_of(*broken(mode));
        EXPECT_EQ(ending.how, How::crash) << mode;
        EXPECT_THAT(ending.text, HasSubstr(text)) << mode;
    };
    expect_crash("crash_encode", "theirs: encode: " + fault);
    expect_crash("crash_decode", "theirs: decode: its process ended (SIGABRT)");
    expect_crash("exit", "theirs: encode: its process ended (exit code 3)");
    expect_crash("writes_values", "theirs: encode: " + fault);
    expect_crash("writes_bytes", "theirs: decode: " + fault);
}

TEST(LibraryCodec, HangsEndAtTheDeadline) {
    for (std::string const mode : {"hang_encode", "hang_decode"}) {
        auto const ending = ending_of(*broken(mode, std::chrono::steady_clock::now() + std::chrono::milliseconds(700)));
        EXPECT_EQ(ending.how, How::timeout) << mode;
        EXPECT_THAT(ending.text, HasSubstr("no answer within the time limit")) << mode;
    }
}

TEST(LibraryCodec, UnloadableFilesAreNamed) {
    auto const why_not = [](std::string const& name) { return ending_of(*codec_of(name)).text; };
    EXPECT_THAT(why_not("nothing"), HasSubstr("cannot load"));
    EXPECT_THAT(why_not("broken_no_entry"), HasSubstr("exports no kvstone_codec_entry()"));
    EXPECT_THAT(why_not("broken_no_table"), HasSubstr("does not serve version 1 of kvstone/codec.h"));
    EXPECT_THAT(why_not("broken_abi"), HasSubstr("is made for version 2 of kvstone/codec.h; this is version 1"));
    EXPECT_THAT(why_not("broken_bytes"), HasSubstr("returns a table of 8 bytes; that of version 1 has 80"));
    EXPECT_THAT(why_not("broken_no_decode"), HasSubstr("returns a table without `decode`"));
    EXPECT_THROW(why_not("broken_device"), NotApplicable);
}

TEST(LibraryCodec, BrokenBytesAreCorruptData) {
    auto const section = section_of({1, 1, 1, 3});
    auto const codec = codec_of("uniform");
    auto bytes = encoded(*codec, section, {1, 2, 3});
    bytes.pop_back();
    EXPECT_THROW(decoded(*codec, section, bytes), CorruptData);
    // The next ones are decoded as before.
    bytes.push_back(std::byte{0});
    EXPECT_EQ(decoded(*codec, section, bytes).size(), 3U);
}

/// Of a timed pass the library's own call counts, and all of it; carrying bytes does not.
TEST(LibraryCodec, TimedPassesHaveTheCallAlone) {
    KvShape const shape{1, 2, 3, 4};
    auto const section = section_of(shape);
    auto const codec = broken("slow");
    auto const bytes = encoded(*codec, section, some_values(shape));
    decoded(*codec, section, bytes);
    auto const before = uncounted_ns;
    auto const start = std::chrono::steady_clock::now();
    auto const timed = fenced_ns(BackendKind::openmp, [&] { decoded(*codec, section, bytes); });
    std::chrono::nanoseconds const passed = std::chrono::steady_clock::now() - start;
    auto const left_out = uncounted_ns - before;
    EXPECT_GE(timed, 50'000'000);  // it sleeps
    EXPECT_GT(left_out, 0);
    EXPECT_LE(timed + left_out, passed.count());
}

}  // namespace
}  // namespace kvstone
