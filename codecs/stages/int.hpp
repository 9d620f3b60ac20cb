#pragma once
// The class of stage int; int.cpp describes its format.

#include <array>
#include <vector>

#include "backends/kernels/reduce_values.hpp"
#include "codecs/kernels/int_kernels.hpp"
#include "codecs/kernels/quantile.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

class Int : public Quantiser {
  public:
    enum class Axis : std::uint8_t { tensor, layer, head, channel, token };

    static StageInfo info();
    explicit Int(Options const& options);

    std::vector<PlaneSpec> planes(Section const& section) const;
    std::size_t workspace_bytes(Section const& section) const {
        return shared() ? aligned(samples(section.shape.values()) * sizeof(float)) + finder_bytes() : 0;
    }
    double nominal_bits(Section const&) const { return grid_.bits; }
    std::uint64_t page_tokens(Section const&) const { return axis_ == Axis::token ? 1 : group_; }
    double encode_reads(Section const&) const { return shared() && samples_ == 0 ? 2 : 1; }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        with_code_type(grid_.bits,
                       [&]<class Code>(Code) { encode_codes<Code>(space, section, values, planes, workspace); });
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        with_code_type(grid_.bits, [&]<class Code>(Code) { decode_codes<Code>(space, section, planes, values); });
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  protected:
    Int(UniformGrid const& grid, Axis axis, std::uint64_t group, double clip, std::uint64_t samples)
        : grid_(grid), axis_(axis), group_(group), clip_(clip), samples_(samples) {}

  private:
    static constexpr std::uint64_t shared_tokens = 16;
    static constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }
    std::size_t finder_bytes() const { return clip_ < 1 ? QuantileFinder::workspace_bytes() : 0; }
    /// Whether many vectors share a scale, so that a range over them comes first.
    bool shared() const { return axis_ == Axis::tensor || axis_ == Axis::layer || axis_ == Axis::head; }
    /// How many samples are drawn from n values; 0 where all are looked at.
    std::uint64_t samples(std::uint64_t n) const { return samples_ < n ? samples_ : 0; }
    std::uint64_t group_of(Section const& section) const {
        auto const all = axis_ == Axis::token ? section.shape.dim : section.shape.tokens;
        return group_ == 0 ? all : group_;
    }
    /// Groups of a vector or of a page of tokens.
    std::uint64_t groups_of_page(Section const& section) const {
        auto const dim = section.shape.dim;
        return axis_ == Axis::token ? (dim + group_of(section) - 1) / group_of(section) : dim;
    }
    /// Tokens that a kernel takes at a time: a group, or as many as make enough scales to compute side by side.
    std::uint64_t page_size(Section const& section) const {
        return axis_ == Axis::channel
                   ? group_of(section)
                   : TokenGroups<std::uint8_t>::tokens_at_a_time(section.shape.dim, group_of(section));
    }
    std::uint64_t groups(Section const& section) const;

    /// The three planes by pages.
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 3> by_pages(Section const& section, AnyPlanes planes) const {
        auto const row = packed_bytes(section.shape.dim, grid_.bits);
        auto const tokens = page_size(section);
        auto const left = section.shape.tokens % tokens;
        auto const groups = axis_ == Axis::channel ? groups_of_page(section) : groups_of_page(section) * tokens;
        auto const tail = axis_ == Axis::channel ? groups : groups_of_page(section) * left;
        auto const of_scale = scale_bytes(grid_.format);
        auto const of_zero = grid_.zero_bytes_of_group();
        return {{{planes[0].data, tokens * row, left * row},
                 {planes[1].data, groups * of_scale, tail * of_scale},
                 {grid_.symmetric ? planes[1].data : planes[2].data, groups * of_zero, tail * of_zero}}};
    }
    /// The payload by pages where scales are shared.
    template <class Byte, class AnyPlanes>
    std::array<PagePlane<Byte>, 1> payload_by_pages(Section const& section, AnyPlanes planes) const {
        auto const row = packed_bytes(section.shape.dim, grid_.bits);
        return {{{planes[0].data, shared_tokens * row, section.shape.tokens % shared_tokens * row}}};
    }
    template <class Code, class AnyPlanes>
    SharedGroups<Code> shared_groups(Section const& section, AnyPlanes planes) const {
        std::uint64_t const per_layer = axis_ == Axis::layer ? 1 : axis_ == Axis::head ? section.shape.heads : 0;
        return {grid_, planes[1].data, grid_.symmetric ? planes[1].data : planes[2].data, per_layer,
                axis_ == Axis::head ? std::uint64_t{1} : std::uint64_t{0}};
    }

  public:  // named and public, as functions with kernels have to be
    template <class Code, class Space, class T>
    void encode_codes(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                      Workspace workspace) const {
        if (shared()) {
            store_shared(space, section, values, planes, workspace);
            encode_pages(space, values, shared_tokens, payload_by_pages<std::byte>(section, planes),
                         shared_groups<Code>(section, planes));
            return;
        }
        with_groups<Code>(section, [&](auto const& groups) {
            encode_pages(space, values, page_size(section), by_pages<std::byte>(section, planes), groups);
        });
    }

    template <class Code, class Space, class T>
    void decode_codes(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values) const {
        if (shared()) {
            decode_pages(space, payload_by_pages<std::byte const>(section, planes), shared_tokens, values,
                         shared_groups<Code>(section, planes));
            return;
        }
        with_groups<Code>(section, [&](auto const& groups) {
            decode_pages(space, by_pages<std::byte const>(section, planes), page_size(section), values, groups);
        });
    }

    /// Calls action(kernel) with the kernel of groups that do not go beyond a page.
    template <class Code, class Action>
    void with_groups(Section const& section, Action const& action) const {
        if (axis_ == Axis::channel) return action(ChannelGroups<Code>{grid_});
        action(TokenGroups<Code>{grid_, group_of(section)});
    }

    /// Scales and zeros of the groups that share one.
    template <class Space, class T>
    void store_shared(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                      Workspace workspace) const {
        auto const& shape = section.shape;
        KvShape part = shape;
        if (axis_ != Axis::tensor) part.layers = 1;
        if (axis_ == Axis::head) part.heads = 1;
        std::uint64_t number = 0;
        for (std::uint64_t layer = 0; layer < shape.layers; layer += part.layers) {
            for (std::uint64_t head = 0; head < shape.heads; head += part.heads, ++number) {
                KvSpan<T const> const group{values.vector(layer, head, 0), part, values.strides};
                auto const range = range_of(space, group, workspace);
                std::byte scale[4];
                std::byte zero[4];
                GridSteps<1> steps;
                grid_.store(&range.low, &range.high, 1, scale, zero, steps);
                auto const bytes = scale_bytes(grid_.format);
                copy_to_backend(backend_of<Space>, planes[1].data + number * bytes, scale, bytes);
                if (grid_.symmetric) continue;
                auto const of_zero = zero_bytes(grid_.format);
                copy_to_backend(backend_of<Space>, planes[2].data + number * of_zero, zero, of_zero);
            }
        }
    }

    template <class Space, class T>
    ValueRange range_of(Space const& space, KvSpan<T const> values, Workspace workspace) const {
        auto const count = samples(values.shape.values());
        if (count == 0) return clipped_range(space, values, workspace);
        auto* const drawn = reinterpret_cast<float*>(workspace);
        draw_samples(space, values, drawn, count);
        KvShape const shape{1, 1, 1, count};
        return clipped_range(space, KvSpan<float const>{drawn, shape, KvStrides::packed(shape)},
                             workspace + aligned(count * sizeof(float)));
    }
    template <class Space, class T>
    ValueRange clipped_range(Space const& space, KvSpan<T const> values, Workspace workspace) const {
        if (clip_ == 1) return finite_range(space, values);
        QuantileFinder const finder(workspace);
        if (grid_.symmetric) {
            auto const high = finder.find(space, values, Magnitude{}, clip_);
            return {-high, high};
        }
        auto const ends = finder.find(space, values, Signed{}, std::array{(1 - clip_) / 2, (1 + clip_) / 2});
        return {ends[0], ends[1]};
    }

  private:
    ValueRange looked_at(float const* values, std::uint64_t stride, std::uint64_t count) const;

    UniformGrid grid_;
    Axis axis_;
    std::uint64_t group_;
    double clip_;
    std::uint64_t samples_;
};

}  // namespace kvstone
