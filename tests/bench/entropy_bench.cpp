// Entropy coders side by side: every coder encodes and decodes the same bytes in each round, one thread, so that all meet the
// same machine. Times are the processor's, which others that run on it disturb least.
//
// Bytes are the high bytes of fp16 values of N(0,1), whose low bytes do not shrink; exponents are those of bf16 values.
// bits       stored bits a symbol, everything included (of exponents: less the 8 bits of sign and mantissa).
// encode, decode   10^9 symbols a second, median of the rounds.
// /zstd      speed over zstd's at level 1 in the same round, median; /huff0 over its Huffman stage alone
//            (ZSTD_compressSequencesAndLiterals, one literal run per block); /hts over htscodecs' 32-way rANS.
// M          bytes read plus written a second over those of the round's copy of the values (memcpy).
// KVSTONE_BENCH_MB sets how many million symbols (16), KVSTONE_BENCH_ROUNDS how many rounds (7).

#define ZSTD_STATIC_LINKING_ONLY  // sequences and literals

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <zstd.h>
#ifdef KVSTONE_HTSCODECS
#include <htscodecs/rANS_static4x16.h>
#endif

#include "backends/backend.hpp"
#include "backends/kernels/floats.hpp"
#include "codecs/registry.hpp"

namespace kvstone::bench {
namespace {

using Bytes = std::vector<std::byte>;

struct Coder {
    std::string name;
    std::function<std::size_t()> encode;  ///< returns the stored bytes
    std::function<void()> decode;
    Bytes const* expected = nullptr;  ///< what decode() leaves in `result`
    Bytes const* result = nullptr;
    double symbols = 0;
    double plain_bits = 0;     ///< of a symbol's number, stored as they are
    double traffic_bytes = 0;  ///< of the input
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

/// A stage with memory of its own for what it writes.
class StageCoder {
  public:
    StageCoder(std::string const& text, PlaneSpec const& spec, Bytes const& input)
        : spec_(spec), input_(&input), result_(input.size()) {
        auto const parsed = Codec::parse("fp16 | " + text).rules()[0].pipeline.back();
        auto const& entry = stage_registry().at(parsed.name);
        stage_ = entry.make_entropy(
            Options(entry.info.name, entry.info.options, {parsed.options.begin(), parsed.options.end()}));
        for (auto const& plane : stage_->planes(spec)) memory_.emplace_back(plane.bytes);
        workspace_.resize(stage_->workspace_bytes(spec) + 256);
    }

    std::size_t encode() {
        planes_.clear();
        for (auto& memory : memory_) planes_.push_back({memory.data(), memory.size()});
        stage_->encode(BackendKind::openmp, spec_, {input_->data(), input_->size()}, planes_, workspace());
        std::size_t bytes = 0;
        for (auto const& plane : planes_) bytes += plane.bytes;
        return bytes;
    }
    void decode() {
        const_planes_.clear();
        for (auto const& plane : planes_) const_planes_.push_back({plane.data, plane.bytes});
        Plane input{result_.data(), result_.size()};
        stage_->decode(BackendKind::openmp, spec_, const_planes_, input, workspace());
    }
    Bytes const& result() const { return result_; }

  private:
    std::byte* workspace() {
        auto const address = reinterpret_cast<std::uintptr_t>(workspace_.data());
        return workspace_.data() + (256 - address % 256) % 256;
    }

    PlaneSpec spec_;
    Bytes const* input_;
    Bytes result_;
    std::unique_ptr<DynamicEntropy> stage_;
    std::vector<Bytes> memory_;
    std::vector<Plane> planes_;
    std::vector<ConstPlane> const_planes_;
    Bytes workspace_;
};

class Table {
  public:
    Table() {
        auto const count = static_cast<std::size_t>(setting("KVSTONE_BENCH_MB", 16) * 1e6) / 128 * 128;
        high_.resize(count);
        bfloats_.resize(2 * count);
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (std::size_t i = 0; i < count; ++i) {
            auto const value = normal(random);
            auto const half = from_float<Float16>(value);
            auto const bfloat = from_float<BFloat16>(value);
            std::memcpy(&high_[i], reinterpret_cast<std::byte const*>(&half) + 1, 1);
            std::memcpy(&bfloats_[2 * i], &bfloat, 2);
        }
        copy_.resize(bfloats_.size());
        add_zstd();
        add_literals();
        add_htscodecs();
        PlaneSpec const bytes{LedgerLine::payload, count, false, 1, 128, false, NumberFormat::none, count / 128, 1};
        for (auto const* text : {"zstd:level=1", "huffman", "huffman:tables=block", "rans", "rans:tables=block",
                                 "rans:context=channel", "arithmetic", "cabac", "cabac:context=row"})
            add_stage(text, bytes, high_, 0);
        PlaneSpec const numbers{LedgerLine::payload, 2 * count,   false, 2, 128, false,
                                NumberFormat::bf16,  count / 128, 1};
        for (auto const* code : {"fixed3", "fixed4", "huffman", "rans"})
            add_stage(fmt::format("exponent:code={}", code), numbers, bfloats_, 8);
    }

    void run() {
        auto const rounds = static_cast<int>(setting("KVSTONE_BENCH_ROUNDS", 7));
        for (int round = 0; round < rounds; ++round) {
            copies_.push_back(seconds_of([&] { std::memcpy(copy_.data(), bfloats_.data(), copy_.size()); }));
            for (auto& coder : coders_) {
                std::size_t bytes = 0;
                encode_[coder.name].push_back(seconds_of([&] { bytes = coder.encode(); }));
                decode_[coder.name].push_back(seconds_of(coder.decode));
                bytes_[coder.name] = bytes;
                if (round == 0 && *coder.expected != *coder.result)
                    throw std::runtime_error(coder.name + " does not decode what it encoded");
            }
        }
    }

    void print() {
        fmt::print("{:<24}{:>8}{:>9}{:>7}{:>7}{:>7}{:>6} |{:>9}{:>7}{:>7}{:>7}{:>6}\n", "coder", "bits", "encode",
                   "/zstd", "/huff0", "/hts", "M", "decode", "/zstd", "/huff0", "/hts", "M");
        for (auto const& coder : coders_) {
            auto const bytes = static_cast<double>(bytes_[coder.name]);
            fmt::print("{:<24}{:>8.3f}", coder.name, 8 * bytes / coder.symbols - coder.plain_bits);
            print_direction(encode_, coder, coder.traffic_bytes + bytes);
            fmt::print(" |");
            print_direction(decode_, coder, coder.traffic_bytes + bytes);
            fmt::print("\n");
        }
    }

  private:
    using Times = std::map<std::string, std::vector<double>>;

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
    void print_direction(Times const& times, Coder const& coder, double traffic) const {
        auto const& ours = times.at(coder.name);
        fmt::print("{:>9.3f}", coder.symbols / median(ours) * 1e-9);
        for (auto const* peer : {"zstd 1", "zstd literals", "htscodecs 32"})
            fmt::print("{:>7}", times.contains(peer) ? fmt::format("{:.2f}", over(times.at(peer), ours)) : "");
        fmt::print("{:>6.2f}", over(copies_, ours) * traffic / (2 * static_cast<double>(copy_.size())));
    }

    void add(Coder coder, Bytes const& input, Bytes const& result) {
        coder.expected = &input;
        coder.result = &result;
        coder.traffic_bytes = static_cast<double>(input.size());
        coder.symbols = static_cast<double>(high_.size());
        coders_.push_back(std::move(coder));
    }
    void add_stage(std::string const& text, PlaneSpec const& spec, Bytes const& input, double plain_bits) {
        auto const stage = std::make_shared<StageCoder>(text, spec, input);
        add({text, [stage] { return stage->encode(); }, [stage] { stage->decode(); }, nullptr, nullptr, 0, plain_bits,
             0},
            input, stage->result());
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
            high_, result);
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
        std::ranges::copy(high_, literals.begin());
        auto const encode = [this, &coded, &literals, size, context, runs] {
            *size =
                ZSTD_compressSequencesAndLiterals(context.get(), coded.data(), coded.size(), runs->data(), runs->size(),
                                                  literals.data(), high_.size(), literals.size(), high_.size());
            return *size;
        };
        if (ZSTD_isError(encode())) return;
        add({"zstd literals", encode,
             [&coded, &result, size] { ZSTD_decompress(result.data(), result.size(), coded.data(), *size); }},
            high_, result);
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
            high_, result);
#endif
    }

    Bytes high_;
    Bytes bfloats_;
    Bytes copy_;
    std::vector<std::unique_ptr<Bytes>> memory_;
    std::vector<Coder> coders_;
    std::vector<double> copies_;
    Times encode_;
    Times decode_;
    std::map<std::string, std::size_t> bytes_;
};

}  // namespace
}  // namespace kvstone::bench

int main() {
    kvstone::BackendRuntime const runtime(1);
    kvstone::bench::Table table;
    table.run();
    table.print();
    return 0;
}
