// Sessions and sequences of llama.cpp, byte by byte.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/files/array_file.hpp"
#include "harness/sources/sources.hpp"
#include "tests/harness/dump_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string u32(std::uint32_t value) { return bytes_of<std::uint32_t>({value}); }
std::string u64(std::uint64_t value) { return bytes_of<std::uint64_t>({value}); }

/// A cache of two cells and one layer, of f32 rows of two heads of one channel.
struct State {
    std::string head = u32(0x67677371) + u32(4) + u32(2) + u32(7) + u32(8);
    std::string streams = u32(1);
    std::string cells = u32(2) + u32(0) + u32(1) + u32(0) + u32(1) + u32(1) + u32(0);
    std::string layers = u32(0) + u32(1) + u32(0) + u32(0);
    std::string k = u32(0) + u64(8) + bytes_of<float>({1, 2, 3, 4});
    std::string v = u32(0) + u64(8) + bytes_of<float>({5, 6, 7, 8});
    std::string bytes() const { return head + streams + cells + layers + k + v; }
};

class LlamaStates : public Dump {
  protected:
    std::string write(State const& state) { return folder_.write("slot.bin", state.bytes()); }
    std::string told(State const& state) {
        return message_of<std::runtime_error>([&] { load(write(state), {{"kv_heads", 2}}); });
    }
};

TEST_F(LlamaStates, AreReadByTheirMagicAndTheNumberOfHeads) {
    State state;
    auto const tensors = load(write(state), {{"kv_heads", 2}});
    EXPECT_EQ(tensors.k->shape, (KvShape{1, 2, 2, 1}));
    EXPECT_THAT(floats(*tensors.k), ElementsAre(1, 3, 2, 4));
    EXPECT_THAT(floats(*tensors.v), ElementsAre(5, 7, 6, 8));
    EXPECT_EQ(tensors.metadata.at("format"), "llama.cpp sequence 4");
    EXPECT_EQ(load(write(state), {{"kv_heads", 1}}).k->shape, (KvShape{1, 1, 2, 2}));
    EXPECT_THAT(refused(write(state)), AllOf(HasSubstr("how many heads"), HasSubstr("kv_heads")));
    EXPECT_THAT(refused(write(state), {{"kv_heads", 3}}),
                HasSubstr("2 channels of all heads are no multiple of 3 heads"));
    // A session, with V transposed.
    state.head = u32(0x6767736e) + u32(11) + u32(0) + u32(5) + "llama";
    state.layers = u32(1) + u32(1) + u32(0) + u32(0);
    state.v = u32(1) + u32(2) + u32(2) + bytes_of<std::uint16_t>({0x3c00, 0x4000, 0, 0xbc00});
    auto const session = load(write(state), {{"kv_heads", 2}});
    EXPECT_EQ(session.v->type, ElementType::f16);
    EXPECT_EQ(session.v->shape, (KvShape{1, 2, 2, 1}));
    EXPECT_EQ(session.metadata.at("architecture"), "llama");
    std::uint16_t halves[4];
    std::memcpy(halves, session.v->bytes.get(), sizeof halves);
    EXPECT_THAT(halves, ElementsAre(0x3c00, 0x4000, 0, 0xbc00));
}

TEST_F(LlamaStates, WhatIsNotReadIsNamed) {
    auto const altered = [&](std::string State::* part, std::string bytes) {
        State state;
        state.*part = std::move(bytes);
        return told(state);
    };
    EXPECT_THAT(altered(&State::head, u32(0x67677371) + u32(3) + u32(0)), HasSubstr("version 3: '3'; accepted: 4"));
    EXPECT_THAT(altered(&State::head, u32(0x6767736e) + u32(9) + u32(0)), HasSubstr("accepted: 11"));
    EXPECT_THAT(altered(&State::streams, u32(0)), HasSubstr("0 streams"));
    EXPECT_THAT(altered(&State::cells, u32(0)), HasSubstr("empty"));
    EXPECT_THAT(altered(&State::cells, u32(1) + u32(0) + u32(2) + u32(0) + u32(1)), HasSubstr("a cell of 2 sequences"));
    EXPECT_THAT(altered(&State::cells, u32(1) + u32(5) + u32(1) + u32(0)), HasSubstr("cell 0 is position 5"));
    EXPECT_THAT(altered(&State::k, u32(8) + u64(34)), AllOf(HasSubstr("quantised already"), HasSubstr("q8_0")));
    EXPECT_THAT(altered(&State::k, u32(99) + u64(8)), HasSubstr("ggml's type 99"));
    EXPECT_THAT(altered(&State::k, u32(0) + u64(7)), HasSubstr("rows of 7 bytes of f32"));
    EXPECT_THAT(altered(&State::k, u32(0) + u64(std::uint64_t{1} << 63)), HasSubstr("too large to exist"));
    EXPECT_THAT(altered(&State::v, State().v + "more"), HasSubstr("4 bytes behind the cache"));
}

TEST_F(LlamaStates, AnyBytesAreReadOrRefused) {
    auto const good = State().bytes();
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_THROW(open_llama_state(folder_.write("cut", good.substr(0, length))), CorruptData) << length;
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            auto altered = good;
            altered[at] = static_cast<char>(altered[at] ^ (1 << bit));
            try {
                auto const file = open_llama_state(folder_.write("altered", altered));
                load_arrays(*file, {{"kv_heads", 2}}, 0, {});
            } catch (CorruptData const&) {
            } catch (ConfigError const&) {
            }
        }
}

/// Rows that hold all heads, of other writers' files.
TEST_F(Dump, HeadsWithinRowsAreTakenApart) {
    auto const path = folder_.write(
        "rows.safetensors",
        safetensors_bytes("{" + entry("k", "F32", "[2,4]", "[0,32]") + "}", bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8})));
    EXPECT_THAT(floats(*load(path, {{"k", "k"}, {"layout", "token dim"}, {"kv_heads", 2}}).k),
                ElementsAre(1, 2, 5, 6, 3, 4, 7, 8));
    EXPECT_THAT(floats(*load(path, {{"k", "k"}, {"layout", "dim token"}, {"kv_heads", 2}}).k),
                ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
    EXPECT_THAT(refused(path, {{"k", "k"}, {"layout", "head token"}, {"kv_heads", 2}}),
                HasSubstr("names heads already"));
}

}  // namespace
}  // namespace kvstone
