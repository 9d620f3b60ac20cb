#pragma once
// Page by page from a tensor to coded planes and back: the frame of every kernel that codes groups of values.
//
// A page is a number of consecutive tokens of one layer and head. An operation codes one page by itself, in plain loops
// that vectorise on the host: there a thread takes pages in turn, asks for the next ones ahead of time, lets the
// operation work on floats in its first-level cache and streams what comes out. Elsewhere one thread takes one page.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <numeric>

#include <Kokkos_Core.hpp>

#include "backends/kernels/casts.hpp"
#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/kv_page.hpp"
#include "backends/kernels/map_values.hpp"
#include "backends/kernels/nearest_element.hpp"
#include "backends/kernels/runs.hpp"

namespace kvstone {

/// One coded plane, laid out [layer, head, page].
template <class Byte>
struct PagePlane {
    Byte* data;
    std::uint64_t full_bytes;  ///< of a page of page_tokens tokens
    std::uint64_t tail_bytes;  ///< of a head's last page where it has fewer tokens; 0 with pages of one
};

/// How a box is cut into pages.
struct PageGrid {
    PageGrid(KvShape const& of, std::uint64_t tokens_of_page)
        : shape(of),
          page_tokens(tokens_of_page),
          full_pages(of.tokens / tokens_of_page),
          tail_tokens(of.tokens % tokens_of_page),
          pages(full_pages + (tail_tokens > 0 ? 1 : 0)) {}

    KOKKOS_INLINE_FUNCTION std::uint64_t heads() const { return shape.layers * shape.heads; }
    KOKKOS_INLINE_FUNCTION std::uint64_t tokens_of(std::uint64_t page) const {
        return page < full_pages ? page_tokens : tail_tokens;
    }
    template <class Byte>
    KOKKOS_INLINE_FUNCTION std::uint64_t offset(PagePlane<Byte> const& plane, std::uint64_t head,
                                                std::uint64_t page) const {
        auto const of_head = full_pages * plane.full_bytes + (tail_tokens > 0 ? plane.tail_bytes : 0);
        return head * of_head + page * plane.full_bytes;
    }
    /// Bytes of a plane over the whole box.
    std::uint64_t bytes(std::uint64_t full_bytes, std::uint64_t tail_bytes) const {
        return heads() * (full_pages * full_bytes + (tail_tokens > 0 ? tail_bytes : 0));
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION Page<T> page(KvSpan<T> const& values, std::uint64_t head, std::uint64_t index) const {
        auto const layer = head / shape.heads;
        auto const token = index * page_tokens;
        return {values.vector(layer, head % shape.heads, token),
                values.strides.token,
                tokens_of(index),
                shape.dim,
                layer,
                head % shape.heads,
                token,
                false};
    }

    KvShape shape;
    std::uint64_t page_tokens;
    std::uint64_t full_pages;
    std::uint64_t tail_tokens;
    std::uint64_t pages;
};

/// Memory of one thread between reading and writing; grows to the largest page met and stays.
template <class T>
inline T* thread_stage(std::size_t count) {
    struct Aligned {
        T* data = nullptr;
        std::size_t size = 0;
        ~Aligned() { std::free(data); }
    };
    thread_local Aligned stage;
    if (stage.size < count) {
        std::free(stage.data);
        auto const bytes = (count * sizeof(T) + 4095) / 4096 * 4096;
        stage.data = static_cast<T*>(std::aligned_alloc(4096, bytes));
        if (stage.data == nullptr) throw std::bad_alloc();
        stage.size = count;
    }
    return stage.data;
}

/// How many pages a thread codes before it writes them out: so many that each plane's part fills whole cache lines, as
/// far as they stay small.
template <std::size_t Planes, class Byte>
inline std::uint64_t pages_at_a_time(PageGrid const& grid, std::array<PagePlane<Byte>, Planes> const& planes) {
    constexpr std::uint64_t most_values = 8192;
    auto const values = std::max<std::uint64_t>(1, grid.page_tokens * grid.shape.dim);
    std::uint64_t least = 1;
    for (auto const& plane : planes) {
        auto const bytes = std::max<std::uint64_t>(1, plane.full_bytes);
        least = std::max<std::uint64_t>(least, cache_line_bytes / std::gcd(bytes, cache_line_bytes));
    }
    auto const aligned_values = least * values;
    if (aligned_values > most_values) return std::max<std::uint64_t>(1, most_values / values);
    return least * std::max<std::uint64_t>(1, most_values / 2 / aligned_values);
}

/// Whether an operation reads its page once from front to back through load_lanes(), which looks ahead, before it does
/// anything else, and writes every value of a page once, in whole lines wherever they fit in, as `streaming` tells it.
template <class Operation>
concept WholeLines = Operation::whole_lines;

/// Calls work(head, first page, pages) over all pages, `at_a_time` of them together. Host only.
template <class Space, class Work>
void share_pages(Space const& space, PageGrid const& grid, std::uint64_t at_a_time, Work const& work) {
    auto const values = std::max<std::uint64_t>(1, grid.page_tokens * grid.shape.dim * at_a_time);
    auto const share = at_a_time * std::max<std::uint64_t>(1, block_values * 4 / values);
    auto const shares = (grid.pages + share - 1) / share;
    host_for(space, "share_pages", static_cast<std::int64_t>(grid.heads() * shares), [=](std::int64_t const i) {
        auto const head = static_cast<std::uint64_t>(i) / shares;
        auto const first = static_cast<std::uint64_t>(i) % shares * share;
        auto const last = std::min(first + share, grid.pages);
        for (auto page = first; page < last; page += at_a_time) {
            work(head, page, std::min(at_a_time, last - page));
        }
        finish_stores();
    });
}

/// Operations that have code for vector units: encode_page(page, to) and decode_page(from, page) do on pages of floats what
/// the call operators do everywhere, to the last bit. Those are what tests compare them with.
template <class Operation, class Places>
concept EncodesPages = requires(Operation const& operation, Page<float const> const& page, Places const& to) {
    operation.encode_page(page, to);
};
template <class Operation, class Places>
concept DecodesPages = requires(Operation const& operation, Places const& from, Page<float> const& page) {
    operation.decode_page(from, page);
};

template <class Operation, class Places>
inline void encode_floats(Operation const& operation, Page<float const> const& page, Places const& to) {
    if constexpr (EncodesPages<Operation, Places>) {
        operation.encode_page(page, to);
    } else {
        operation(page, to);
    }
}
template <class Operation, class Places>
inline void decode_floats(Operation const& operation, Places const& from, Page<float> const& page) {
    if constexpr (DecodesPages<Operation, Places>) {
        operation.decode_page(from, page);
    } else {
        operation(from, page);
    }
}

/// operation(page, to), with the page's vectors as floats: where they are, or converted into `wide`.
template <class T, class Operation, class Places>
inline void encode_widened(Operation const& operation, Page<T const> const& page, float* wide, Places const& to) {
    if constexpr (std::is_same_v<T, float>) {
        encode_floats(operation, page, to);
    } else {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            cast_values(page.vector(t), wide + t * page.dim, page.dim, CastPlaces{});
        }
        encode_floats(operation,
                      Page<float const>{wide, page.dim, page.tokens, page.dim, page.layer, page.head, page.token}, to);
    }
}

/// destination[0..count) = source[0..count), each as nearest_element() has it. Host only.
template <class T>
inline void narrow_block(float const* source, T* destination, std::uint64_t count, bool streaming) {
    if constexpr (std::is_same_v<T, float>) {
        store(destination, source, count * sizeof(float), streaming);
    } else {
        cast_to_nearest(source, destination, count, {streaming, false});
    }
}

/// operation(Page<T const>, std::array<std::byte*, Planes> const& coded) for every page: it writes each plane's bytes of
/// that page. Planes may be written beyond what was asked by no byte.
template <class Space, class T, std::size_t Planes, class Operation>
void encode_pages(Space const& space, KvSpan<T const> values, std::uint64_t page_tokens,
                  std::array<PagePlane<std::byte>, Planes> planes, Operation const operation) {
    PageGrid const grid(values.shape, page_tokens);
    if constexpr (runs_on_host<Space>) {
        auto const at_a_time = pages_at_a_time(grid, planes);
        std::uint64_t out_bytes = 0;
        for (auto const& plane : planes) {
            out_bytes += (at_a_time * plane.full_bytes + plane.tail_bytes + cache_line_bytes) / cache_line_bytes *
                         cache_line_bytes;
        }
        bool const streaming = values.shape.values() >= streaming_from_bytes;
        share_pages(space, grid, at_a_time, [=](std::uint64_t head, std::uint64_t first, std::uint64_t count) {
            auto* const stage = thread_stage<std::byte>(out_bytes);
            float* const wide =
                std::is_same_v<T, float> ? nullptr : thread_stage<float>(page_tokens * values.shape.dim);
            std::array<std::byte*, Planes> begin;
            auto* place = stage;
            for (std::size_t p = 0; p < Planes; ++p) {
                begin[p] = place;
                place += (at_a_time * planes[p].full_bytes + planes[p].tail_bytes + cache_line_bytes) /
                         cache_line_bytes * cache_line_bytes;
            }
            auto to = begin;
            for (std::uint64_t i = 0; i < count; ++i) {
                auto const page = grid.page(values, head, first + i);
                if constexpr (!WholeLines<Operation>) {
                    auto const ahead = at_a_time * page_tokens;
                    for (std::uint64_t t = 0; t < page.tokens; ++t) {
                        prefetch(page.vector(t + ahead), page.dim * sizeof(T));
                    }
                }
                encode_widened(operation, page, wide, to);
                bool const full = page.tokens == page_tokens;
                for (std::size_t p = 0; p < Planes; ++p) to[p] += full ? planes[p].full_bytes : planes[p].tail_bytes;
            }
            for (std::size_t p = 0; p < Planes; ++p) {
                store(planes[p].data + grid.offset(planes[p], head, first), begin[p],
                      static_cast<std::size_t>(to[p] - begin[p]), streaming);
            }
        });
    } else {
        Kokkos::parallel_for(
            "encode_pages", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(grid.heads() * grid.pages)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const head = static_cast<std::uint64_t>(i) / grid.pages;
                auto const page = static_cast<std::uint64_t>(i) % grid.pages;
                std::array<std::byte*, Planes> to;
                for (std::size_t p = 0; p < Planes; ++p) to[p] = planes[p].data + grid.offset(planes[p], head, page);
                operation(grid.page(values, head, page), to);
            });
    }
}

/// Whether every vector starts a cache line.
template <class T>
inline bool starts_lines(KvSpan<T> const& values) {
    auto const& strides = values.strides;
    auto const place = reinterpret_cast<std::uintptr_t>(values.data) / sizeof(T);
    return (place | strides.layer | strides.head | strides.token) % line_values<T> == 0;
}

/// operation(std::array<std::byte const*, Planes> const& coded, Page<T>) for every page: it writes all of its values.
template <class Space, class T, std::size_t Planes, class Operation>
void decode_pages(Space const& space, std::array<PagePlane<std::byte const>, Planes> planes, std::uint64_t page_tokens,
                  KvSpan<T> values, Operation const operation) {
    PageGrid const grid(values.shape, page_tokens);
    if constexpr (runs_on_host<Space>) {
        auto const at_a_time = pages_at_a_time(grid, planes);
        bool const streaming = values.shape.values() * sizeof(T) >= streaming_from_bytes;
        bool const packed = values.strides.token == values.shape.dim;
        constexpr bool direct = WholeLines<Operation> && std::is_same_v<T, float>;
        bool const lines = streaming && starts_lines(values);
        share_pages(space, grid, at_a_time, [=](std::uint64_t head, std::uint64_t first, std::uint64_t count) {
            auto const dim = values.shape.dim;
            auto* const stage = direct ? nullptr : thread_stage<float>(at_a_time * page_tokens * dim);
            std::uint64_t tokens = 0;
            for (std::uint64_t i = 0; i < count; ++i) {
                std::array<std::byte const*, Planes> from;
                for (std::size_t p = 0; p < Planes; ++p) {
                    from[p] = planes[p].data + grid.offset(planes[p], head, first + i);
                    prefetch(from[p] + at_a_time * planes[p].full_bytes, planes[p].full_bytes);
                }
                auto place = grid.page(values, head, first + i);
                if constexpr (direct) {
                    place.streaming = lines;
                    decode_floats(operation, from, place);
                } else {
                    decode_floats(operation, from,
                                  Page<float>{stage + tokens * dim, dim, place.tokens, dim, place.layer, place.head,
                                              place.token});
                    tokens += place.tokens;
                }
            }
            if constexpr (direct) return;
            auto const target = grid.page(values, head, first);
            if (packed) {
                narrow_block(stage, target.values, tokens * dim, streaming);
            } else {
                for (std::uint64_t t = 0; t < tokens; ++t) {
                    narrow_block(stage + t * dim, target.vector(t), dim, streaming);
                }
            }
        });
    } else {
        Kokkos::parallel_for(
            "decode_pages", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(grid.heads() * grid.pages)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const head = static_cast<std::uint64_t>(i) / grid.pages;
                auto const page = static_cast<std::uint64_t>(i) % grid.pages;
                std::array<std::byte const*, Planes> from;
                for (std::size_t p = 0; p < Planes; ++p) from[p] = planes[p].data + grid.offset(planes[p], head, page);
                operation(from, grid.page(values, head, page));
            });
    }
}

}  // namespace kvstone
