// Captures are made once a key, and made again where the kept file is damaged.

#include "harness/captures/capture_cache.hpp"

#include <filesystem>
#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

KvTensors small_capture(float value) {
    auto const values = std::make_shared<std::vector<float>>(8, value);
    std::shared_ptr<std::byte const> const bytes(values, reinterpret_cast<std::byte const*>(values->data()));
    KvTensors tensors;
    tensors.k = HostTensor{ElementType::f32, {1, 1, 4, 2}, bytes};
    tensors.v = tensors.k;
    return tensors;
}

TEST(CaptureCache, CapturesOncePerKey) {
    ScratchFolder const folder;
    int captures = 0;
    auto const load = [&](char const* key) {
        return cached_capture(folder / "deep/er", {{"context", key}}, {},
                              [&] { return small_capture(float(++captures)); });
    };
    EXPECT_EQ(floats(*load("a").k)[0], 1);
    EXPECT_EQ(floats(*load("a").k)[0], 1);
    EXPECT_EQ(floats(*load("b").k)[0], 2);
    EXPECT_EQ(floats(*load("a").k)[0], 1);
    EXPECT_EQ(captures, 2);
}

TEST(CaptureCache, ReplacesDamagedFiles) {
    ScratchFolder const folder;
    int captures = 0;
    auto const load = [&] {
        return cached_capture(folder / "c", {{"context", 1}}, {}, [&] { return small_capture(float(++captures)); });
    };
    load();
    std::string path;
    for (auto const& entry : std::filesystem::directory_iterator(folder / "c")) {
        if (entry.path().extension() == ".safetensors") path = entry.path().string();
    }
    ASSERT_FALSE(path.empty());
    auto const whole = read_file(path);
    // Truncated; one value changed; the header of another key.
    auto changed = whole;
    changed.back() = static_cast<char>(changed.back() ^ 1);
    auto other = whole;
    other[other.find("context") + 1] = 'x';
    int expected = 1;
    for (auto const& damaged : {whole.substr(0, whole.size() - 1), changed, other, std::string()}) {
        std::ofstream(path, std::ios::binary) << damaged;
        EXPECT_EQ(floats(*load().k)[0], static_cast<float>(++expected));
        EXPECT_EQ(floats(*load().k)[0], static_cast<float>(expected)) << "the replacement is kept";
    }
    EXPECT_EQ(captures, expected);
}

TEST(CaptureCache, GoesOnWithoutAFolderToWrite) {
    ScratchFolder const folder;
    auto const file = folder.write("file", "no folder");
    auto const tensors = cached_capture(file + "/below", {{"context", 1}}, {}, [] { return small_capture(3); });
    EXPECT_EQ(floats(*tensors.k)[0], 3);
    EXPECT_THAT(tensors.metadata.at("cache").get<std::string>(), HasSubstr("not kept"));
    EXPECT_EQ(floats(*cached_capture("", {{"context", 1}}, {}, [] { return small_capture(4); }).k)[0], 4);
}

TEST(CaptureCache, FailedCapturesLeaveNothing) {
    ScratchFolder const folder;
    auto const fail = []() -> KvTensors { throw CorruptData("no"); };
    EXPECT_THROW(cached_capture(folder / "c", {{"context", 1}}, {}, fail), CorruptData);
    for (auto const& entry : std::filesystem::directory_iterator(folder / "c"))
        EXPECT_EQ(entry.path().extension(), ".lock");
}

}  // namespace
}  // namespace kvstone
