#pragma once
// Where every stored byte goes.

#include <array>
#include <cstdint>
#include <string_view>

namespace kvstone {

/// One account of the ledger. `window` counts the tokens that rules store raw for sinks and the recent window; `mask`
/// the bits that say which tokens stay where a codec drops some (those before it are numbers that containers hold);
/// `workspace` counts the memory of a codec at work, which is never part of the stored bytes.
enum class LedgerLine : std::uint8_t {
    payload,
    scales,
    zeros,
    outliers,
    window,
    codebooks,
    headers,
    padding,
    mask,
    workspace
};
inline constexpr std::size_t ledger_lines = 10;
std::string_view name_of(LedgerLine line);

/// Bytes per account. Every ratio KVstone prints comes from one of these.
class ByteLedger {
  public:
    void bill(LedgerLine line, std::uint64_t bytes) { bytes_[static_cast<std::size_t>(line)] += bytes; }
    std::uint64_t operator[](LedgerLine line) const { return bytes_[static_cast<std::size_t>(line)]; }
    /// Everything that is stored: all lines but the workspace.
    std::uint64_t stored_bytes() const;
    ByteLedger& operator+=(ByteLedger const& other);
    bool operator==(ByteLedger const&) const = default;

  private:
    std::array<std::uint64_t, ledger_lines> bytes_{};
};

}  // namespace kvstone
