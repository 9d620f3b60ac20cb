// Sections that go through their stages in parts: the parts make up the section, and what is stored is what pages by
// themselves store.

#include "codecs/pipeline/section_parts.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "backends/one_thread.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

struct Cut {
    KvShape shape;
    std::uint64_t page_tokens;
    std::uint64_t values;
};

class Parts : public testing::TestWithParam<Cut> {};

TEST_P(Parts, MakeUpTheSectionAndItsPlanes) {
    auto const& [shape, page_tokens, values] = GetParam();
    SectionParts const parts(shape, page_tokens, values);
    // A plane of 3 bytes a page of page_tokens, in which shorter pages have 2.
    auto const pages = shape.tokens / page_tokens;
    auto const of_head = pages * 3 + (shape.tokens % page_tokens > 0 ? 2 : 0);
    auto const bytes = shape.layers * shape.heads * of_head;
    std::uint64_t at = 0;
    std::vector<int> seen(shape.vectors());
    parts.each([&](SectionPart const& part) {
        auto const range = parts.range(part, bytes, 3);
        EXPECT_EQ(range.offset, at);
        at += range.bytes;
        EXPECT_EQ(part.token % page_tokens, 0U);
        EXPECT_LE(part.shape.values(), std::max(values, page_tokens * shape.dim));
        for (std::uint64_t l = 0; l < part.shape.layers; ++l) {
            for (std::uint64_t h = 0; h < part.shape.heads; ++h) {
                for (std::uint64_t t = 0; t < part.shape.tokens; ++t) {
                    ++seen[((part.layer + l) * shape.heads + part.head + h) * shape.tokens + part.token + t];
                }
            }
        }
    });
    EXPECT_EQ(at, bytes);
    EXPECT_EQ(seen, std::vector<int>(shape.vectors(), 1));
}

INSTANTIATE_TEST_SUITE_P(Cuts, Parts,
                         testing::Values(Cut{{2, 3, 100, 8}, 1, 160}, Cut{{2, 3, 100, 8}, 16, 300},
                                         Cut{{2, 3, 100, 8}, 16, 1}, Cut{{2, 3, 100, 8}, 32, 800},
                                         Cut{{2, 3, 100, 8}, 7, 1700}, Cut{{3, 2, 10, 8}, 1, 160},
                                         Cut{{5, 2, 10, 8}, 4, 400}, Cut{{2, 3, 100, 8}, 1, 1000000}));

TEST(SectionParts, StoreWhatPagesByThemselvesDo) {
    // One thread: parts of 65536 values, so that every head is cut.
    OneThread const one_thread;
    OneThread::Scope const scope(&one_thread);
    KvShape const shape{2, 2, 1100, 128};
    constexpr std::uint64_t page = 100;
    auto const values = test_values(shape);
    for (std::string const text :
         {"hadamard | fp16", "hadamard | int:bits=4,axis=token,group=32", "outliers:fraction=0.02 | nf4",
          "outliers:fraction=0.1 | hadamard:seed=3 | bf16", "hadamard | int:bits=2,axis=channel,group=20"}) {
        std::vector<std::vector<std::byte>> pages;
        for (std::uint64_t token = 0; token < shape.vectors(); token += page) {
            auto const first = values.begin() + static_cast<std::ptrdiff_t>(token * shape.dim);
            auto const planes =
                planes_of(text, {1, 1, page, shape.dim},
                          std::vector<float>(first, first + static_cast<std::ptrdiff_t>(page * shape.dim)));
            pages.resize(planes.size());
            for (std::size_t p = 0; p < planes.size(); ++p) {
                pages[p].insert(pages[p].end(), planes[p].begin(), planes[p].end());
            }
        }
        EXPECT_EQ(planes_of(text, shape, values), pages) << text;
        for (auto const type : {ElementType::f32, ElementType::bf16}) {
            TestTensor const tensor(shape, type, values, true);
            auto const whole = decoded(encoded(text, tensor), shape, type).values();
            std::size_t differ = 0;
            auto const all = tensor.values();
            for (std::uint64_t token = 0; token < shape.vectors(); token += page) {
                auto const first = all.begin() + static_cast<std::ptrdiff_t>(token * shape.dim);
                KvShape const of_page{1, 1, page, shape.dim};
                TestTensor const own(of_page, type,
                                     std::vector<float>(first, first + static_cast<std::ptrdiff_t>(page * shape.dim)));
                auto const back = decoded(encoded(text, own), of_page, type).values();
                for (std::size_t i = 0; i < back.size(); ++i) differ += back[i] != whole[token * shape.dim + i] ? 1 : 0;
            }
            EXPECT_EQ(differ, 0U) << text;
        }
    }
}

}  // namespace
}  // namespace kvstone
