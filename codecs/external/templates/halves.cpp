// A codec for KVstone in C++: values are rounded to bfloat16, and each token whose values are all zero takes one bit.
//
//     c++ -std=c++20 -O3 -shared -fPIC -fvisibility=hidden -o halves.so halves.cpp $(pkg-config --cflags kvstone-codec)
//     kvstone check-codec ./halves.so
//
// Write the class Codec; everything below it translates between it and kvstone/codec.h, and stays as it is.
//
// Bytes: a bit for each vector (one token of a layer and head), the lowest first, set where the vector has values; then those
// of the vectors that have some, two bytes each.

#include <bit>
#include <cstdint>
#include <cstdio>
#include <map>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include <kvstone/codec.h>

namespace {

struct BadOption : std::runtime_error {
    using runtime_error::runtime_error;
};
struct NotApplicable : std::runtime_error {
    using runtime_error::runtime_error;
};
struct Corrupt : std::runtime_error {
    using runtime_error::runtime_error;
};

using Section = kvstone_section;
std::uint64_t vectors_of(Section const& section) { return section.layers * section.heads * section.tokens; }

class Codec {
  public:
    static constexpr char name[] = "halves";
    static constexpr char version[] = "1";

    explicit Codec(std::map<std::string, std::string> const& options) {
        if (!options.empty()) throw BadOption("there are no options, and \"" + options.begin()->first + "\" is given");
    }

    std::string description = "bfloat16, and a bit for each vector of zeros";

    std::uint64_t max_bytes(Section const& section) const {
        return (vectors_of(section) + 7) / 8 + vectors_of(section) * section.dim * 2;
    }

    /// Returns the number of bytes that it wrote.
    std::uint64_t encode(Section const& section, std::span<float const> values, std::span<std::uint8_t> bytes) const {
        auto const flags = (vectors_of(section) + 7) / 8;
        for (std::uint64_t i = 0; i < flags; ++i) bytes[i] = 0;
        auto end = flags;
        for (std::uint64_t v = 0; v < vectors_of(section); ++v) {
            auto const vector = values.subspan(v * section.dim, section.dim);
            bool any = false;
            for (float const value : vector) any = any || std::bit_cast<std::uint32_t>(value) != 0;
            if (!any) continue;
            bytes[v / 8] = static_cast<std::uint8_t>(bytes[v / 8] | 1U << (v % 8));
            for (float const value : vector) {
                auto const bits = rounded(std::bit_cast<std::uint32_t>(value));
                bytes[end++] = static_cast<std::uint8_t>(bits);
                bytes[end++] = static_cast<std::uint8_t>(bits >> 8);
            }
        }
        return end;
    }

    void decode(Section const& section, std::span<std::uint8_t const> bytes, std::span<float> values) const {
        auto at = (vectors_of(section) + 7) / 8;
        if (bytes.size() < at) throw Corrupt("shorter than its flags");
        for (std::uint64_t v = 0; v < vectors_of(section); ++v) {
            bool const any = (bytes[v / 8] >> (v % 8) & 1) != 0;
            if (any && bytes.size() - at < section.dim * 2) throw Corrupt("shorter than its flags tell");
            for (auto& value : values.subspan(v * section.dim, section.dim)) {
                std::uint32_t const bits = any ? bytes[at] | static_cast<std::uint32_t>(bytes[at + 1]) << 8 : 0;
                value = std::bit_cast<float>(bits << 16);
                at += any ? 2 : 0;
            }
        }
        if (at != bytes.size()) throw Corrupt("longer than its flags tell");
    }

  private:
    /// To nearest, ties to even; finite values stay finite, and NaN stays NaN.
    static std::uint32_t rounded(std::uint32_t bits) {
        auto const magnitude = bits & 0x7fffffff;
        if (magnitude > 0x7f800000) return bits >> 16 | 0x40;
        if (magnitude >= 0x7f7f8000 && magnitude < 0x7f800000) return (bits >> 16 & 0x8000) | 0x7f7f;
        return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
};

// From here on nothing depends on the codec.

template <class Work>
std::int32_t told(kvstone_error* error, Work const& work) noexcept {
    auto const say = [error](std::int32_t status, char const* text) {
        std::snprintf(error->text, sizeof error->text, "%s", text);
        return status;
    };
    try {
        work();
        return KVSTONE_OK;
    } catch (BadOption const& problem) {
        return say(KVSTONE_BAD_OPTION, problem.what());
    } catch (NotApplicable const& problem) {
        return say(KVSTONE_NOT_APPLICABLE, problem.what());
    } catch (Corrupt const& problem) {
        return say(KVSTONE_CORRUPT, problem.what());
    } catch (std::bad_alloc const&) {
        return say(KVSTONE_OUT_OF_MEMORY, "no memory");
    } catch (std::exception const& problem) {
        return say(KVSTONE_FAILED, problem.what());
    } catch (...) {
        return say(KVSTONE_FAILED, "an exception of no standard type");
    }
}

Codec& own(kvstone_codec* codec) { return *reinterpret_cast<Codec*>(codec); }

std::int32_t create(kvstone_option const* options, std::uint64_t count, kvstone_codec** codec, kvstone_error* error) {
    return told(error, [&] {
        std::map<std::string, std::string> given;
        for (auto const& option : std::span(options, count)) given.emplace(option.key, option.value);
        *codec = reinterpret_cast<kvstone_codec*>(new Codec(given));
    });
}

void destroy(kvstone_codec* codec) { delete &own(codec); }

char const* describe(kvstone_codec const* codec) { return reinterpret_cast<Codec const*>(codec)->description.c_str(); }

std::int32_t max_bytes(kvstone_codec* codec, Section const* section, std::uint64_t* bytes, kvstone_error* error) {
    return told(error, [&] { *bytes = own(codec).max_bytes(*section); });
}

std::int32_t encode(kvstone_codec* codec, Section const* section, float const* values, std::uint8_t* bytes,
                    std::uint64_t capacity, std::uint64_t* written, kvstone_error* error) {
    return told(error, [&] {
        *written = own(codec).encode(*section, {values, vectors_of(*section) * section->dim}, {bytes, capacity});
    });
}

std::int32_t decode(kvstone_codec* codec, Section const* section, std::uint8_t const* bytes, std::uint64_t count,
                    float* values, kvstone_error* error) {
    return told(error,
                [&] { own(codec).decode(*section, {bytes, count}, {values, vectors_of(*section) * section->dim}); });
}

}  // namespace

extern "C" kvstone_codec_library const* kvstone_codec_entry(std::uint32_t abi_version) {
    static constexpr kvstone_codec_library library{sizeof(kvstone_codec_library),
                                                   KVSTONE_CODEC_ABI_VERSION,
                                                   KVSTONE_MEMORY_HOST,
                                                   Codec::name,
                                                   Codec::version,
                                                   create,
                                                   destroy,
                                                   describe,
                                                   max_bytes,
                                                   encode,
                                                   decode};
    return abi_version == KVSTONE_CODEC_ABI_VERSION ? &library : nullptr;
}
