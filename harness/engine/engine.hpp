#pragma once
// A GGUF model opened by libllama, its vocabulary and its shape. libllama is known in this folder alone. A build without it
// leaves out the folder and what stands on it, and has harness/no_engine.cpp instead.

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

/// One at a time in a process: the engine has one log.
class Engine {
  public:
    /// `gpu_layers` of the model's layers lie on a device. Throws SystemError where the file cannot be read, CorruptData
    /// where it is no GGUF model, ConfigError where layers should lie on a device and the engine has none.
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
    std::uint64_t vocabulary() const;  ///< tokens there are
    /// Tokens that layers with a sliding window see, the newest included; 0: every layer sees all.
    std::uint64_t window_tokens() const;
    bool has_rope() const;
    /// What the file says under a key; empty where it does not.
    std::string metadata(std::string const& key) const;
    /// Threads that its steps are worth: those of a small model are so short that threads would wait for one another.
    int threads() const;
    /// What the engine complained of last, for an error's text.
    std::string complaint() const;

    /// The token that this model wants before every text, if any.
    std::optional<Token> begin_token() const;
    /// Whether a token ends the generated text.
    bool ends_text(Token token) const;
    /// Whether a token stands for whatever the vocabulary cannot spell.
    bool is_unknown(Token token) const;
    /// Tokens of a text, behind begin_token() where `begin`. Throws ConfigError where the vocabulary lacks a
    /// character of `what`, CorruptData where the tokenizer fails on it.
    std::vector<Token> tokenize(std::string_view text, bool begin, std::string const& what) const;
    /// The text of tokens, special ones left out.
    std::string text_of(std::span<Token const> tokens) const;
    /// At least `needed` tokens of a file's text behind begin_token(), or all. Long texts are not read to their end: they
    /// are cut at a line's end, tokens behind the needed ones to spare, so that the cut changes none of those. Throws
    /// SystemError, and ConfigError where more than 1 GiB of text would be read.
    std::vector<Token> read_tokens(std::string const& text_path, std::uint64_t needed) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Whether the engine finds a device to put layers on.
bool engine_has_device();
/// Whatever in this library can change values: its version.
std::string engine_version();

}  // namespace kvstone
