#include "harness/workloads/model/token_kinds.hpp"

#include <algorithm>

namespace kvstone {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

std::string_view without_space_around(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace

TokenKind kind_of_text(std::string_view text) {
    auto const word = without_space_around(text);
    if (word.empty()) return TokenKind::other;
    if (std::ranges::all_of(word, is_digit)) return TokenKind::digits;
    bool const signs = std::ranges::none_of(word, [](char c) { return is_digit(c) || is_letter(c); });
    return signs ? TokenKind::punctuation : TokenKind::other;
}

TokenKinds::TokenKinds(Engine const& engine, std::vector<Passage> const& passages) : kinds_(engine.vocabulary()) {
    std::vector<std::uint64_t> counts(kinds_.size());
    for (auto const& passage : passages)
        for (auto const* part : {&passage.context, &passage.continuation})
            for (auto const token : *part) ++counts[static_cast<std::size_t>(token)];
    for (std::size_t at = 0; at < counts.size(); ++at) {
        if (counts[at] == 0) continue;
        auto const token = static_cast<Token>(at);
        kinds_[at] = kind_of_text(engine.text_of({&token, 1}));
        if (kinds_[at] == TokenKind::other && counts[at] == 1) kinds_[at] = TokenKind::rare;
    }
}

}  // namespace kvstone
