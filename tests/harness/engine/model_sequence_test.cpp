// The engine's cells: we read the engine's values, and it reads ours.

#include <cstring>
#include <map>

#include "harness/engine/model_capture.hpp"
#include "harness/engine/sequence.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/engine/model_fixture.hpp"

namespace kvstone {
namespace {

std::vector<float> read_all(EngineSequence const& sequence, Component component, std::uint64_t tokens) {
    auto const shape = sequence.shape(component, tokens);
    std::vector<float> values(shape.values());
    sequence.read(component, 0, 0, {values.data(), ElementType::f32, shape, KvStrides::packed(shape)});
    return values;
}

void write_all(EngineSequence& sequence, Component component, std::uint64_t tokens, std::vector<float> values) {
    auto const shape = sequence.shape(component, tokens);
    sequence.write(component, 0, 0, {values.data(), ElementType::f32, shape, KvStrides::packed(shape)});
}

TEST_F(TinyModel, CellsHoldWhatTheGraphComputed) {
    // More than one batch, so that places beyond the first are looked at too.
    constexpr std::uint64_t count = 700;
    EngineSequence sequence(engine_, count);
    sequence.feed(tokens(count), 0, {});
    auto const captured = capture_model(model_path(), text_path(), count, {});
    for (auto const component : {Component::k, Component::v}) {
        auto const& tensor = component == Component::k ? *captured.k : *captured.v;
        ASSERT_EQ(sequence.shape(component, count), tensor.shape);
        auto const cells = read_all(sequence, component, count);
        EXPECT_EQ(std::memcmp(cells.data(), tensor.bytes.get(), tensor.span().size()), 0) << name_of(component);
    }
}

TEST_F(TinyModel, AttentionReadsWhatIsWritten) {
    auto const text = tokens(60);
    auto const context = std::span(text).first(50);
    auto const rest = std::span(text).subspan(50);
    EngineSequence sequence(engine_, 60);
    sequence.feed(context, 0, {});
    auto const clean = logits_of(sequence, rest);
    for (auto const component : {Component::k, Component::v}) {
        sequence.cut(50);
        auto const cells = read_all(sequence, component, 50);
        write_all(sequence, component, 50, cells);
        EXPECT_EQ(logits_of(sequence, rest), clean) << "the same values change nothing";
        sequence.cut(50);
        for (std::size_t const at : {std::size_t{0}, cells.size() / 2, cells.size() - 1}) {
            auto changed = cells;
            changed[at] += 3;
            write_all(sequence, component, 50, changed);
            EXPECT_NE(logits_of(sequence, rest), clean) << name_of(component) << ' ' << at;
            sequence.cut(50);
        }
        write_all(sequence, component, 50, cells);
    }
    EXPECT_EQ(logits_of(sequence, rest), clean);
}

TEST_F(TinyModel, CutTokensAreForgotten) {
    auto const text = tokens(40);
    EngineSequence sequence(engine_, 40);
    sequence.feed(std::span(text).first(20), 0, {});
    auto const once = logits_of(sequence, std::span(text).subspan(20));
    sequence.cut(20);
    sequence.feed(std::span(text).first(15), 0, {});
    sequence.cut(20);
    EXPECT_EQ(sequence.tokens(), 20U);
    EXPECT_EQ(logits_of(sequence, std::span(text).subspan(20)), once);
    EXPECT_THROW(sequence.feed(std::span(text).first(1), 0, {}), std::invalid_argument) << "no room";
}

TEST_F(TinyModel, ListenersSeeEveryTokenOfEveryLayerOnce) {
    EngineSequence sequence(engine_, 600);
    std::map<std::pair<Component, std::uint64_t>, std::uint64_t> seen;
    sequence.on_written([&](Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t count) {
        auto& tokens = seen[{component, layer}];
        EXPECT_EQ(tokens, first);
        tokens += count;
    });
    sequence.feed(tokens(600), 0, {});
    EXPECT_EQ(seen.size(), 2 * engine_.layers());
    for (auto const& [which, count] : seen) EXPECT_EQ(count, 600U);
}

TEST_F(TinyModel, WhatAListenerThrowsComesOut) {
    EngineSequence sequence(engine_, 8);
    sequence.on_written([](auto...) { throw CorruptData("of the listener"); });
    EXPECT_THROW(sequence.feed(tokens(4), 0, {}), CorruptData);
}

}  // namespace
}  // namespace kvstone
