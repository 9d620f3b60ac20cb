#pragma once
// A GGUF model opened by libllama, its vocabulary and its shape. Only this folder includes libllama. A build without it
// leaves out the folder and everything that needs it, and has harness/no_engine.cpp instead.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct llama_model;
struct llama_vocab;

namespace kvstone {

/// Index into a model's vocabulary.
using Token = std::int32_t;

/// The engine has one log: of several, complaint() is told to the one that was opened last.
class Engine {
  public:
    /// `gpu_layers` layers of the model are put on a device. Throws SystemError where the file cannot be read,
    /// CorruptData where it is no GGUF model, ConfigError where a device is asked for and the engine has none.
    explicit Engine(std::string path, int gpu_layers = 0);
    ~Engine();
    Engine(Engine&&) noexcept;

    std::string const& path() const;
    llama_model* model() const;
    int gpu_layers() const;
    std::uint64_t layers() const;
    std::uint64_t heads() const;     ///< of queries
    std::uint64_t kv_heads() const;  ///< of K and V
    std::uint64_t trained_tokens() const;
    std::uint64_t vocabulary() const;  ///< number of tokens
    /// Tokens that layers with a sliding window see, the newest included; 0: every layer sees all.
    std::uint64_t window_tokens() const;
    bool has_rope() const;
    std::uint64_t weights_bytes() const;  ///< of all tensors, as they lie in the file
    /// The file's value of a key; empty where it has none.
    std::string metadata(std::string const& key) const;
    /// The best number of threads for its steps: those of a small model are so short that threads would wait for one
    /// another.
    int threads() const;
    /// The engine's last complaint, for an error's text.
    std::string complaint() const;

    /// The token that this model expects before every text, if any.
    std::optional<Token> begin_token() const;
    /// Whether a token ends the generated text.
    bool ends_text(Token token) const;
    /// Whether a token stands for characters that the vocabulary cannot spell.
    bool is_unknown(Token token) const;
    /// Tokens of a text, behind begin_token() where `begin`. Throws ConfigError where the vocabulary lacks a
    /// character of `what`, CorruptData where the tokenizer fails on it.
    std::vector<Token> tokenize(std::string_view text, bool begin, std::string const& what) const;
    /// The text of tokens, special ones left out.
    std::string text_of(std::span<Token const> tokens) const;
    /// At least `needed` tokens of a file's text behind begin_token(), or all. A long text is read only in part: it is
    /// cut at a line's end, with spare tokens behind the needed ones, so that the cut changes none of them. Throws
    /// SystemError, and ConfigError where more than 1 GiB of text would be read.
    std::vector<Token> read_tokens(std::string const& text_path, std::uint64_t needed) const;

    /// Why tokens of the other model are not those of this one; empty where they are: the same texts and kinds of tokens,
    /// and the same tokenizer by the files' metadata.
    std::string difference_of_vocabulary(Engine const& other) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Bytes of the buffers in which the engine computes, by its own log: of the contexts that were opened since the last call.
std::uint64_t take_compute_bytes();

/// Whether the engine finds a device for layers.
bool engine_has_device();
/// The version of this library, which can change values.
std::string engine_version();

}  // namespace kvstone
