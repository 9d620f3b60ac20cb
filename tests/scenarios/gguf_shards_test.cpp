#include "scenarios/gguf_shards.hpp"

#include <cstdint>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/content_hash.hpp"
#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
std::string little_endian(T value) {
    return {reinterpret_cast<char const*>(&value), sizeof value};
}
std::string text(std::string const& value) { return little_endian<std::uint64_t>(value.size()) + value; }
std::string entry(std::string const& key, std::uint32_t type, std::string const& value) {
    return text(key) + little_endian(type) + value;
}

/// A header with an entry of every type before the two that tell of shards, as llama.cpp's gguf-split writes them.
std::string gguf(std::uint16_t number, std::uint16_t count, std::string const& weights) {
    std::string const strings =
        little_endian<std::uint32_t>(8) + little_endian<std::uint64_t>(2) + text("a") + text("bc");
    std::string const floats =
        little_endian<std::uint32_t>(6) + little_endian<std::uint64_t>(3) + std::string(12, '\1');
    std::vector<std::string> const entries{entry("general.architecture", 8, text("llama")),
                                           entry("tokenizer.ggml.tokens", 9, strings),
                                           entry("tokenizer.ggml.scores", 9, floats),
                                           entry("u8", 0, "\1"),
                                           entry("f32", 6, "1234"),
                                           entry("bool", 7, "\1"),
                                           entry("u64", 10, "12345678"),
                                           entry("f64", 12, "12345678"),
                                           entry("split.no", 2, little_endian(number)),
                                           entry("split.count", 2, little_endian(count)),
                                           entry("split.tensors.count", 5, "1234")};
    std::string bytes = "GGUF" + little_endian<std::uint32_t>(3) + little_endian<std::uint64_t>(0) +
                        little_endian<std::uint64_t>(entries.size());
    for (auto const& one : entries) bytes += one;
    return bytes + weights;
}

class Shards : public testing::Test {
  protected:
    std::string shard(int number, std::string const& weights, int count = 3, int named = 0) const {
        auto const name = fmt_name(named != 0 ? named : number, count);
        return folder_.write(name,
                             gguf(static_cast<std::uint16_t>(number - 1), static_cast<std::uint16_t>(count), weights));
    }
    static std::string fmt_name(int number, int count) {
        return "big-0000" + std::to_string(number) + "-of-0000" + std::to_string(count) + ".gguf";
    }
    /// The one cell of a scenario with the model.
    Cell cell(std::string const& name) const {
        folder_.write("text", "words");
        return parse_plan("kvstone: 1\nsources: [model: {gguf: " + name +
                              ", text: text}]\ngrid: {context: [8], codec: [raw]}\nworkloads: [roundtrip]\n",
                          "test.yaml", folder_.path(), fake_vocabulary(folder_.path()))
            .cells.at(0);
    }
    std::string refusal(std::string const& name) const {
        try {
            cell(name);
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "accepted";
    }
    ScratchFolder const folder_;
};

TEST_F(Shards, AllAreBehindTheFirst) {
    auto const first = shard(1, "w1");
    auto const second = shard(2, "w2");
    auto const third = shard(3, "w3");
    EXPECT_THAT(files_behind(first), ElementsAre(first, second, third));
    EXPECT_EQ(named_hash(first),
              sha256_of(content_hash(first) + "\n" + content_hash(second) + "\n" + content_hash(third) + "\n"));
    EXPECT_NE(named_hash(first), content_hash(first));
    // `printf abc | sha256sum`, from FIPS 180-2.
    EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(Shards, OtherWeightsBehindTheSameFirstShardAreAnotherModel) {
    shard(1, "w1");
    shard(2, "w2");
    shard(3, "w3");
    auto const before = cell(fmt_name(1, 3));
    shard(2, "W2");
    auto const after = cell(fmt_name(1, 3));
    EXPECT_NE(before.id, after.id);
    EXPECT_NE(before.source.at("sha256"), after.source.at("sha256"));
    shard(2, "w2");
    EXPECT_EQ(cell(fmt_name(1, 3)).id, before.id);
}

TEST_F(Shards, AMissingOneIsRefusedByName) {
    shard(1, "w1");
    shard(3, "w3");
    EXPECT_THAT(refusal(fmt_name(1, 3)), testing::AllOf(HasSubstr("test.yaml:2:"), HasSubstr(fmt_name(2, 3)),
                                                        HasSubstr("shard 2 of 3 of a model: cannot be read")));
}

TEST_F(Shards, TheFirstIsTheOneToName) {
    shard(1, "w1");
    shard(2, "w2");
    shard(3, "w3");
    EXPECT_THAT(refusal(fmt_name(2, 3)),
                testing::AllOf(HasSubstr("shard 2 of 3 of a model: name the first one"), HasSubstr(fmt_name(1, 3))));
    // Under another name the others cannot be found.
    folder_.write("renamed.gguf", gguf(0, 3, "w1"));
    EXPECT_THAT(refusal("renamed.gguf"), HasSubstr("has to end with -00001-of-00003.gguf"));
    shard(1, "w1", 3, 2);
    EXPECT_THAT(refusal(fmt_name(2, 3)), HasSubstr("has to end with -00001-of-00003.gguf"));
    folder_.write("odd.gguf", gguf(3, 3, "w1"));
    EXPECT_THAT(refusal("odd.gguf"), HasSubstr("says that it is shard 4 of 3"));
}

TEST_F(Shards, AFileInOnePieceHasItsOwnHash) {
    auto const alone = folder_.write("alone.gguf", gguf(0, 1, "w"));
    EXPECT_THAT(files_behind(alone), ElementsAre(alone));
    EXPECT_EQ(named_hash(alone), content_hash(alone));
    EXPECT_EQ(cell("alone.gguf").source.at("sha256"), content_hash(alone));
    // Whatever is no GGUF, or a broken one, is left to those who read it.
    auto const whole = gguf(0, 3, "");
    for (std::size_t bytes = 0; bytes < whole.size() - 30; bytes += 7) {
        auto const cut = folder_.write("cut.gguf", whole.substr(0, bytes));
        EXPECT_THAT(files_behind(cut), ElementsAre(cut)) << bytes;
    }
    auto const large = folder_.write("large.gguf", whole.substr(0, 24) + std::string(64, '\xff'));
    EXPECT_THAT(files_behind(large), ElementsAre(large));
    EXPECT_THAT(files_behind(folder_.path() + "/absent"), ElementsAre(folder_.path() + "/absent"));
}

}  // namespace
}  // namespace kvstone
