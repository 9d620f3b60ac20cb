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

#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::uint32_t session_magic = 0x6767736e;
constexpr std::uint32_t session_version = 11;
constexpr std::uint32_t sequence_magic = 0x67677371;
constexpr std::uint32_t sequence_version = 4;
constexpr std::uint32_t most_layers = 4096;
constexpr std::uint32_t most_streams = 256;

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
        read_head();
        auto const streams = number<std::uint32_t>();
        if (streams == 0 || streams > most_streams) fail(fmt::format("{} streams", streams));
        for (std::uint32_t stream = 0; stream < streams; ++stream) {
            auto const cells = number<std::uint32_t>();
            if (cells == 0) continue;
            if (cells_ != 0) throw ConfigError(path_ + ": several sequences: save one, by llama_state_seq_save_file");
            cells_ = cells;
            read_cells();
            read_layers();
        }
        if (cells_ == 0) fail("an empty cache");
        if (at_ != file_.size)
            throw ConfigError(
                fmt::format("{}: {} bytes behind the cache: one of several caches (sliding windows, recurrent layers), "
                            "which are not read",
                            path_, file_.size - at_));
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override { return file_.at(begin_.at(name)); }

  private:
    [[noreturn]] void fail(std::string const& why) const {
        throw CorruptData(fmt::format("{}: byte {} of a state of llama.cpp's: {}", path_, at_, why));
    }
    std::uint64_t skip(std::uint64_t count) {
        if (count > file_.size - at_) fail("ends early");
        auto const begin = at_;
        at_ += count;
        return begin;
    }
    template <class T>
    T number() {
        T value{};
        std::memcpy(&value, file_.bytes.get() + skip(sizeof value), sizeof value);
        return value;
    }

    void read_head() {
        auto const magic = number<std::uint32_t>();
        if (magic != session_magic && magic != sequence_magic) fail("neither a session nor a sequence");
        bool const session = magic == session_magic;
        auto const version = number<std::uint32_t>();
        if (version != (session ? session_version : sequence_version))
            throw ConfigError(
                fmt::format("{}: a {} of llama.cpp's version {}", path_, session ? "session" : "sequence", version),
                std::to_string(version), {std::to_string(session ? session_version : sequence_version)});
        auto const tokens = number<std::uint32_t>();
        skip(std::uint64_t{4} * tokens);
        metadata_["format"] = fmt::format("llama.cpp {} {}", session ? "session" : "sequence", version);
        metadata_["tokens"] = std::to_string(tokens);
        if (!session) return;
        auto const length = number<std::uint32_t>();
        auto const* begin = reinterpret_cast<char const*>(file_.bytes.get()) + skip(length);
        metadata_["architecture"] = excerpt({begin, length});
    }
    void read_cells() {
        std::int32_t sequence = 0;
        for (std::uint32_t cell = 0; cell < cells_; ++cell) {
            auto const position = number<std::int32_t>();
            auto const sequences = number<std::uint32_t>();
            if (sequences != 1)
                throw ConfigError(fmt::format("{}: a cell of {} sequences: save one, by llama_state_seq_save_file",
                                              path_, sequences));
            auto const own = number<std::int32_t>();
            if (cell == 0) sequence = own;
            if (own != sequence || position < 0 || static_cast<std::uint32_t>(position) != cell)
                throw ConfigError(fmt::format(
                    "{}: cell {} is position {} of sequence {}: only the positions 0, 1, 2... of one sequence "
                    "are read",
                    path_, cell, position, own));
        }
    }
    StoredType const& type() {
        auto const stored = number<std::int32_t>();
        for (auto const& known : stored_types) {
            if (known.number != stored) continue;
            if (known.bytes == 0)
                throw ConfigError(path_ + ": a cache that is quantised already", known.name, {"f32", "f16", "bf16"});
            return known;
        }
        fail(fmt::format("a cache of ggml's type {}", stored));
    }
    void add(std::string const& name, StoredType const& type, std::vector<std::uint64_t> shape, char const* layout) {
        ArrayInfo info{type.name, type.bytes, std::move(shape), false, layout};
        begin_[name] = skip(array_bytes(info.shape, info.element_bytes, path_));
        arrays_[name] = std::move(info);
    }
    void add_rows(std::string const& name) {
        auto const& stored = type();
        auto const row_bytes = number<std::uint64_t>();
        if (row_bytes == 0 || row_bytes % stored.bytes != 0)
            fail(fmt::format("rows of {} bytes of {}", row_bytes, stored.name));
        add(name, stored, {cells_, row_bytes / stored.bytes}, "token head*dim");
    }
    void add_columns(std::string const& name) {
        auto const& stored = type();
        auto const element_bytes = number<std::uint32_t>();
        auto const rows = number<std::uint32_t>();
        if (element_bytes != stored.bytes || rows == 0)
            fail(fmt::format("{} rows of elements of {} bytes of {}", rows, element_bytes, stored.name));
        add(name, stored, {rows, cells_}, "head*dim token");
    }
    void read_layers() {
        auto const transposed = number<std::uint32_t>();
        auto const layers = number<std::uint32_t>();
        if (transposed > 1 || layers == 0 || layers > most_layers) fail(fmt::format("{} layers", layers));
        for (auto const* const name : {"K", "V"})
            if (auto const channels = number<std::uint32_t>(); channels != 0)
                throw ConfigError(fmt::format("{}: {} is rotated over {} channels", path_, name, channels), name,
                                  {"a cache of f32, f16 or bf16, which llama.cpp does not rotate"});
        for (std::uint32_t layer = 0; layer < layers; ++layer) add_rows(fmt::format("k.{}", layer));
        for (std::uint32_t layer = 0; layer < layers; ++layer) {
            auto const name = fmt::format("v.{}", layer);
            transposed == 1 ? add_columns(name) : add_rows(name);
        }
    }

    MappedFile file_;
    std::uint64_t at_ = 0;
    std::uint32_t cells_ = 0;
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
