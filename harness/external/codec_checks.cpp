#include "harness/external/codec_checks.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <fmt/format.h>

#include "codecs/external/external_failure.hpp"
#include "codecs/not_applicable.hpp"

namespace kvstone {
namespace {

using Bytes = std::vector<std::byte>;
using Values = std::vector<float>;
using Result = CodecCheck::Result;

/// A check that failed; what() is the detail.
class Failed : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A finite value that came back as none.
class Spoilt : public Failed {
  public:
    using Failed::Failed;
};

Section section_of(KvShape const& shape, Component component = Component::k) {
    return {component, ElementType::f32, 0, 0, 0, shape, nullptr};
}

std::string text_of(Section const& section) {
    auto const& shape = section.shape;
    return fmt::format("{} [{}, {}, {}, {}]", name_of(section.component), shape.layers, shape.heads, shape.tokens,
                       shape.dim);
}

/// N(0,1) by Box and Muller.
Values normal_values(std::uint64_t count, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    auto const uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
    Values values(count);
    for (auto& value : values)
        value = static_cast<float>(std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform()));
    return values;
}

Bytes encode(ExternalCodec& codec, Section const& section, Values const& values) {
    Bytes bytes(codec.max_bytes(section));
    bytes.resize(codec.encode(section, values.data(), bytes));
    return bytes;
}

Values decode(ExternalCodec& codec, Section const& section, Bytes const& bytes) {
    Values values(section.shape.values());
    codec.decode(section, bytes, values.data());
    return values;
}

bool same(Values const& a, Values const& b) {
    return std::ranges::equal(
        a, b, {}, [](float v) { return std::bit_cast<std::uint32_t>(v); },
        [](float v) { return std::bit_cast<std::uint32_t>(v); });
}

struct Case {
    std::string name;
    Section section;
    Values values;
};

std::vector<Case> shapes() {
    std::vector<Case> cases;
    std::uint64_t seed = 1;
    for (std::uint64_t const dim : {64, 80, 96, 128, 256})
        for (std::uint64_t const tokens : {1, 37}) {
            for (auto const component : {Component::k, Component::v}) {
                auto const section = section_of({2, 3, tokens, dim}, component);
                cases.push_back({"normal values", section, normal_values(section.shape.values(), seed++)});
            }
        }
    auto const section = section_of({1, 1, 301, 128});
    cases.push_back({"normal values", section, normal_values(section.shape.values(), seed)});
    return cases;
}

/// Finite values that formulas forget.
std::vector<Case> finite_values() {
    auto const section = section_of({1, 2, 9, 64});
    auto const count = section.shape.values();
    auto const most = std::numeric_limits<float>::max();
    std::vector<Case> cases{{"zeros", section, Values(count, 0.0F)},
                            {"one value everywhere", section, Values(count, -1.25F)}};
    for (float const scale : {1e-45F, 1e-41F, 1.2e-38F, 1e-20F, 1e4F, 65504.0F, 1e30F, most}) {
        Values values(count);
        for (std::size_t i = 0; i < count; ++i)
            values[i] = scale * (static_cast<float>(static_cast<int>(i % 17) - 8) / 8.0F);
        cases.push_back({fmt::format("values up to {}", scale), section, values});
    }
    auto outlier = normal_values(count, 7);
    outlier[count / 2] = most;
    cases.push_back({"one value at the end of f32 among normal ones", section, outlier});
    return cases;
}

std::vector<Case> not_finite_values() {
    auto const section = section_of({1, 2, 9, 64});
    auto const count = section.shape.values();
    std::vector<Case> cases;
    for (float const value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                              -std::numeric_limits<float>::infinity()}) {
        auto values = normal_values(count, 8);
        values[count / 2] = value;
        cases.push_back({fmt::format("one {} among normal values", value), section, values});
        cases.push_back({fmt::format("{} everywhere", value), section, Values(count, value)});
    }
    std::mt19937 random(9);
    Values bits(count);
    for (auto& value : bits) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    cases.push_back({"random bits", section, bits});
    return cases;
}

/// The codec under test, and what is asked of it.
class Suite {
  public:
    explicit Suite(CodecMaker const& make) : make_(make) {}

    std::vector<CodecCheck> run() {
        auto const starts = [&] {
            encode(*codec_, section_of({1, 1, 1, 64}), normal_values(64, 14));
            return codec_->description();
        };
        if (!ask("it starts, and encodes", Result::pass, starts)) return checks_;
        check("values come back", [&] { round_trips(shapes()); });
        check("error is smaller than the values", [&] { fidelity(); });
        check("a section of one token, and one of none", [&] { smallest(); });
        check("finite values stay finite", [&] { round_trips(finite_values()); });
        ask("NaN and Inf spoil no other value", Result::fact, [&] { return beside_not_finite(); });
        check("the same values give the same bytes", [&] { same_bytes(); });
        check("bytes do not depend on threads", [&] { threads(); });
        check("decoding depends on the bytes alone", [&] { decoding_alone(); });
        check("shortened bytes", [&] { shortened(); });
        check("altered bytes", [&] { altered(); });
        ask("a head is coded without the others", Result::fact, [&] { return apart(); });
        ask("a token is coded without the others", Result::fact, [&] { return by_token(); });
        return checks_;
    }

  private:
    /// False where it failed. `work` returns the detail of a check that ends as `result`.
    bool ask(std::string const& name, Result result, std::function<std::string()> const& work) {
        CodecCheck one{name, result, {}};
        try {
            codec_ = make_(1);  // its own time limit, and no process that has ended
            one.detail = work();
        } catch (NotApplicable const& error) {
            one = {name, Result::fact, fmt::format("not taken: {}", error.what())};
        } catch (std::exception const& error) {
            one = {name, Result::fail, error.what()};
        }
        checks_.push_back(one);
        return one.result != Result::fail;
    }
    void check(std::string const& name, std::function<void()> const& work) {
        ask(name, Result::pass, [&] {
            work();
            return std::string();
        });
    }

    /// `work` with the case in the text of its errors.
    void with_case(Case const& one, std::function<void()> const& work) {
        auto const place = fmt::format("{}, {}: ", one.name, text_of(one.section));
        try {
            work();
        } catch (NotApplicable const&) {
            throw;
        } catch (Spoilt const& error) {
            throw Spoilt(place + error.what());
        } catch (std::exception const& error) {
            throw Failed(place + error.what());
        }
    }

    void round_trips(std::vector<Case> const& cases) {
        std::size_t refused = 0;
        std::string why;
        for (auto const& one : cases) {
            // A codec may take some head dimensions alone.
            try {
                with_case(one, [&] { round_trip(one); });
            } catch (NotApplicable const& error) {
                ++refused;
                why = error.what();
            }
        }
        if (refused == cases.size()) throw NotApplicable(why);
    }
    void round_trip(Case const& one) {
        auto const values = decode(*codec_, one.section, encode(*codec_, one.section, one.values));
        for (std::size_t i = 0; i < values.size(); ++i)
            if (std::isfinite(one.values[i]) && !std::isfinite(values[i]))
                throw Spoilt(fmt::format("value {}: {} came back as {}", i, one.values[i], values[i]));
    }
    /// The codec has to answer.
    std::string beside_not_finite() {
        std::string spoilt;
        for (auto const& one : not_finite_values()) {
            try {
                with_case(one, [&] { round_trip(one); });
            } catch (Spoilt const& error) {
                if (spoilt.empty()) spoilt = error.what();
            }
        }
        return spoilt.empty() ? "yes" : "no: " + spoilt;
    }

    void fidelity() {
        for (auto const component : {Component::k, Component::v}) {
            Case const one{"normal values", section_of({2, 2, 64, 64}, component), normal_values(16384, 2)};
            with_case(one, [&] {
                auto const values = decode(*codec_, one.section, encode(*codec_, one.section, one.values));
                double product = 0, squares = 0, errors = 0;
                for (std::size_t i = 0; i < values.size(); ++i) {
                    double const x = one.values[i], y = values[i];
                    product += x * y, squares += x * x, errors += (x - y) * (x - y);
                }
                // As of our own codecs: with nothing but the mean, the error would be 1.
                if (!(errors < squares) || !(product > squares / 2) || !(product < 1.5 * squares))
                    throw Failed(
                        fmt::format("squared error over squared values is {:.3g}, the share that was kept {:.3g}",
                                    errors / squares, product / squares));
            });
        }
    }

    void smallest() {
        round_trips({{"one token", section_of({1, 1, 1, 64}), normal_values(64, 3)},
                     {"no tokens", section_of({1, 2, 0, 64}), {}}});
    }

    void same_bytes() {
        Case const one{"normal values", section_of({2, 3, 37, 64}), normal_values(14208, 4)};
        Case const other{"other values", section_of({1, 4, 50, 64}), normal_values(12800, 5)};
        with_case(one, [&] {
            auto const bytes = encode(*codec_, one.section, one.values);
            if (encode(*codec_, one.section, one.values) != bytes) throw Failed("the second time the bytes are others");
            encode(*codec_, other.section, other.values);
            if (encode(*codec_, one.section, one.values) != bytes)
                throw Failed("the bytes are others after another tensor");
            if (encode(*make_(1), one.section, one.values) != bytes)
                throw Failed("the bytes are others in another process");
        });
    }

    void threads() {
        Case const one{"normal values", section_of({2, 3, 301, 64}), normal_values(115584, 6)};
        with_case(one, [&] {
            auto const bytes = encode(*codec_, one.section, one.values);
            for (int const threads : {2, 3})
                if (encode(*make_(threads), one.section, one.values) != bytes)
                    throw Failed(fmt::format("with {} threads the bytes are others than with one", threads));
        });
    }

    void decoding_alone() {
        auto cases = shapes();
        cases.resize(4);
        std::vector<Bytes> stored;
        std::vector<Values> first;
        for (auto const& one : cases) {
            stored.push_back(encode(*codec_, one.section, one.values));
            first.push_back(decode(*codec_, one.section, stored.back()));
        }
        // Backwards, in processes that have encoded nothing.
        auto const fresh = make_(1);
        for (std::size_t round = 0; round < 2; ++round)
            for (auto i = cases.size(); i-- > 0;)
                with_case(cases[i], [&] {
                    if (!same(decode(*fresh, cases[i].section, stored[i]), first[i]))
                        throw Failed("in another order, in another process, the values are others");
                });
    }

    /// Any answer will do, but an end of the process.
    void survive(Case const& one, Bytes const& bytes, std::string const& change) {
        try {
            decode(*codec_, one.section, bytes);
        } catch (CorruptData const&) {
        } catch (ExternalFailure const& failure) {
            if (failure.how() == ExternalFailure::How::error) return;
            throw Failed(change + ": " + failure.what());
        }
    }
    void shortened() {
        Case const one{"normal values", section_of({1, 2, 9, 64}), normal_values(1152, 10)};
        auto const bytes = encode(*codec_, one.section, one.values);
        auto const steps = std::min<std::size_t>(bytes.size(), 64);
        for (std::size_t i = 0; i < steps; ++i) {
            auto const left = bytes.size() * i / steps;
            survive(one, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(left)},
                    fmt::format("the first {} of {} bytes", left, bytes.size()));
        }
        auto longer = bytes;
        longer.push_back(std::byte{0x5A});
        survive(one, longer, "one byte more");
    }
    void altered() {
        Case const one{"normal values", section_of({1, 2, 9, 64}), normal_values(1152, 11)};
        auto const bytes = encode(*codec_, one.section, one.values);
        auto const bits = bytes.size() * 8;
        auto const steps = std::min<std::size_t>(bits, 256);
        std::mt19937_64 random(12);
        for (std::size_t i = 0; i < steps; ++i) {
            // The front, where headers are, bit by bit; then anywhere.
            auto const bit = i < 128 ? i : random() % bits;
            auto changed = bytes;
            changed[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << bit % 8)};
            survive(one, changed, fmt::format("bit {} of byte {} inverted", bit % 8, bit / 8));
        }
        for (auto const filler : {std::byte{0}, std::byte{0xFF}}) {
            auto const all = std::to_integer<int>(filler);
            survive(one, Bytes(bytes.size(), filler), fmt::format("every byte {:#04x}", all));
        }
    }

    std::string apart() {
        Case const one{"normal values", section_of({1, 2, 16, 64}), normal_values(2048, 13)};
        auto other = one.values;
        for (std::size_t i = 1024; i < other.size(); ++i) other[i] *= 8;
        auto const a = decode(*codec_, one.section, encode(*codec_, one.section, one.values));
        auto const b = decode(*codec_, one.section, encode(*codec_, one.section, other));
        return same({a.begin(), a.begin() + 1024}, {b.begin(), b.begin() + 1024})
                   ? "yes: other heads change nothing"
                   : "no: values of one head change those of another";
    }

    std::string by_token() {
        constexpr std::size_t token = 7, dim = 64, head = 16 * dim;
        Case const all{"normal values", section_of({1, 2, 16, dim}), normal_values(2 * head, 14)};
        Case alone{"a token of them", section_of({1, 2, 1, dim}), {}};
        alone.section.token = token;
        Values wanted;
        auto const together = decode(*codec_, all.section, encode(*codec_, all.section, all.values));
        for (auto const first : {token * dim, head + token * dim}) {
            auto const place = static_cast<std::ptrdiff_t>(first);
            alone.values.insert(alone.values.end(), all.values.begin() + place, all.values.begin() + place + dim);
            wanted.insert(wanted.end(), together.begin() + place, together.begin() + place + dim);
        }
        return same(decode(*codec_, alone.section, encode(*codec_, alone.section, alone.values)), wanted)
                   ? "yes: its definition may say by_token: true"
                   : "no: a token's values depend on others";
    }

    CodecMaker const& make_;
    std::shared_ptr<ExternalCodec> codec_;
    std::vector<CodecCheck> checks_;
};

}  // namespace

std::vector<CodecCheck> check_codec(CodecMaker const& make) { return Suite(make).run(); }

}  // namespace kvstone
