// gear: the payload cut into planes, so that the stages behind it code each plane by itself.
//
// Purpose    the high byte of a floating-point number has an entropy far below eight bits, its low byte has almost eight:
//            side by side they hide the repeats from coders that look for repeated bytes. This stage shrinks nothing; a
//            coder follows: `fp16 | gear | zstd:level=1`.
// Source     byte planes: Blosc's shuffle; exponents by themselves: DFloat11 (Zhang et al. 2025), ZipNN (Hershcovitch
//            et al. 2024); hi6/lo10 and the name: a study of lossless coding of KV caches.
// Planes     payload, in this order, for elements of w bits (w = 8, 16 or 32), element after element:
//              planes=bytes     w / 8 planes, the highest byte first. For 16 and 32 bits.
//              planes=hi6lo10   the six highest bits, one byte an element; the ten lowest, packed. For 16 bits.
//              planes=exponent  the e bits of the exponent, one byte an element; sign and mantissa as one number of w - e
//                               bits, the sign the highest, packed. e is 8 for fp32 and bf16, 5 for fp16 and fp8 e5m2,
//                               4 for fp8 e4m3.
//              planes=bits      w planes, the highest bit first, packed.
//            Packed: as in codecs/kernels/bit_packing.hpp over all elements, the last byte filled up with zero bits.
// Example    fp16 1.0, -2.0 (3c00, c000)
//            -> bytes: 3c c0 | 00 00    hi6lo10: 0f 30 | 00 00 00    exponent: 0f 10 | 00 00 20 (11 bits: 0, 400)
//               bits: 02 | 02 | 01 | 01 | 01 | 01 | 00 | 00 ...
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: bits like others.
//
// A field of fewer than eight bits takes a byte an element here; coders that have to store it unchanged pack it.

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "codecs/kernels/bit_fields.hpp"
#include "codecs/kernels/byte_planes.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Gear : public Entropy {
  public:
    static constexpr bool host_only = true;  // as the coders behind it

    static StageInfo info() {
        StageInfo info;
        info.name = "gear";
        info.summary = "the payload cut into planes of bytes, of bits, or of exponents and mantissas";
        info.source = "Blosc's shuffle; of exponents DFloat11 (Zhang et al. 2025) and ZipNN (Hershcovitch et al. 2024)";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine cuts the cache that attention reads into planes"}};
        info.options = {choice_option("planes", "bytes", {"bytes", "hi6lo10", "exponent", "bits"},
                                      "each byte by itself; the upper 6 and the lower 10 bits; exponents, and signs "
                                      "with mantissas; each bit by itself")};
        info.examples = {"fp16 | gear | zstd:level=1",
                         "bf16 | gear | zstd:level=1",
                         "raw | gear",
                         "fp16 | gear:planes=hi6lo10 | zstd:level=1",
                         "fp16 | gear:planes=exponent | zstd:level=1",
                         "raw | gear:planes=exponent | zstd:level=1",
                         "fp8:format=e4m3 | gear:planes=exponent | zstd:level=1",
                         "fp16 | gear:planes=bits | zstd:level=1",
                         "int8 | gear:planes=bits"};
        return info;
    }
    explicit Gear(Options const& options) : planes_(options.choice("planes")) {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        check(input);
        auto const count = input.bytes / input.element_bytes;
        auto const width = 8 * input.element_bytes;
        if (planes_ == "bytes") return {input.element_bytes, plane_of(input, count, 8)};
        if (planes_ == "bits") return {width, plane_of(input, count, 1)};
        auto const field = field_of(input);
        auto fields = plane_of(input, count, 8);
        fields.element_bits = field.bits % 8;
        return {fields, plane_of(input, count, width - field.bits)};
    }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace) const {
        with_elements_of(spec, [&]<class T>(T) {
            auto const* const elements = input.as<T>();
            share_blocks(space, input.bytes / sizeof(T), [=, this, &spec](std::uint64_t first, std::uint64_t count) {
                split(spec, elements + first, first, count, planes);
            });
        });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input, Workspace) const {
        with_elements_of(spec, [&]<class T>(T) {
            auto* const elements = input.as<T>();
            share_blocks(space, input.bytes / sizeof(T), [=, this, &spec](std::uint64_t first, std::uint64_t count) {
                merge(spec, planes, first, count, elements + first);
            });
        });
    }

  private:
    /// Bytes that a thread takes at a time: a multiple of those cut at a time, and of a cache line in every plane.
    static constexpr std::uint64_t block_elements = 16 * field_block;

    /// Throws NotApplicable where these planes cannot be made of the input.
    void check(PlaneSpec const& input) const;
    /// `count` codes of `bits` bits, packed.
    static PlaneSpec plane_of(PlaneSpec const& input, std::uint64_t count, unsigned bits);
    BitField field_of(PlaneSpec const& input) const;

    template <class Action>
    static void with_elements_of(PlaneSpec const& spec, Action const& action) {
        if (spec.element_bytes == 4) return action(std::uint32_t{});
        if (spec.element_bytes == 2) return action(std::uint16_t{});
        action(std::uint8_t{});
    }
    /// work(first, count) for blocks of the elements.
    template <class Space, class Work>
    static void share_blocks(Space const& space, std::uint64_t elements, Work const& work) {
        auto const blocks = (elements + block_elements - 1) / block_elements;
        host_for(space, "gear", static_cast<std::int64_t>(blocks), [=](std::int64_t const block) {
            auto const first = static_cast<std::uint64_t>(block) * block_elements;
            work(first, std::min(block_elements, elements - first));
        });
        space.fence();
    }

    template <class T>
    void split(PlaneSpec const& spec, T const* elements, std::uint64_t first, std::uint64_t count, Planes planes) const;
    template <class T>
    void merge(PlaneSpec const& spec, ConstPlanes planes, std::uint64_t first, std::uint64_t count, T* elements) const;

    std::string planes_;
};

void Gear::check(PlaneSpec const& input) const {
    if (input.variable) {
        throw NotApplicable("gear cuts the payload of a quantiser, not the output of a coder", "gear",
                            {"gear before the coder"});
    }
    auto const width = input.element_bytes;
    auto const refuse = [&](std::string const& what, std::string const& accepted) {
        throw NotApplicable(fmt::format("gear:planes={} takes {}", planes_, what), fmt::format("{} bytes", width),
                            {accepted});
    };
    bool const known = width == 1 || width == 2 || width == 4;
    if (!known || input.bytes % width != 0) refuse("elements of whole words", "payloads of 1, 2 or 4 bytes an element");
    if (planes_ == "bytes" && width == 1) {
        refuse("elements of several bytes", "payloads of 2 or 4 bytes an element (raw, fp16, bf16), or planes=bits");
    }
    if (planes_ == "hi6lo10" && width != 2) {
        refuse("elements of 16 bits", "payloads of 2 bytes an element (fp16, bf16)");
    }
    if (planes_ == "exponent" && field_of(input).bits == 0) {
        refuse("elements that are numbers", "payloads of fp32, fp16, bf16 or fp8 (raw, fp16, bf16, fp8)");
    }
}

PlaneSpec Gear::plane_of(PlaneSpec const& input, std::uint64_t count, unsigned bits) {
    PlaneSpec plane{LedgerLine::payload, packed_bytes(count, bits), false, 1, 0};
    // Rows that end within a byte are no rows of bytes.
    if (input.row_elements * bits % 8 != 0 || input.row_elements == 0) return plane;
    plane.row_elements = input.row_elements * bits / 8;
    plane.head_rows = input.head_rows;
    plane.layer_heads = input.layer_heads;
    return plane;
}

BitField Gear::field_of(PlaneSpec const& input) const {
    if (planes_ == "hi6lo10") return {10, 6};
    switch (input.numbers) {
        case NumberFormat::fp32:
            return {23, 8};
        case NumberFormat::fp16:
            return {10, 5};
        case NumberFormat::bf16:
            return {7, 8};
        case NumberFormat::fp8_e4m3:
            return {3, 4};
        case NumberFormat::fp8_e5m2:
            return {2, 5};
        default:
            return {};
    }
}

template <class T>
void Gear::split(PlaneSpec const& spec, T const* elements, std::uint64_t first, std::uint64_t count,
                 Planes planes) const {
    if (planes_ == "bits") {
        auto bit = static_cast<unsigned>(planes.size());
        for (auto& plane : planes) take_bit(elements, count, --bit, plane.data + first / 8);
        return;
    }
    auto const bytes_of = [&](std::size_t plane) { return planes[plane].as<std::uint8_t>() + first; };
    bool const streaming = planes[0].bytes >= streaming_from_bytes;
    if (planes_ != "bytes") {
        auto const field = field_of(spec);
        auto const rest_bits = 8 * sizeof(T) - field.bits;
        split_field(elements, count, field, bytes_of(0), planes[1].data + first * rest_bits / 8);
    } else if constexpr (sizeof(T) == 2) {
        split_halves(elements, count, bytes_of(0), bytes_of(1), streaming);
    } else if constexpr (sizeof(T) == 4) {
        split_words_of_four(elements, count, {bytes_of(0), bytes_of(1), bytes_of(2), bytes_of(3)}, streaming);
    }
}

template <class T>
void Gear::merge(PlaneSpec const& spec, ConstPlanes planes, std::uint64_t first, std::uint64_t count,
                 T* elements) const {
    if (planes_ == "bits") {
        std::fill_n(elements, count, T{0});
        auto bit = static_cast<unsigned>(planes.size());
        for (auto const& plane : planes) put_bit(plane.data + first / 8, count, --bit, elements);
        return;
    }
    auto const bytes_of = [&](std::size_t plane) { return planes[plane].as<std::uint8_t>() + first; };
    if (planes_ != "bytes") {
        auto const field = field_of(spec);
        auto const rest_bits = 8 * sizeof(T) - field.bits;
        merge_field(bytes_of(0), planes[1].data + first * rest_bits / 8, count, field, elements);
    } else if constexpr (sizeof(T) == 2) {
        merge_halves(bytes_of(0), bytes_of(1), count, elements, spec.bytes >= streaming_from_bytes);
    } else if constexpr (sizeof(T) == 4) {
        merge_words_of_four({bytes_of(0), bytes_of(1), bytes_of(2), bytes_of(3)}, count, elements);
    }
}

static Register<Gear> const gear_registered;

}  // namespace kvstone
