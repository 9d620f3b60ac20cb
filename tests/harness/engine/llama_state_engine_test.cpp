// Files that libllama itself writes, read back beside our capture of the same tokens.

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>
#include <llama.h>

#include "harness/engine/engine_context.hpp"
#include "harness/engine/model_capture.hpp"
#include "harness/sources/elements.hpp"
#include "harness/sources/sources.hpp"
#include "tests/harness/engine/model_fixture.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t context_tokens = 40;

/// Largest difference over the largest value.
double difference(HostTensor const& ours, HostTensor const& theirs) {
    double most = 0;
    double size = 0;
    for (std::uint64_t i = 0; i < ours.shape.values(); ++i) {
        double const value = element_value(ours.type, ours.bytes.get(), i);
        most = std::max(most, std::abs(value - element_value(theirs.type, theirs.bytes.get(), i)));
        size = std::max(size, std::abs(value));
    }
    return most / size;
}

class LlamaStateFiles : public TinyModel {
  protected:
    /// Both kinds of file, of a cache as `open` makes it; the tolerance is that of its type.
    void expect_capture(llama_context* engine, double tolerance) {
        auto fed = tokens(context_tokens);
        ASSERT_EQ(llama_decode(engine, llama_batch_get_one(fed.data(), context_tokens)), 0);
        ScratchFolder const folder;
        auto const session = folder / "session.bin";
        auto const sequence = folder / "slot.bin";
        ASSERT_TRUE(llama_state_save_file(engine, session.c_str(), fed.data(), fed.size()));
        ASSERT_GT(llama_state_seq_save_file(engine, sequence.c_str(), 0, fed.data(), fed.size()), 0U);
        auto const captured = capture_model(model_path(), text_path(), context_tokens, {.k = true, .v = true});
        for (auto const& path : {session, sequence}) {
            auto const read = load_dump({{"kv_heads", engine_.kv_heads()}}, path, 0, {});
            ASSERT_EQ(read.k->shape, captured.k->shape) << path;
            ASSERT_EQ(read.v->shape, captured.v->shape) << path;
            EXPECT_LE(difference(*captured.k, *read.k), tolerance) << path;
            EXPECT_LE(difference(*captured.v, *read.v), tolerance) << path;
        }
    }
};

/// V lies transposed where attention is no flash attention. f32 holds the captured values, to the bit.
TEST_F(LlamaStateFiles, HoldWhatWeCapture) {
    auto const engine = open_context(engine_, context_tokens);
    expect_capture(engine.get(), 0);
}

TEST_F(LlamaStateFiles, HoldItInF16AndInRowsWithFlashAttention) {
    auto parameters = llama_context_default_params();
    parameters.n_ctx = context_tokens;
    parameters.n_threads = parameters.n_threads_batch = engine_.threads();
    parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    EngineContext const engine(llama_init_from_model(engine_.model(), parameters));
    ASSERT_NE(engine, nullptr);
    // Rounding to f16 leaves 2^-11 of a value; so does attention over it, layer after layer.
    expect_capture(engine.get(), 0x1p-8);
}

}  // namespace
}  // namespace kvstone
