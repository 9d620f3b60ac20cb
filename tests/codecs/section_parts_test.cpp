// Sections that go through their stages in parts: the parts make up the section, and what is stored is what pages by
// themselves store.

#include "codecs/pipeline/section_parts.hpp"

#include <algorithm>
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

void append_planes(std::vector<std::byte> const& container, std::vector<std::vector<std::byte>>& planes) {
    auto const read = read_container(container);
    planes.resize(read.planes.size());
    for (std::size_t p = 0; p < planes.size(); ++p) {
        auto const& plane = read.planes[p];
        planes[p].insert(planes[p].end(), plane.data, plane.data + plane.bytes);
    }
}

TEST(SectionParts, StoreWhatPagesByThemselvesDo) {
    // One thread: parts of 65536 values, so that every head is cut.
    OneThread const one_thread;
    OneThread::Scope const scope(&one_thread);
    KvShape const shape{2, 2, 1300, 128};
    constexpr std::uint64_t page = 640;  // whole pages of every stage here
    auto const values = test_values(shape);
    for (std::string const text :
         {"hadamard | fp16", "outliers:fraction=0.02 | nf4", "outliers:fraction=0.1 | hadamard:seed=3 | bf16",
          "hadamard | int:bits=4,axis=token,group=32", "hadamard | int:bits=2,axis=channel,group=20"}) {
        for (auto const type : {ElementType::f32, ElementType::bf16}) {
            TestTensor const tensor(shape, type, values, true);
            auto const codec = encoded(text, tensor);
            auto const whole = decoded(codec, shape, type).values();
            std::vector<std::vector<std::byte>> pages;
            std::vector<float> back;
            auto const all = tensor.values();
            for (std::uint64_t token = 0; token < shape.vectors();) {
                auto const tokens = std::min(page, shape.tokens - token % shape.tokens);
                auto const first = all.begin() + static_cast<std::ptrdiff_t>(token * shape.dim);
                KvShape const of_page{1, 1, tokens, shape.dim};
                TestTensor const own(
                    of_page, type, std::vector<float>(first, first + static_cast<std::ptrdiff_t>(tokens * shape.dim)));
                auto const page_codec = encoded(text, own);
                append_planes(page_codec.seal(), pages);
                auto const values_back = decoded(page_codec, of_page, type).values();
                back.insert(back.end(), values_back.begin(), values_back.end());
                token += tokens;
            }
            std::vector<std::vector<std::byte>> planes;
            append_planes(codec.seal(), planes);
            EXPECT_TRUE(planes == pages) << text;
            EXPECT_TRUE(whole == back) << text;
        }
    }
}

}  // namespace
}  // namespace kvstone
