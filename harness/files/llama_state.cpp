// Caches that llama.cpp saves: llama_state_save_file (sessions, prompt caches) and llama_state_seq_save_file (one
// sequence, as a server's slot). Little-endian, without padding (llama-context.cpp and llama-kv-cache.cpp of its source):
//   u32 magic 'ggsn' or 'ggsq', u32 version (11, and 4), u32 n, n x i32 tokens of the prompt
//   of sessions: u32 length, text: the model's architecture
//   u32 streams; of each: u32 cells, and where there are any
//     each cell: i32 position, u32 n, n x i32 sequences
//     u32 whether V is transposed, u32 layers, u32 and u32 channels over which K and V are rotated (0: they are not)
//     K of each layer: i32 type, u64 bytes of a row, a row [head, dim] a cell
//     V of each layer: the same, or transposed: i32 type, u32 bytes of an element, u32 rows, of each row [cell]
// Types are ggml's. The arrays are k.0, v.0, k.1...; how many heads a row holds is nowhere said.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/llama_cache.hpp"
#include "harness/files/llama_reader.hpp"
#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::uint32_t session_magic = 0x6767736e;
constexpr std::uint32_t session_version = 11;
constexpr std::uint32_t sequence_magic = 0x67677371;
constexpr std::uint32_t sequence_version = 4;

struct StoredType {
    std::int32_t number;
    char const* name;
    std::size_t bytes;  ///< 0: of blocks, which are not read
};
constexpr StoredType stored_types[] = {{0, "f32", 4},  {1, "f16", 2},  {30, "bf16", 2},
                                       {2, "q4_0", 0}, {3, "q4_1", 0}, {6, "q5_0", 0},
                                       {7, "q5_1", 0}, {8, "q8_0", 0}, {20, "iq4_nl", 0}};

class LlamaState : public ArrayFile {
  public:
    explicit LlamaState(std::string const& path) : file_(map_file(path)) {
        path_ = path;
        std::span<std::byte const> const state{file_.bytes.get(), file_.size};
        LlamaReader reader(state, 0, path);
        read_head(reader);
        auto const cache = read_llama_cache(
            state, reader.at(), path_, [this](LlamaCache const& read) { refuse_rotation(read); },
            [this](LlamaReader const& behind, LlamaCacheTensor const& tensor) { check(behind, tensor); });
        if (cache.end != file_.size)
            throw ConfigError(
                fmt::format("{}: {} bytes behind the cache: one of several caches (sliding windows, recurrent layers), "
                            "which are not read",
                            path_, file_.size - cache.end));
        for (std::size_t layer = 0; layer < cache.k.size(); ++layer) {
            add(fmt::format("k.{}", layer), cache.k[layer], cache.cells);
            add(fmt::format("v.{}", layer), cache.v[layer], cache.cells);
        }
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override { return file_.at(begin_.at(name)); }

  private:
    void read_head(LlamaReader& reader) {
        auto const magic = reader.number<std::uint32_t>();
        if (magic != session_magic && magic != sequence_magic) reader.fail("neither a session nor a sequence");
        bool const session = magic == session_magic;
        auto const version = reader.number<std::uint32_t>();
        if (version != (session ? session_version : sequence_version))
            throw ConfigError(
                fmt::format("{}: a {} of llama.cpp's version {}", path_, session ? "session" : "sequence", version),
                std::to_string(version), {std::to_string(session ? session_version : sequence_version)});
        auto const tokens = reader.number<std::uint32_t>();
        reader.skip(std::uint64_t{4} * tokens);
        metadata_["format"] = fmt::format("llama.cpp {} {}", session ? "session" : "sequence", version);
        metadata_["tokens"] = std::to_string(tokens);
        if (!session) return;
        auto const length = reader.number<std::uint32_t>();
        auto const* begin = reinterpret_cast<char const*>(file_.bytes.get()) + reader.skip(length);
        metadata_["architecture"] = excerpt({begin, length});
    }
    void refuse_rotation(LlamaCache const& cache) const {
        for (std::size_t component = 0; component < 2; ++component)
            if (auto const channels = cache.rotated_channels[component]; channels != 0)
                throw ConfigError(
                    fmt::format("{}: {} is rotated over {} channels", path_, component == 0 ? "K" : "V", channels),
                    component == 0 ? "K" : "V", {"a cache of f32, f16 or bf16, which llama.cpp does not rotate"});
    }
    /// Null: not known.
    static StoredType const* type(std::int32_t number) {
        auto const* const found = std::ranges::find(stored_types, number, &StoredType::number);
        return found == std::end(stored_types) ? nullptr : found;
    }
    void check(LlamaReader const& reader, LlamaCacheTensor const& tensor) const {
        auto const* const stored = type(tensor.type);
        if (stored == nullptr) reader.fail(fmt::format("a cache of ggml's type {}", tensor.type));
        if (stored->bytes == 0)
            throw ConfigError(path_ + ": a cache that is quantised already", stored->name, {"f32", "f16", "bf16"});
        if (tensor.by_channel && (tensor.element_bytes != stored->bytes || tensor.rows == 0))
            reader.fail(
                fmt::format("{} rows of elements of {} bytes of {}", tensor.rows, tensor.element_bytes, stored->name));
        if (!tensor.by_channel && (tensor.row_bytes == 0 || tensor.row_bytes % stored->bytes != 0))
            reader.fail(fmt::format("rows of {} bytes of {}", tensor.row_bytes, stored->name));
    }
    void add(std::string const& name, LlamaCacheTensor const& tensor, std::uint64_t cells) {
        auto const& stored = *type(tensor.type);  // check() took it
        ArrayInfo info{stored.name, stored.bytes, {}, false, tensor.by_channel ? "head*dim token" : "token head*dim"};
        info.shape = tensor.by_channel ? std::vector<std::uint64_t>{tensor.rows, cells}
                                       : std::vector<std::uint64_t>{cells, tensor.row_bytes / stored.bytes};
        begin_[name] = tensor.begin;
        arrays_[name] = std::move(info);
    }

    MappedFile file_;
    std::map<std::string, std::uint64_t> begin_;
};

}  // namespace

bool is_llama_state(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    std::uint32_t magic = 0;
    file.read(reinterpret_cast<char*>(&magic), sizeof magic);
    return file && (magic == session_magic || magic == sequence_magic);
}

std::unique_ptr<ArrayFile> open_llama_state(std::string const& path) { return std::make_unique<LlamaState>(path); }

}  // namespace kvstone
