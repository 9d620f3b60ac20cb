// The codec stage that undoes RoPE, on keys of a model.

#include <gtest/gtest.h>

#include "harness/engine/model_capture.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/harness/unroped.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

TEST(Unrope, BringsAModelsKeysBack) {
    std::string const folder = source_folder() + "/harness/tiny_model";
    auto const tensors = capture_model(folder + "/tiny.gguf", folder + "/text.txt", 512, keys);
    ASSERT_TRUE(tensors.rope && tensors.k_prerope);
    EXPECT_LT(relative_error(unroped(*tensors.k, *tensors.rope), floats(*tensors.k_prerope)), 1e-5);
    EXPECT_GT(relative_error(floats(*tensors.k), floats(*tensors.k_prerope)), 0.1) << "as they are cached";
}

}  // namespace
}  // namespace kvstone
