// Streams against bulk encoding, over every example of the registry: whatever the chunks, the same container, the same
// values, the same ledger.

#include "codecs/stream/token_stream.hpp"

#include <gtest/gtest.h>

#include "codecs/access.hpp"
#include "codecs/pipeline/sections.hpp"
#include "codecs/pipeline/token_runs.hpp"
#include "codecs/registry.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/count_allocations.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

constexpr KvShape columns{3, 2, 0, 64};

std::vector<std::string> texts() {
    std::vector<std::string> all;
    for (auto const& [name, entry] : stage_registry()) {
        if (entry.kind == StageKind::selector) continue;  // of K and V together
        all.insert(all.end(), entry.info.examples.begin(), entry.info.examples.end());
    }
    std::string const channels = "int:bits=4,scheme=asymmetric,axis=channel,group=32";
    for (auto const& rules : std::vector<std::string>{
             "sink(4){raw} window(128){raw} rest{" + channels + "}",
             "sink(2){raw} window(3){bf16} layers(0){int8:scheme=asymmetric} rest{fp16 | zstd}",
             "sink(40){int:bits=8,axis=channel,group=16} window(16){raw} rest{fp16}",
             "window(5){raw} window(20){int:bits=8,axis=channel,group=4} rest{int:bits=4,axis=channel,group=8}",
             "layers(0),window(9){raw} window(9){fp16} layers(0){int:bits=4,axis=channel,group=4} "
             "layers(1){int:bits=4,axis=channel,group=6} rest{int8}",
             "heads(0),sink(4){raw} window(7){raw} rest{int:bits=6,axis=channel,group=8}",
             "sink(30),window(12){raw} rest{int:bits=4,axis=token,group=32}",
             "layers(0),window(12){raw} layers(1),window(17){raw} heads(1),sink(9){bf16} rest{" + channels + "}",
             "last_layers(1){raw} sink(3){int8} rest{unrope:base=10000 | " + channels + "}"}) {
        all.push_back(rules.find("unrope") == std::string::npos ? rules : "v{raw} " + rules);
    }
    return all;
}

KvShape with_tokens(std::uint64_t tokens) { return {columns.layers, columns.heads, tokens, columns.dim}; }

/// Chunks that make up `tokens`.
using Chunks = std::vector<std::uint64_t>;
std::vector<Chunks> chunkings(std::uint64_t tokens) {
    std::vector<Chunks> all{{tokens}, Chunks(tokens, 1)};
    std::mt19937 random(static_cast<unsigned>(tokens));
    for (std::uint64_t const most : {7, 50}) {
        Chunks chunks;
        for (std::uint64_t left = tokens; left > 0; left -= chunks.back()) {
            chunks.push_back(std::min<std::uint64_t>(random() % (most + 1), left));
        }
        all.push_back(chunks);
    }
    return all;
}

TokenStream streamed(std::string const& text, TestTensor const& tensor, Chunks const& chunks, std::uint64_t page = 16) {
    auto const view = tensor.view();
    TokenStream stream(Codec::parse(text), Component::k, view.shape, view.type, BackendKind::openmp, page);
    std::uint64_t first = 0;
    for (auto const tokens : chunks) {
        stream.append(view.box(0, 0, first, with_tokens(tokens)));
        first += tokens;
    }
    return stream;
}

std::vector<std::byte> values_of(TokenStream const& stream, KvShape const& shape, ElementType type) {
    TestTensor out(shape, type, true);
    stream.decode(out.view());
    return out.packed_bytes();
}

ByteLedger stored(ByteLedger const& ledger) {
    ByteLedger lines;
    for (std::size_t line = 0; line < ledger_lines; ++line) {
        auto const account = static_cast<LedgerLine>(line);
        if (account != LedgerLine::workspace) lines.bill(account, ledger[account]);
    }
    return lines;
}

class TokenStreams : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, TokenStreams, testing::ValuesIn(texts()),
                         [](auto const& tested) { return test_name_of(tested.param); });

TEST_P(TokenStreams, AreTheBulkEncodingInAnyChunks) {
    for (std::uint64_t const tokens : {0, 1, 15, 33, 165}) {
        auto const shape = with_tokens(tokens);
        auto const type = tokens % 3 == 0 ? ElementType::f16 : ElementType::f32;
        TestTensor const tensor(shape, type, test_values(shape), tokens % 2 == 0);
        auto const bulk = encoded(GetParam(), tensor);
        auto const container = bulk.seal();
        auto const values = decoded(bulk, shape, type).packed_bytes();
        for (auto const& chunks : chunkings(tokens)) {
            auto const stream = streamed(GetParam(), tensor, chunks, tokens % 5 == 0 ? 64 : 16);
            ASSERT_EQ(stream.tokens(), tokens);
            EXPECT_EQ(stream.seal(), container) << tokens << " tokens in " << chunks.size();
            EXPECT_EQ(values_of(stream, shape, type), values) << tokens << " tokens in " << chunks.size();
            EXPECT_EQ(stored(stream.ledger()), stored(bulk.ledger()));
        }
    }
}

TEST_P(TokenStreams, MayBeSealedOnTheWay) {
    auto const shape = with_tokens(150);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto stream = streamed(GetParam(), tensor, {});
    for (std::uint64_t tokens = 0; tokens <= shape.tokens; tokens += 15) {
        if (tokens > 0) stream.append(tensor.view().box(0, 0, tokens - 15, with_tokens(15)));
        TensorCodec bulk(Codec::parse(GetParam()), Component::k, with_tokens(tokens), ElementType::f32,
                         BackendKind::openmp);
        bulk.encode(tensor.view().box(0, 0, 0, with_tokens(tokens)));
        ASSERT_EQ(stream.seal(), bulk.seal()) << tokens;
    }
}

TEST_P(TokenStreams, ReadBackWhatIsCodedDecodedAndTheRestAsItCame) {
    auto const shape = with_tokens(201);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto const original = tensor.packed_bytes();
    auto const stream = streamed(GetParam(), tensor, Chunks(shape.tokens, 1));
    auto const bulk = decoded(encoded(GetParam(), tensor), shape, ElementType::f32).packed_bytes();
    auto const vector_bytes = shape.dim * sizeof(float);
    for (auto const& [first, tokens] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
             {0, 201}, {0, 16}, {16, 16}, {3, 30}, {47, 1}, {90, 111}, {200, 1}, {5, 0}}) {
        TestTensor out(with_tokens(tokens), ElementType::f32, true);
        stream.decode_pages(first, out.view());
        auto const read = out.packed_bytes();
        for (std::uint64_t vector = 0; vector < out.view().shape.vectors(); ++vector) {
            auto const whole = vector / tokens * shape.tokens + first + vector % tokens;
            auto const got = std::span(read).subspan(vector * vector_bytes, vector_bytes);
            EXPECT_TRUE(std::ranges::equal(got, std::span(bulk).subspan(whole * vector_bytes, vector_bytes)) ||
                        std::ranges::equal(got, std::span(original).subspan(whole * vector_bytes, vector_bytes)))
                << "token " << first + vector % tokens;
        }
    }
}

TEST(TokenStream, HoldsAsItCameOnlyWhatCanStillChange) {
    auto const bytes_of_token = columns.layers * columns.heads * columns.dim * sizeof(float);
    struct Case {
        std::string text;
        std::uint64_t tokens;
        std::uint64_t coded_bytes;  ///< of the tokens that are coded, in full blocks
        std::uint64_t held_blocks;  ///< of 16 tokens, or of 32 where groups are
        std::uint64_t block_tokens;
    };
    auto const vectors = columns.layers * columns.heads;
    for (auto const& c : {Case{"fp16", 160, 160 * bytes_of_token / 2, 0, 16}, Case{"int8", 160, 0, 10, 16},
                          Case{"int:bits=4,scheme=asymmetric,axis=channel,group=32", 160,
                               160 / 32 * vectors * (32 * 32 + 64 * 4), 1, 32},  // the block given back is the next one
                          Case{"window(32){raw} rest{fp16}", 160, 128 * bytes_of_token / 2, 3, 16}}) {
        auto const shape = with_tokens(c.tokens);
        TestTensor const tensor(shape, ElementType::f32, test_values(shape));
        EXPECT_EQ(streamed(c.text, tensor, Chunks(c.tokens, 1)).held_bytes(),
                  c.coded_bytes + c.held_blocks * c.block_tokens * bytes_of_token)
            << c.text;
    }
}

TEST(TokenStream, AppendingToAnOpenBlockAllocatesNothing) {
    auto const shape = with_tokens(400);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    for (std::string const text : {"fp16", "int:bits=8,axis=token", "window(20){raw} rest{fp16}",
                                   "hadamard | int:bits=4,axis=token,group=32", "int8"}) {
        auto stream = streamed(text, tensor, Chunks(321, 1));  // a block of each kind was begun with token 320
        auto const before = memory_in_use(BackendKind::openmp);
        auto const calls = allocation_count();
        for (std::uint64_t token = 321; token < 324; ++token) {
            stream.append(tensor.view().box(0, 0, token, with_tokens(1)));
        }
        EXPECT_EQ(allocation_count(), calls) << text;
        EXPECT_EQ(memory_in_use(BackendKind::openmp), before) << text;
    }
}

TEST(TokenStream, TokensOfAnotherShapeAreRefused) {
    auto const shape = with_tokens(4);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto stream = streamed("fp16", tensor, {4});
    TestTensor const half(shape, ElementType::f16);
    EXPECT_THROW(stream.append(half.view()), std::invalid_argument);
    EXPECT_THROW(stream.append(tensor.view().box(0, 0, 0, {1, 2, 1, 64})), std::invalid_argument);
    EXPECT_THROW(stream.decode_pages(2, TestTensor(with_tokens(3), ElementType::f32).view()), std::invalid_argument);
}

// Streams that are a little wrong: the comparisons above must tell.
TEST(TokenStreamMutants, AWindowFlushedOneTokenEarly) {
    auto const shape = with_tokens(100);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto const early = streamed("window(19){raw} rest{int:bits=4,axis=token}", tensor, Chunks(100, 1));
    auto const bulk = encoded("window(20){raw} rest{int:bits=4,axis=token}", tensor);
    EXPECT_NE(values_of(early, shape, ElementType::f32), decoded(bulk, shape, ElementType::f32).packed_bytes());
    EXPECT_NE(stored(early.ledger()), stored(bulk.ledger()));
}

TEST(TokenStreamMutants, ATailForgotten) {
    auto const shape = with_tokens(70);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    std::string const text = "int:bits=4,scheme=asymmetric,axis=channel,group=32";
    auto values = test_values(shape);
    for (std::uint64_t i = 0; i < values.size(); ++i) values[i] = i / shape.dim % shape.tokens < 64 ? values[i] : 0.0F;
    EXPECT_NE(streamed(text, TestTensor(shape, ElementType::f32, values), {70}).seal(), encoded(text, tensor).seal());
    EXPECT_NE(streamed(text, tensor, {64}).seal(), encoded(text, tensor).seal());
}

/// The properties read from a codec's text hold for its streams: they code tokens, unless a stage needs the whole
/// tensor.
TEST(TokenStream, ComesToCodeWhatNoStageTakesAsAWhole) {
    for (auto const& [name, entry] : stage_registry()) {
        if (entry.kind == StageKind::selector) continue;  // of K and V together
        for (auto const& text : entry.info.examples) {
            auto const codec = Codec::parse(text);
            if (codec.rules().size() > 1) continue;
            TestTensor const tensor(with_tokens(600), ElementType::f32);
            auto const stream = streamed(text, tensor, {600});
            EXPECT_EQ(stream.coded_vectors() == 0, whole_tensor_stage(codec).has_value()) << text;
        }
    }
    EXPECT_EQ(whole_tensor_stage(Codec::parse("k{fp16} v{bf16 | gear | zstd}"))->name, "gear");
    EXPECT_FALSE(whole_tensor_stage(Codec::parse("window(8){int8} rest{int:bits=4,axis=channel,group=32}")));
    EXPECT_EQ(whole_tensor_stage(Codec::parse("sink(4){int8} rest{fp16}"))->name, "int8");
}

}  // namespace
}  // namespace kvstone
