// Codecs on a device, as shares of its own copy: bench_device [BACKEND [MEGABYTES]] (cuda, 1024). Ends with 2, saying why,
// where the backend is not there.
//
// M      bytes that the method has to read and write at the least, per second, over those of a copy of the tensor within the
//        device's memory, taken between the passes: medians of the rounds. A quantiser whose M is below .5 encoding has a
//        mark, and so has one below .8 decoding.
// GB/s   the same bytes per second.
// bits   stored bits a value, everything included.
// equal  whether the device stores the bytes that the host stores.

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "backends/kernels/roofline.hpp"
#include "backends/timer.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/registry.hpp"

namespace kvstone::bench {
namespace {

constexpr int rounds = 9;

double median(std::vector<double> values) {
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

/// Normal values, repeated every 2^20 values.
std::vector<float> values_of(KvShape const& shape) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> values(shape.values());
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = i < (1U << 20) ? normal(random) : values[i - (1U << 20)];
    return values;
}

class DeviceBench {
  public:
    DeviceBench(BackendKind kind, std::size_t megabytes)
        : kind_(kind), shape_{1, 8, std::max<std::size_t>(1, megabytes * 1024 * 1024 / 4 / 8 / 128), 128} {
        auto const values = values_of(shape_);
        copy_to_backend(kind_, values_.data(), reinterpret_cast<std::byte const*>(values.data()), bytes());
    }

    void measure(std::string const& text, bool quantiser) {
        TensorCodec codec(Codec::parse(text), Component::k, shape_, ElementType::f32, kind_);
        auto const values = view(values_);
        auto const result = view(result_);
        codec.encode(values);
        auto const encode = share([&] { codec.encode(values); }, codec.encode_traffic_bytes());
        auto const decode = share([&] { codec.decode(result, DecodeFor::timing); }, codec.decode_traffic_bytes());
        auto const bits =
            8.0 * static_cast<double>(codec.ledger().stored_bytes()) / static_cast<double>(shape_.values());
        auto const mark = [&](double m, double goal) { return quantiser && m < goal ? '!' : ' '; };
        fmt::print("{:<48}{:>7.2f}{:>8.2f}{}{:>8.1f}{:>8.2f}{}{:>8.1f}{:>7}\n", text, bits, encode.m,
                   mark(encode.m, .5), encode.gb_per_s, decode.m, mark(decode.m, .8), decode.gb_per_s,
                   equal(text) ? "yes" : "NO");
    }

    double copy_gb_per_s() const {
        std::vector<double> passes;
        for (int i = 0; i < rounds; ++i) passes.push_back(copy_ns());
        return 2.0 * static_cast<double>(bytes()) / median(passes);
    }

  private:
    struct Share {
        double m;
        double gb_per_s;
    };

    std::size_t bytes() const { return shape_.values() * sizeof(float); }
    KvView view(Buffer const& of) const { return {of.data(), ElementType::f32, shape_, KvStrides::packed(shape_)}; }
    double copy_ns() const {
        return static_cast<double>(
            fenced_ns(kind_, [&] { copy_pass(kind_, result_.data(), values_.data(), bytes(), false); }));
    }
    template <class Pass>
    Share share(Pass const& pass, std::size_t traffic) const {
        std::vector<double> shares;
        std::vector<double> rates;
        pass();
        for (int i = 0; i < rounds; ++i) {
            auto const copy = copy_ns();
            auto const ns = static_cast<double>(fenced_ns(kind_, pass));
            rates.push_back(static_cast<double>(traffic) / ns);
            shares.push_back(rates.back() * copy / 2 / static_cast<double>(bytes()));
        }
        return {median(shares), median(rates)};
    }
    /// On a small tensor: the containers of both sides are the same bytes.
    bool equal(std::string const& text) const {
        KvShape const small{2, 2, 96, 128};
        auto const values = values_of(small);
        auto const sealed = [&](BackendKind kind) {
            Buffer memory(kind, values.size() * sizeof(float));
            copy_to_backend(kind, memory.data(), reinterpret_cast<std::byte const*>(values.data()), memory.size());
            TensorCodec codec(Codec::parse(text), Component::k, small, ElementType::f32, kind);
            codec.encode({memory.data(), ElementType::f32, small, KvStrides::packed(small)});
            return codec.seal();
        };
        return sealed(kind_) == sealed(BackendKind::openmp);
    }

    BackendKind kind_;
    KvShape shape_;
    Buffer values_{kind_, bytes()};
    Buffer result_{kind_, bytes()};
};

int run(std::string const& name, std::size_t megabytes) {
    auto const here = advertised_backends();
    if (std::ranges::find(here, name) == here.end()) {
        auto const why = name == "cuda" ? why_no_device() : "";
        fmt::print(stderr, "bench_device: backend {} is not there{}\n", name,
                   why.empty() ? ": this build does not have it" : ": no device: " + why);
        return 2;
    }
    DeviceBench bench(backend_named(name), megabytes);
    fmt::print("{} MB on {}; copy {:.1f} GB/s\n", megabytes, name, bench.copy_gb_per_s());
    fmt::print("{:<48}{:>7}{:>8} {:>8}{:>8} {:>8}{:>7}\n", "codec", "bits", "encode M", "GB/s", "decode M", "GB/s",
               "equal");
    for (auto const& [stage, entry] : stage_registry()) {
        if (entry.kind == StageKind::entropy || entry.kind == StageKind::selector) continue;
        for (auto const& example : entry.info.examples) {
            try {
                bench.measure(example, entry.kind == StageKind::quantiser);
            } catch (std::exception const& error) {
                fmt::print("{:<48} {}\n", example, error.what());
            }
        }
    }
    return 0;
}

}  // namespace
}  // namespace kvstone::bench

int main(int argument_count, char** arguments) {
    kvstone::BackendRuntime const runtime;
    auto const megabytes = argument_count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1024;
    return kvstone::bench::run(argument_count > 1 ? arguments[1] : "cuda", std::max<unsigned long long>(1, megabytes));
}
