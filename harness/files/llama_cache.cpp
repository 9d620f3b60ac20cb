#include "harness/files/llama_cache.hpp"

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/llama_reader.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint32_t most_layers = 4096;
constexpr std::uint32_t most_streams = 256;

std::uint32_t read_cells(LlamaReader& reader) {
    auto const count = reader.number<std::uint32_t>();
    std::int32_t sequence = 0;
    for (std::uint32_t cell = 0; cell < count; ++cell) {
        auto const position = reader.number<std::int32_t>();
        if (auto const sequences = reader.number<std::uint32_t>(); sequences != 1)
            throw ConfigError(fmt::format("{}: a cell of {} sequences: save one, by llama_state_seq_save_file",
                                          reader.name(), sequences));
        auto const own = reader.number<std::int32_t>();
        if (cell == 0) sequence = own;
        if (own != sequence || position < 0 || static_cast<std::uint32_t>(position) != cell)
            throw ConfigError(
                fmt::format("{}: cell {} is position {} of sequence {}: only the positions 0, 1, 2... of one sequence "
                            "are read",
                            reader.name(), cell, position, own));
    }
    return count;
}

LlamaCacheTensor read_tensor_head(LlamaReader& reader, std::uint32_t cells, bool by_channel) {
    LlamaCacheTensor tensor;
    tensor.type = reader.number<std::int32_t>();
    tensor.by_channel = by_channel;
    if (by_channel) {
        tensor.element_bytes = reader.number<std::uint32_t>();
        tensor.rows = reader.number<std::uint32_t>();
        tensor.row_bytes = std::uint64_t{tensor.element_bytes} * cells;
    } else {
        tensor.row_bytes = reader.number<std::uint64_t>();
        tensor.rows = cells;
    }
    return tensor;
}

}  // namespace

LlamaCache read_llama_cache(std::span<std::byte const> state, std::uint64_t begin, std::string const& name,
                            std::function<void(LlamaCache const&)> const& accept_rotation,
                            std::function<void(LlamaReader const&, LlamaCacheTensor const&)> const& accept) {
    LlamaReader reader(state, begin, name);
    LlamaCache cache;
    auto const streams = reader.number<std::uint32_t>();
    if (streams == 0 || streams > most_streams) reader.fail(fmt::format("{} streams", streams));
    for (std::uint32_t stream = 0; stream < streams; ++stream) {
        auto const cells = read_cells(reader);
        if (cells == 0) continue;
        if (cache.cells != 0) throw ConfigError(name + ": several sequences: save one, by llama_state_seq_save_file");
        cache.cells = cells;
        auto const transposed = reader.number<std::uint32_t>();
        auto const layers = reader.number<std::uint32_t>();
        if (transposed > 1 || layers == 0 || layers > most_layers) reader.fail(fmt::format("{} layers", layers));
        for (auto& channels : cache.rotated_channels) channels = reader.number<std::uint32_t>();
        if (accept_rotation) accept_rotation(cache);
        for (auto* const all : {&cache.k, &cache.v}) {
            for (std::uint32_t layer = 0; layer < layers; ++layer) {
                auto tensor = read_tensor_head(reader, cells, transposed == 1 && all == &cache.v);
                if (accept) accept(reader, tensor);
                // No product of the two overflows: array_bytes() refuses sizes that cannot exist.
                tensor.begin = reader.skip(array_bytes({tensor.rows, tensor.row_bytes}, 1, name));
                all->push_back(tensor);
            }
        }
    }
    if (cache.cells == 0) reader.fail("an empty cache");
    cache.end = reader.at();
    return cache;
}

}  // namespace kvstone
