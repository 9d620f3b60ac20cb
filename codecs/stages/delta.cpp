// delta: each element of the payload less the one before it.
//
// Purpose    smaller numbers for a coder where neighbours resemble each other. In caches of many models it loses: the
//            difference of independent values has twice their variance. Measure, and compare with the same text without it.
// Source     differential coding, as PNG's filters (RFC 2083, 6) and Blosc2's delta have it.
// Planes     payload, of the size of its input, element by element:
//              along=tokens    x[token, channel] - x[token - 1, channel]; a head's first token is kept
//              along=channels  x[token, channel] - x[token, channel - 1]; a token's first channel is kept
//            modulo 2^b, b the bits of an element, or with by=xor exclusive or instead of the difference. It acts on every
//            payload plane by itself: behind gear on the bytes of each plane.
// Example    fp16 1.0 and 2.0 (3c00, 4000) as two tokens -> 00 3c 00 04; along channels of one token the same
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: bits like others.

#include "codecs/kernels/delta.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "backends/kernels/host_for.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Delta : public Entropy {
  public:
    static constexpr bool host_only = true;  // as the coders behind it

    static StageInfo info() {
        StageInfo info;
        info.name = "delta";
        info.summary = "each element of the payload less the one before it, along tokens or channels";
        info.source = "differential coding, as in PNG (RFC 2083) and Blosc2";
        info.engines = {
            {.differs = "no engine stores differences of tokens; CacheGen's paper does, its code does not"}};
        info.options = {
            choice_option("along", "tokens", {"tokens", "channels"}, "which neighbour is subtracted"),
            choice_option("by", "subtract", {"subtract", "xor"}, "difference modulo 2^bits, or exclusive or")};
        info.examples = {"fp16 | gear | delta | zstd:level=1", "fp16 | delta:along=channels", "raw | delta:by=xor",
                         "int8 | delta:along=channels,by=xor", "bf16 | gear:planes=exponent | delta | zstd:level=1"};
        return info;
    }
    explicit Delta(Options const& options)
        : along_tokens_(options.choice("along") == "tokens"), by_xor_(options.choice("by") == "xor") {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        auto const head_bytes = input.head_rows * input.row_elements * input.element_bytes;
        if (head_bytes == 0 || input.bytes % head_bytes != 0 || input.variable) {
            throw NotApplicable("delta takes payloads in which vectors lie one after the other, each in whole bytes",
                                "delta", {"raw, fp16, bf16, fp8 and int by token or tensor, with or without gear"});
        }
        if (input.element_bytes != 1 && input.element_bytes != 2 && input.element_bytes != 4) {
            throw NotApplicable("delta takes no elements of this size", fmt::format("{} bytes", input.element_bytes),
                                {"1", "2", "4"});
        }
        auto output = input;
        output.numbers = NumberFormat::none;
        return {output};
    }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace) const {
        with_difference(spec, [&]<class T>(T, auto difference) {
            auto const* const from = input.as<T>();
            auto* const to = planes[0].as<T>();
            auto const row = spec.row_elements;
            auto const along_tokens = along_tokens_;
            share_heads(space, spec, [=](std::uint64_t first, std::uint64_t rows) {
                auto const apart = along_tokens ? apart_along_tokens<T, decltype(difference)>
                                                : apart_along_channels<T, decltype(difference)>;
                apart(from + first * row, rows, row, difference, to + first * row);
            });
        });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input, Workspace) const {
        with_difference(spec, [&]<class T>(T, auto difference) {
            auto const* const from = planes[0].as<T>();
            auto* const to = input.as<T>();
            auto const row = spec.row_elements;
            auto const along_tokens = along_tokens_;
            share_heads(space, spec, [=](std::uint64_t first, std::uint64_t rows) {
                auto const together = along_tokens ? together_along_tokens<T, decltype(difference)>
                                                   : together_along_channels<T, decltype(difference)>;
                together(from + first * row, rows, row, difference, to + first * row);
            });
        });
    }

  private:
    /// action(T{}, difference), T being the type of an element.
    template <class Action>
    void with_difference(PlaneSpec const& spec, Action const& action) const {
        if (spec.element_bytes == 4) return with_element<std::uint32_t>(spec, action);
        if (spec.element_bytes == 2) return with_element<std::uint16_t>(spec, action);
        with_element<std::uint8_t>(spec, action);
    }
    template <class T, class Action>
    void with_element(PlaneSpec const& spec, Action const& action) const {
        if (by_xor_) return action(T{}, DifferenceByXor<T>{});
        auto const all = static_cast<T>(~T{0});
        action(T{}, DifferenceBySubtraction<T>{
                        spec.element_bits == 0 ? all : static_cast<T>((std::uint64_t{1} << spec.element_bits) - 1)});
    }
    /// work(first row, rows) for each layer and head.
    template <class Space, class Work>
    static void share_heads(Space const& space, PlaneSpec const& spec, Work const& work) {
        auto const rows = spec.bytes / (spec.row_elements * spec.element_bytes);
        auto const heads = static_cast<std::int64_t>(rows / spec.head_rows);
        host_for(space, "delta", heads, [=](std::int64_t const head) {
            work(static_cast<std::uint64_t>(head) * spec.head_rows, spec.head_rows);
        });
        space.fence();
    }

    bool along_tokens_;
    bool by_xor_;
};

static Register<Delta> const delta_registered;

}  // namespace kvstone
