// Entropy coders side by side: every coder encodes and decodes the same bytes in each round, one thread, so that all meet the
// same machine. Times are the processor's, which others that run on it disturb least.
//
// Bytes are the high bytes of fp16 values of N(0,1), whose low bytes do not shrink; exponents are those of bf16 values, which
// gear takes as they are.
// bits, H0   stored bits a symbol, everything included (of exponents: less the 8 bits of sign and mantissa), and what order 0
//            allows.
// Gsym/s     10^9 symbols a second, median of the rounds.
// peer, x    what the coder's goal is about, and speed over it in the same round, median: Huff0 is zstd's Huffman stage alone
//            (ZSTD_compressSequencesAndLiterals, one literal run per block), hts is htscodecs' 32-way rANS. M: bytes read plus
//            written a second over those of the round's copy of the values, memcpy or stores that pass the cache, whichever is
//            faster. DeepCABAC is packaged nowhere: its published rates over those of zstd at level 1 on the same machine, .0127
//            and .0077, are what the ratio to zstd here is divided by.
// goal       met where the ratio is at least this; of bits: where they lie at most so much above H0.
// KVSTONE_BENCH_MSYM sets how many million symbols (16), KVSTONE_BENCH_ROUNDS how many rounds (7).

#define ZSTD_STATIC_LINKING_ONLY  // sequences and literals

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <blosc2.h>
#include <fmt/format.h>
#include <zstd.h>
#ifdef KVSTONE_HTSCODECS
#include <htscodecs/rANS_static4x16.h>
#endif

#include "backends/backend.hpp"
#include "backends/kernels/floats.hpp"
#include "backends/kernels/roofline.hpp"
#include "codecs/registry.hpp"
#include "tests/bench/codecs/entropy.hpp"

namespace kvstone::bench {
namespace {

/// Memory that starts a cache line, as that of codecs does.
class Bytes {
  public:
    explicit Bytes(std::size_t size) : buffer_(BackendKind::openmp, size) {}
    std::byte* data() const { return buffer_.data(); }
    std::size_t size() const { return buffer_.size(); }
    std::byte& operator[](std::size_t i) const { return buffer_.data()[i]; }
    std::span<std::byte const> span() const { return {data(), size()}; }

  private:
    Buffer buffer_;
};

/// The reference of a coder, and its goal; 0: none.
struct Goal {
    std::string_view coder;
    std::string_view peer;  ///< a row's name, "copy" or "DeepCABAC"
    double encode;
    double decode;
    double bits_above;
};

/// By the longest beginning of the coder's text that fits.
constexpr std::array goals{
    Goal{"huffman", "zstd literals", 1.3, 1.5, .06},  Goal{"rans", "htscodecs 32", 1.0, 1.5, .03},
    Goal{"arithmetic", "DeepCABAC", 3, 3, .13},       Goal{"cabac", "DeepCABAC", 3, 3, .13},
    Goal{"exponent:code=fixed", "copy", .80, 1.0, 0}, Goal{"gear", "copy", .90, .98, 0},
    Goal{"blosc2 shuffle alone", "copy", 0, 0, 0},    Goal{"exponent:code=huffman", "zstd 1", 0, 0, 0},
    Goal{"exponent:code=rans", "zstd 1", 0, 0, 0},    Goal{"", "zstd 1", 0, 0, 0}};

/// DeepCABAC's published rates over those of zstd at level 1 beside it: .0105 of .83 and .0115 of 1.5 Gsym/s.
constexpr double deepcabac_encode = .0105 / .83;
constexpr double deepcabac_decode = .0115 / 1.5;

Goal const& goal_of(std::string_view coder) {
    Goal const* best = &goals.back();
    for (auto const& goal : goals) {
        if (coder.starts_with(goal.coder) && goal.coder.size() > best->coder.size()) best = &goal;
    }
    return *best;
}

struct Coder {
    std::string name;
    std::function<std::size_t()> encode;  ///< returns the stored bytes
    std::function<void()> decode;
    Bytes const* expected = nullptr;  ///< the content of `result` after decode()
    Bytes const* result = nullptr;
    double plain_bits = 0;  ///< of a symbol's number, stored as they are
    double entropy = 0;     ///< of its symbols, in bits; 0: not coded
};

double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_of(std::function<void()> const& work) {
    auto const start = processor_seconds();
    work();
    return processor_seconds() - start;
}

double setting(char const* name, double otherwise) {
    char const* const text = std::getenv(name);
    return text != nullptr ? std::strtod(text, nullptr) : otherwise;
}

/// A stage with memory of its own for its output.
class StageCoder {
  public:
    StageCoder(std::string const& text, PlaneSpec const& spec, Bytes const& input)
        : spec_(spec), input_(&input), result_(input.size()) {
        auto const parsed = Codec::parse("fp16 | " + text).rules()[0].pipeline.back();
        auto const& entry = stage_registry().at(parsed.name);
        stage_ = entry.make_entropy(
            Options(entry.info.name, entry.info.options, {parsed.options.begin(), parsed.options.end()}));
        for (auto const& plane : stage_->planes(spec)) memory_.emplace_back(plane.bytes);
        workspace_.reserve_discard(stage_->workspace_bytes(spec));
    }

    std::size_t encode() {
        planes_.clear();
        for (auto& memory : memory_) planes_.push_back({memory.data(), memory.size()});
        stage_->encode(BackendKind::openmp, spec_, {input_->data(), input_->size()}, planes_, workspace_.data());
        std::size_t bytes = 0;
        for (auto const& plane : planes_) bytes += plane.bytes;
        return bytes;
    }
    void decode() {
        const_planes_.clear();
        for (auto const& plane : planes_) const_planes_.push_back({plane.data, plane.bytes});
        Plane input{result_.data(), result_.size()};
        stage_->decode(BackendKind::openmp, spec_, const_planes_, input, workspace_.data());
    }
    Bytes const& result() const { return result_; }

  private:
    PlaneSpec spec_;
    Bytes const* input_;
    Bytes result_;
    std::unique_ptr<DynamicEntropy> stage_;
    std::vector<Bytes> memory_;
    std::vector<Plane> planes_;
    std::vector<ConstPlane> const_planes_;
    Buffer workspace_{BackendKind::openmp};
};

std::size_t symbol_count() { return static_cast<std::size_t>(setting("KVSTONE_BENCH_MSYM", 16) * 1e6) / 128 * 128; }

double entropy_of(std::array<std::size_t, 256> const& counts, std::size_t all) {
    double bits = 0;
    for (auto const count : counts) {
        auto const share = static_cast<double>(count) / static_cast<double>(all);
        if (count > 0) bits -= share * std::log2(share);
    }
    return bits;
}

class Table {
  public:
    Table() : high_(symbol_count()), numbers_(2 * symbol_count()), copy_(2 * symbol_count()) {
        auto const count = symbol_count();
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::array<std::size_t, 256> bytes{};
        std::array<std::size_t, 256> exponents{};
        for (std::size_t i = 0; i < count; ++i) {
            auto const value = normal(random);
            auto const half = from_float<Float16>(value);
            auto const bfloat = from_float<BFloat16>(value);
            std::uint16_t bits = 0;
            std::memcpy(&bits, &bfloat, 2);
            ++exponents[bits >> 7 & 0xffU];
            std::memcpy(&numbers_[2 * i], &bits, 2);
            std::memcpy(&bits, &half, 2);
            ++bytes[bits >> 8];
            high_[i] = static_cast<std::byte>(bits >> 8);
        }
        byte_entropy_ = entropy_of(bytes, count);
        add_zstd();
        add_literals();
        add_htscodecs();
        add_blosc();
        PlaneSpec const plane{LedgerLine::payload, count, false, 1, 128, false, NumberFormat::none, count / 128, 1};
        for (auto const* text :
             {"lz4", "blosc2:filter=shuffle,level=1", "huffman", "huffman:tables=block", "rans", "rans:tables=block",
              "rans:context=channel", "arithmetic", "cabac", "cabac:context=row"})
            add_stage(text, plane, high_, 0, byte_entropy_);
        PlaneSpec const numbers{LedgerLine::payload, 2 * count,   false, 2, 128, false,
                                NumberFormat::bf16,  count / 128, 1};
        for (auto const* code : {"fixed3", "fixed4", "huffman", "rans"})
            add_stage(fmt::format("exponent:code={}", code), numbers, numbers_, 8, entropy_of(exponents, count));
        add_stage("gear", numbers, numbers_, 0, 0);
    }

    void run() {
        auto const rounds = static_cast<int>(setting("KVSTONE_BENCH_ROUNDS", 7));
        for (int round = 0; round < rounds; ++round) {
            auto const copy = [&](bool streaming) {
                return seconds_of(
                    [&] { copy_pass(BackendKind::openmp, copy_.data(), numbers_.data(), copy_.size(), streaming); });
            };
            copies_.push_back(std::min(copy(false), copy(true)));
            for (auto& coder : coders_) {
                std::size_t bytes = 0;
                encode_[coder.name].push_back(seconds_of([&] { bytes = coder.encode(); }));
                decode_[coder.name].push_back(seconds_of(coder.decode));
                bytes_[coder.name] = bytes;
                if (round == 0 && !std::ranges::equal(coder.expected->span(), coder.result->span()))
                    throw std::runtime_error(coder.name + " does not decode what it encoded");
            }
        }
    }

    void print() {
        fmt::print("{:<30}{:>7}{:>7}{:>8}{:>12}{:>8}{:>8}{:>12}{:>8}{:>8}  {}\n", "entropy coder", "bits", "H0", "goal",
                   "enc Gsym/s", "x peer", "goal", "dec Gsym/s", "x peer", "goal", "peer");
        for (auto const& coder : coders_) {
            auto const& goal = goal_of(coder.name);
            auto const bits =
                8 * static_cast<double>(bytes_[coder.name]) / static_cast<double>(high_.size()) - coder.plain_bits;
            auto const above = goal.bits_above == 0 ? "" : bits <= coder.entropy + goal.bits_above ? "met" : "missed";
            auto const entropy = coder.entropy == 0 ? "" : fmt::format("{:.3f}", coder.entropy);
            fmt::print("{:<30}{:>7.3f}{:>7}{:>8}", coder.name, bits, entropy, above);
            print_direction(encode_, coder, goal, goal.encode, deepcabac_encode, 12);
            print_direction(decode_, coder, goal, goal.decode, deepcabac_decode, 12);
            fmt::print("  {}\n", goal.peer == "copy" ? "copy (M)" : goal.peer);
        }
        fmt::print(
            "DeepCABAC: published {:.4f} (encode) and {:.4f} (decode) of zstd's rate at level 1; it is packaged "
            "nowhere.\n",
            deepcabac_encode, deepcabac_decode);
    }

  private:
    using Times = std::map<std::string, std::vector<double>, std::less<>>;

    static double median(std::vector<double> values) {
        auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
        std::ranges::nth_element(values, middle);
        return *middle;
    }
    static double over(std::vector<double> const& theirs, std::vector<double> const& ours) {
        std::vector<double> ratios;
        for (std::size_t i = 0; i < theirs.size(); ++i) ratios.push_back(theirs[i] / ours[i]);
        return median(ratios);
    }
    /// Speed over the peer's; 0 where there is none.
    double ratio(Times const& times, Coder const& coder, Goal const& goal, double deepcabac) const {
        auto const& ours = times.at(coder.name);
        if (goal.peer == "copy") {
            auto const traffic = static_cast<double>(coder.expected->size() + bytes_.at(coder.name));
            return over(copies_, ours) * traffic / (2 * static_cast<double>(copy_.size()));
        }
        bool const published = goal.peer == "DeepCABAC";
        auto const peer = times.find(published ? "zstd 1" : goal.peer);
        return peer == times.end() ? 0 : over(peer->second, ours) / (published ? deepcabac : 1);
    }
    void print_direction(Times const& times, Coder const& coder, Goal const& goal, double wanted, double deepcabac,
                         int width) const {
        auto const figure = ratio(times, coder, goal, deepcabac);
        auto const verdict =
            wanted == 0 || figure == 0 ? std::string() : fmt::format("{:.2f} {}", wanted, figure >= wanted ? "+" : "-");
        fmt::print("{:>{}.3f}{:>8}{:>8}", static_cast<double>(high_.size()) / median(times.at(coder.name)) * 1e-9,
                   width, figure == 0 ? "" : fmt::format("{:.2f}", figure), verdict);
    }

    void add(Coder coder, Bytes const& input, Bytes const& result, double entropy) {
        coder.expected = &input;
        coder.result = &result;
        coder.entropy = entropy;
        coders_.push_back(std::move(coder));
    }
    void add_stage(std::string const& text, PlaneSpec const& spec, Bytes const& input, double plain_bits,
                   double entropy) {
        auto const stage = std::make_shared<StageCoder>(text, spec, input);
        add({text, [stage] { return stage->encode(); }, [stage] { stage->decode(); }, nullptr, nullptr, plain_bits, 0},
            input, stage->result(), entropy);
    }
    Bytes& peer_memory(std::size_t bytes) { return *memory_.emplace_back(std::make_unique<Bytes>(bytes)); }

    void add_zstd() {
        auto& coded = peer_memory(ZSTD_compressBound(high_.size()));
        auto& result = peer_memory(high_.size());
        auto const size = std::make_shared<std::size_t>();
        add({"zstd 1",
             [this, &coded, size] {
                 return *size = ZSTD_compress(coded.data(), coded.size(), high_.data(), high_.size(), 1);
             },
             [&coded, &result, size] { ZSTD_decompress(result.data(), result.size(), coded.data(), *size); }},
            high_, result, byte_entropy_);
    }
    void add_literals() {
        auto& coded = peer_memory(ZSTD_compressBound(high_.size()));
        auto& result = peer_memory(high_.size());
        auto const size = std::make_shared<std::size_t>();
        std::shared_ptr<ZSTD_CCtx> const context(ZSTD_createCCtx(), ZSTD_freeCCtx);
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_blockDelimiters, ZSTD_sf_explicitBlockDelimiters);
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
        constexpr std::size_t block = 131072;
        auto const runs = std::make_shared<std::vector<ZSTD_Sequence>>();
        for (std::size_t first = 0; first < high_.size(); first += block)
            runs->push_back({0, static_cast<unsigned>(std::min(block, high_.size() - first)), 0, 0});
        // The function may read some bytes behind the literals.
        auto& literals = peer_memory(high_.size() + 64);
        std::ranges::copy(high_.span(), literals.data());
        auto const encode = [this, &coded, &literals, size, context, runs] {
            *size =
                ZSTD_compressSequencesAndLiterals(context.get(), coded.data(), coded.size(), runs->data(), runs->size(),
                                                  literals.data(), high_.size(), literals.size(), high_.size());
            return *size;
        };
        if (ZSTD_isError(encode())) return;
        add({"zstd literals", encode,
             [&coded, &result, size] { ZSTD_decompress(result.data(), result.size(), coded.data(), *size); }},
            high_, result, byte_entropy_);
    }
    void add_htscodecs() {
#ifdef KVSTONE_HTSCODECS
        auto const count = static_cast<unsigned>(high_.size());
        auto& coded = peer_memory(rans_compress_bound_4x16(count, RANS_ORDER_X32));
        auto& result = peer_memory(high_.size());
        auto const size = std::make_shared<unsigned>();
        auto const bytes_of = [](Bytes& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); };
        add({"htscodecs 32",
             [this, &coded, size, count, bytes_of]() -> std::size_t {
                 *size = static_cast<unsigned>(coded.size());
                 rans_compress_to_4x16(bytes_of(high_), count, bytes_of(coded), size.get(), RANS_ORDER_X32);
                 return *size;
             },
             [&coded, &result, size, count, bytes_of] {
                 unsigned room = count;
                 rans_uncompress_to_4x16(bytes_of(coded), *size, bytes_of(result), &room);
             }},
            high_, result, byte_entropy_);
#endif
    }

    /// Bytes of the same place brought together, and nothing else: what gear does.
    void add_blosc() {
        auto& planes = peer_memory(numbers_.size());
        auto& result = peer_memory(numbers_.size());
        static constexpr std::size_t block = 262144;  // that of a blosc2 chunk's blocks
        auto const in_blocks = [](auto const& shuffle, Bytes const& from, Bytes const& to) {
            for (std::size_t first = 0; first < from.size(); first += block) {
                auto const bytes = std::min(block, from.size() - first);
                shuffle(2, static_cast<std::int32_t>(bytes), from.data() + first, to.data() + first);
            }
        };
        add({"blosc2 shuffle alone",
             [this, in_blocks, &planes] {
                 in_blocks(blosc2_shuffle, numbers_, planes);
                 return planes.size();
             },
             [in_blocks, &planes, &result] { in_blocks(blosc2_unshuffle, planes, result); }},
            numbers_, result, 0);
    }

    Bytes high_;
    Bytes numbers_;  ///< bf16
    Bytes copy_;
    double byte_entropy_ = 0;
    std::vector<std::unique_ptr<Bytes>> memory_;
    std::vector<Coder> coders_;
    std::vector<double> copies_;
    Times encode_;
    Times decode_;
    std::map<std::string, std::size_t> bytes_;
};

}  // namespace

void print_entropy_coders() {
    BackendRuntime const runtime(1);
    Table table;
    table.run();
    table.print();
}

}  // namespace kvstone::bench
