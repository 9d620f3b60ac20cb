#include "harness/workloads/prefix_cache/generated_trace.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <random>
#include <set>

#include "backends/portable_math.hpp"
#include "harness/workloads/prefix_cache/trace_builder.hpp"

namespace kvstone {
namespace {

/// Appends tokens that belong to one text: prompt, question or answer, by its number.
class Texts {
  public:
    explicit Texts(std::uint64_t seed) : seed_(hash_of(seed)) {}
    void append(std::vector<std::uint32_t>& tokens, std::uint64_t text, std::uint64_t count) const {
        auto const stream = hash_of(seed_ ^ text);
        for (std::uint64_t i = 0; i < count; ++i) tokens.push_back(static_cast<std::uint32_t>(hash_of(stream + i)));
    }

  private:
    std::uint64_t seed_;
};

/// Draws prompts: the first most often.
class ZipfDraw {
  public:
    ZipfDraw(std::uint64_t count, double exponent) {
        double sum = 0;
        for (std::uint64_t rank = 1; rank <= count; ++rank)
            sums_.push_back(sum += portable::pow(static_cast<double>(rank), -exponent));
    }
    std::uint64_t operator()(std::mt19937_64& random) const {
        auto const share = static_cast<double>(random() >> 11U) * 0x1p-53;
        auto const found = std::ranges::upper_bound(sums_, share * sums_.back());
        return std::min<std::uint64_t>(found - sums_.begin(), sums_.size() - 1);
    }

  private:
    std::vector<double> sums_;
};

/// With which tokens requests go on behind each block.
class Continuations {
  public:
    /// How many tokens behind the last block that was there before an earlier request has, too.
    std::uint64_t add(std::span<BlockKey const> keys, std::span<std::uint32_t const> tokens,
                      std::uint64_t block_tokens) {
        std::uint64_t shared = 0;
        std::size_t parent = 0;
        bool all_known = true;
        for (std::size_t i = 0; i < keys.size(); ++i) {
            auto const [block, known] = blocks_.find_or_add(keys[i]);
            if (!known) {
                auto const first = i * block_tokens;
                auto const own = tokens.subspan(first, std::min<std::size_t>(block_tokens, tokens.size() - first));
                auto const& [place, is_new] = behind_[parent].emplace(own.begin(), own.end());
                if (all_known) shared = agreement(behind_[parent], place);
                behind_.emplace_back();
            }
            all_known = all_known && known;
            parent = block + std::size_t{1};
        }
        return shared;
    }

  private:
    using Texts = std::set<std::vector<std::uint32_t>>;

    /// In the order of a dictionary the text that agrees the longest is a neighbour.
    static std::uint64_t agreement(Texts const& texts, Texts::const_iterator of) {
        auto const with = [&](Texts::const_iterator other) -> std::uint64_t {
            return std::ranges::mismatch(*of, *other).in1 - of->begin();
        };
        auto const after = std::next(of);
        return std::max(of == texts.begin() ? 0 : with(std::prev(of)), after == texts.end() ? 0 : with(after));
    }

    FlatIndex<BlockKey> blocks_;
    std::vector<Texts> behind_ = std::vector<Texts>(1);  ///< behind nothing, then behind each block
};

struct Conversation {
    std::vector<std::uint32_t> said;
    std::uint64_t turns = 0;
};

}  // namespace

std::vector<std::string> const& generator_names() {
    static std::vector<std::string> const names{"rotation", "zipf", "chat"};
    return names;
}

RequestTrace generate_trace(GeneratedTrace const& wanted, std::uint64_t block_tokens, BlockKey const& root) {
    std::mt19937_64 random(wanted.seed);
    Texts const texts(wanted.seed);
    ZipfDraw const draw(wanted.prompts, wanted.zipf_exponent);
    bool const chat = wanted.kind == "chat";
    std::vector<Conversation> conversations(chat ? wanted.users : 1);
    TraceBuilder<BlockKey> builder(block_tokens);
    Continuations continuations;
    std::uint64_t shared_below_block = 0;
    std::uint64_t next_text = wanted.prompts;
    for (std::uint64_t i = 0; i < wanted.requests; ++i) {
        auto& [said, turns] = conversations[chat ? random() % wanted.users : 0];
        if (turns == 0) {
            said.clear();
            texts.append(said, wanted.kind == "rotation" ? i % wanted.prompts : draw(random), wanted.prompt_tokens);
        }
        texts.append(said, next_text++, wanted.own_tokens);
        auto const keys = block_keys(root, said, block_tokens);
        shared_below_block += continuations.add(keys, said, block_tokens);
        builder.add(static_cast<std::int64_t>(i) * wanted.interval_ns, said.size(), keys);
        if (chat) {
            texts.append(said, next_text++, wanted.answer_tokens);
            turns = (turns + 1) % wanted.turns;
        }
    }
    auto trace = builder.take();
    trace.shared_below_block = shared_below_block;
    return trace;
}

}  // namespace kvstone
