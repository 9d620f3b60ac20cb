// Programs and the processors that they were compiled for.

#include "results/record/processor.hpp"

#include <bit>
#include <sstream>

#include <gmock/gmock.h>

#include "results/record/build.hpp"
#include "results/record/host.hpp"

namespace kvstone {
namespace {

std::string names_of(ProcessorFeatures features) {
    char text[2048];
    return {text, name_features(features, text, sizeof text)};
}

std::string refusal(ProcessorFeatures built, ProcessorFeatures has) {
    char text[2048];
    return {text, refusal_of("program", built, has, text, sizeof text)};
}

TEST(ProcessorTest, WhatWasBuiltForLessRuns) {
    EXPECT_EQ(refusal(0, 0), "");
    EXPECT_EQ(refusal(0, all_features()), "");
    EXPECT_EQ(refusal(all_features(), all_features()), "");
}

TEST(ProcessorTest, EveryMissingFeatureIsARefusalThatNamesIt) {
    for (ProcessorFeatures left = all_features(); left != 0; left &= left - 1) {
        auto const feature = ProcessorFeatures{1} << std::countr_zero(left);
        auto const text = refusal(all_features(), all_features() & ~feature);
        EXPECT_THAT(text, testing::StartsWith("program: compiled for a processor with " + names_of(feature) + ","));
        EXPECT_THAT(text, testing::HasSubstr("-DKVSTONE_NATIVE=OFF"));
        EXPECT_EQ(refusal(all_features() & ~feature, all_features()), "") << "more than was asked for";
    }
}

TEST(ProcessorTest, TextIsCutAtItsBuffer) {
    char text[16] = "0123456789abcde";
    EXPECT_EQ(refusal_of("program", 1, 0, text, 8), all_features() == 0 ? 0U : 8U);
    EXPECT_EQ(text[8], '8');
}

TEST(ProcessorTest, ThisProgramRunsHere) {
    EXPECT_EQ(refusal(built_for, processor_features()), "");
    EXPECT_EQ(this_build().processor, names_of(built_for));
    EXPECT_EQ(built_for & ~all_features(), 0U);
}

/// The kernel reads the same registers. It may leave out what a file of its own asks it to, so only what it does tell is
/// compared.
TEST(ProcessorTest, TheProcessorHasWhatTheKernelTellsOfIt) {
    std::istringstream all(names_of(processor_features()));
    std::vector<std::string> const has{std::istream_iterator<std::string>(all), {}};
    for (auto const& told : describe_host("").isa)
        if (names_of(all_features()).find(told) != std::string::npos) {
            EXPECT_THAT(has, testing::Contains(told));
        }
}

}  // namespace
}  // namespace kvstone
