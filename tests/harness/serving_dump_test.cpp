// Files in which serving systems keep caches: LMCache's chunks, and layers of vLLM's connector to a shared folder.

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

using ServingDump = Dump;

/// Two layers of one token of two heads of one channel: K 1 to 4, V 5 to 8.
std::string chunk(std::int32_t format = 1, std::int32_t dtype = 4, std::int32_t planes = 2, std::int32_t tokens = 1) {
    return bytes_of<std::int32_t>({32, format, dtype, planes, 2, tokens, 2}) +
           bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_F(ServingDump, LmcacheKeepsKAndVOfAllLayers) {
    auto const tensors = load(folder_.write("key.data", chunk()), {{"kv_heads", 2}});
    EXPECT_EQ(tensors.k->shape, (KvShape{2, 2, 1, 1}));
    EXPECT_THAT(floats(*tensors.k), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(floats(*tensors.v), ElementsAre(5, 6, 7, 8));
    EXPECT_EQ(tensors.metadata.at("format"), "LMCache KV_2LTD");
    EXPECT_THAT(refused(folder_.write("key.data", chunk())), HasSubstr("kv_heads"));
    EXPECT_THAT(refused(folder_.write("key.data", chunk(4))), AllOf(HasSubstr("'4'"), HasSubstr("1 (KV_2LTD)")));
    EXPECT_THAT(corrupt(folder_.write("key.data", chunk(1, 9))), HasSubstr("no file of LMCache's"));
    EXPECT_THAT(corrupt(folder_.write("key.data", chunk(1, 4, 1))), HasSubstr("1 planes"));
    EXPECT_THAT(corrupt(folder_.write("key.data", chunk(1, 4, 2, 2))), HasSubstr("the 32 bytes that it states"));
    EXPECT_THAT(corrupt(folder_.write("key.data", chunk(1, 2))), HasSubstr("2x1x2 of f16"));
    EXPECT_THAT(corrupt(folder_.write("key.data", chunk() + "x")), HasSubstr("or the 33 it has"));
}

TEST_F(ServingDump, LmcacheKeepsLatentsOfAllLayers) {
    // Two layers of one token of four channels, three of which are the latent.
    auto const path = folder_.write(
        "mla.data", bytes_of<std::int32_t>({32, 6, 4, 1, 2, 1, 4}) + bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8}));
    auto const tensors = load(path, {{"latent", 3}, {"query_dim", 2}});
    EXPECT_EQ(tensors.k->shape, (KvShape{2, 1, 1, 4}));
    EXPECT_THAT(floats(*tensors.k), ElementsAre(4, 1, 2, 3, 8, 5, 6, 7)) << "RoPE's channel in front";
    EXPECT_FALSE(tensors.v);
    EXPECT_EQ(tensors.latent, 3U);
    EXPECT_EQ(tensors.query_dim, 2U);
    EXPECT_THAT(floats(*load(path).k), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
    EXPECT_THAT(refused(path, {{"latent", 4}}),
                HasSubstr("a latent of 4 channels stands beside others, and vectors have 4"));
    EXPECT_THAT(refused(folder_.write("kv.data", chunk()), {{"latent", 1}, {"kv_heads", 1}}),
                HasSubstr("latent attention keeps no V"));
    EXPECT_THAT(corrupt(folder_.write("two.data", chunk(6))), HasSubstr("2 planes, where latent attention has one"));
}

TEST_F(ServingDump, AnyChunkIsReadOrRefused) {
    auto const good = chunk();
    for (std::size_t length = 0; length < good.size(); ++length)
        EXPECT_THROW(open_lmcache(folder_.write("cut.data", good.substr(0, length))), CorruptData) << length;
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            auto altered = good;
            altered[at] = static_cast<char>(altered[at] ^ (1 << bit));
            try {
                load(folder_.write("altered.data", altered), {{"kv_heads", 2}});
            } catch (CorruptData const&) {
            } catch (ConfigError const&) {
            }
        }
}

TEST_F(ServingDump, VllmKeepsKAndVOfALayer) {
    auto const path = folder_.write("model.layers.0.self_attn.attn.safetensors",
                                    safetensors_bytes("{" + entry("kv_cache", "F32", "[2,2,2]", "[0,32]") + "}",
                                                      bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8})));
    auto const tensors = load(path, {{"kv_heads", 2}});
    EXPECT_EQ(tensors.k->shape, (KvShape{1, 2, 2, 1}));
    EXPECT_THAT(floats(*tensors.k), ElementsAre(1, 3, 2, 4));
    EXPECT_THAT(floats(*tensors.v), ElementsAre(5, 7, 6, 8));
    EXPECT_THAT(refused(path), HasSubstr("how many heads"));
}

TEST_F(ServingDump, VllmKeepsLatentsOfALayer) {
    auto const written = [&](std::string const& shape) {
        return folder_.write("model.layers.0.self_attn.attn.safetensors",
                             safetensors_bytes("{" + entry("kv_cache", "F32", shape, "[0,32]") + "}",
                                               bytes_of<float>({1, 2, 3, 4, 5, 6, 7, 8})));
    };
    // Four tokens of two channels: as its connector gathers them, and in the blocks of the cache itself.
    for (auto const* shape : {"[4,2]", "[4,1,2]", "[2,2,2]"}) {
        auto const tensors = load(written(shape), {{"latent", 1}});
        EXPECT_EQ(tensors.k->shape, (KvShape{1, 1, 4, 2})) << shape;
        EXPECT_THAT(floats(*tensors.k), ElementsAre(2, 1, 4, 3, 6, 5, 8, 7)) << shape;
        EXPECT_FALSE(tensors.v);
    }
    auto const plain = load(written("[4,2]"));
    EXPECT_THAT(floats(*plain.k), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
    EXPECT_THAT(plain.metadata.at("read").get<std::string>(), HasSubstr("latent attention"));
    EXPECT_THAT(refused(written("[1,2,2,2]")), HasSubstr("no array is called k or v"));
}

}  // namespace
}  // namespace kvstone
