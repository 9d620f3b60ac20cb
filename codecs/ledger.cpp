#include "codecs/ledger.hpp"

namespace kvstone {

std::string_view name_of(LedgerLine line) {
    constexpr std::array<std::string_view, ledger_lines> names{
        "payload", "scales", "zeros", "outliers", "window", "codebooks", "headers", "padding", "mask", "workspace"};
    return names[static_cast<std::size_t>(line)];
}

std::uint64_t ByteLedger::stored_bytes() const {
    std::uint64_t sum = 0;
    for (std::size_t line = 0; line < ledger_lines; ++line) {
        if (static_cast<LedgerLine>(line) != LedgerLine::workspace) sum += bytes_[line];
    }
    return sum;
}

ByteLedger& ByteLedger::operator+=(ByteLedger const& other) {
    for (std::size_t line = 0; line < ledger_lines; ++line) bytes_[line] += other.bytes_[line];
    return *this;
}

}  // namespace kvstone
