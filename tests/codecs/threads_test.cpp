// Stored bytes and decoded values do not depend on the number of threads: the same work in processes of 1, 2 and 3.

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codecs/registry.hpp"
#include "scenarios/own_program.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

std::uint64_t digest(std::vector<std::byte> const& bytes) {
    std::uint64_t hash = 1469598103934665603U;  // FNV-1a
    for (auto const byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 1099511628211U;
    return hash;
}

/// Where set, this stage alone is tested (`./dev test codec NAME`).
bool asked_about(std::string const& stage) {
    auto const* const one = std::getenv("KVSTONE_TEST_STAGE");
    return one == nullptr || stage == one;
}

/// One line an example: its text, its container, its decoded values.
std::string digests() {
    // Several blocks and several pieces, none of them whole.
    KvShape const shape{3, 3, 257, 160};
    std::string lines;
    for (auto const type : {ElementType::f32, ElementType::bf16}) {
        TestTensor const tensor(shape, type, test_values(shape), true);
        for (auto const& [name, entry] : stage_registry()) {
            if (entry.kind == StageKind::selector) continue;  // of K and V together
            if (!asked_about(name)) continue;
            for (auto const& example : entry.info.examples) {
                auto const codec = encoded(example, tensor);
                lines += fmt::format("{}: {:x} {:x}\n", example, digest(codec.seal()),
                                     digest(decoded(codec, shape, type).packed_bytes()));
            }
        }
    }
    return lines;
}

constexpr char const* asked_for = "KVSTONE_TEST_DIGESTS";

// Run by itself it shows that there is something to compare; the test below reads its output.
TEST(Threads, DigestsDifferBetweenExamples) {
    auto const text = digests();
    if (std::getenv(asked_for) != nullptr) std::printf("%s", text.c_str());
    if (!asked_about("raw") || !asked_about("fp16")) return;
    EXPECT_NE(text.find("raw: "), std::string::npos);
    EXPECT_NE(text.find("fp16: "), std::string::npos);
    EXPECT_NE(text.substr(text.find("raw: ") + 5, 16), text.substr(text.find("fp16: ") + 6, 16));
}

std::string digests_with_threads(int threads) {
    auto const command = fmt::format(
        "{}=1 OMP_NUM_THREADS={} GTEST_TOTAL_SHARDS=1 GTEST_SHARD_INDEX=0 {} {} --gtest_brief=1 "
        "--gtest_filter=Threads.DigestsDifferBetweenExamples 2>/dev/null",
        asked_for, threads, KVSTONE_EMULATOR, own_program().string());
    std::string output;
    FILE* const child = popen(command.c_str(), "r");
    char buffer[4096];
    while (std::fgets(buffer, sizeof(buffer), child) != nullptr) {
        if (std::string_view(buffer).find(": ") != std::string_view::npos && buffer[0] != '[') output += buffer;
    }
    EXPECT_EQ(pclose(child), 0);
    return output;
}

TEST(Threads, GiveTheSameBytes) {
    auto const here = digests();
    EXPECT_GT(here.size(), asked_about("raw") && asked_about("fp16") ? 100U : 0U);
    for (int const threads : {1, 2, 3}) EXPECT_EQ(digests_with_threads(threads), here) << threads;
}

}  // namespace
}  // namespace kvstone
