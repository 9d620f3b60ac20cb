#include "tests/bench/codecs/rounds.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include <Kokkos_Core.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/kernels/roofline.hpp"
#include "backends/timer.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "tests/bench/codecs/peers.hpp"

namespace kvstone::bench {
namespace {

constexpr auto kind = BackendKind::openmp;
constexpr int roofline_passes = 5;

/// Normal values, repeated every 2^20 values, and where they are decoded to.
struct Tensor {
    KvShape shape;
    Buffer values{kind};
    Buffer result{kind};

    Tensor() {
        char const* const asked = std::getenv("KVSTONE_BENCH_MB");
        auto const megabytes = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 256;
        shape = {1, 8, std::max<std::uint64_t>(1, megabytes * 1024 * 1024 / 4 / 8 / 128), 128};
        values.reserve_discard(bytes());
        result.reserve_discard(bytes());
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        auto* const floats = reinterpret_cast<float*>(values.data());
        for (std::size_t i = 0; i < shape.values(); ++i) {
            floats[i] = i < (1U << 20) ? normal(random) : floats[i - (1U << 20)];
        }
    }
    std::size_t bytes() const { return shape.values() * sizeof(float); }
    KvView view(Buffer const& of) const { return {of.data(), ElementType::f32, shape, KvStrides::packed(shape)}; }
};

class Server {
  public:
    Server() {
        double best[2] = {0, 0};
        for (int pass = 0; pass < roofline_passes; ++pass) {
            for (bool const streaming : {false, true}) {
                auto const ns = copy_ns(streaming);
                if (pass == 1 || (pass > 1 && ns < best[streaming])) best[streaming] = ns;
            }
        }
        streaming_ = best[1] < best[0];
    }

    Round round(Request const& request) {
        prepare(request);
        Round round;
        round.values = static_cast<double>(tensor_.shape.values());
        round.tensor_bytes = static_cast<double>(tensor_.bytes());
        round.roofline_ns = copy_ns(streaming_);
        auto const values = tensor_.view(tensor_.values);
        auto const result = tensor_.view(tensor_.result);
        round.pass_ns = static_cast<double>(fenced_ns(
            kind, [&] { request.encode ? codec_->encode(values) : codec_->decode(result, DecodeFor::timing); }));
        if (plain_) round.plain_ns = static_cast<double>(fenced_ns(kind, plain_));
        if (peer_) round.peer_ns = static_cast<double>(fenced_ns(kind, peer_));
        round.traffic_once_bytes = static_cast<double>(codec_->decode_traffic_bytes());
        round.traffic_bytes =
            request.encode ? static_cast<double>(codec_->encode_traffic_bytes()) : round.traffic_once_bytes;
        round.stored_bytes = static_cast<double>(codec_->ledger().stored_bytes());
        return round;
    }

  private:
    /// Makes the codec and its peers, and warms both, where the last request was another one.
    void prepare(Request const& request) {
        if (!codec_ || text_ != request.codec) {
            codec_.reset();
            codec_.emplace(Codec::parse(request.codec), Component::k, tensor_.shape, ElementType::f32, kind);
            codec_->encode(tensor_.view(tensor_.values));
        } else if (encode_ == request.encode) {
            return;
        }
        text_ = request.codec;
        encode_ = request.encode;
        if (!encode_) codec_->decode(tensor_.view(tensor_.result));
        auto const* const values = reinterpret_cast<float const*>(tensor_.values.data());
        auto* const result = reinterpret_cast<float*>(tensor_.result.data());
        if (Kokkos::DefaultHostExecutionSpace().concurrency() > 1) return;
        plain_ = plain_loop(request, values, result, tensor_.shape);
        peer_ = ggml_rows(request, values, result, tensor_.shape);
        if (plain_) plain_();
        if (peer_) peer_();
    }
    double copy_ns(bool streaming) const {
        return static_cast<double>(fenced_ns(
            kind, [&] { copy_pass(kind, tensor_.result.data(), tensor_.values.data(), tensor_.bytes(), streaming); }));
    }

    Tensor tensor_;
    bool streaming_ = true;
    std::string text_;
    bool encode_ = true;
    std::optional<TensorCodec> codec_;
    std::function<void()> plain_;
    std::function<void()> peer_;
};

}  // namespace

int serve_rounds() {
    BackendRuntime const runtime;
    Server server;
    for (std::string line; std::getline(std::cin, line);) {
        try {
            auto const r = server.round({line.substr(1), line[0] == 'e'});
            fmt::print("{} {} {} {} {} {} {} {} {}\n", r.roofline_ns, r.pass_ns, r.plain_ns, r.peer_ns, r.values,
                       r.tensor_bytes, r.traffic_bytes, r.traffic_once_bytes, r.stored_bytes);
        } catch (std::exception const& error) {
            fmt::print("! {}\n", error.what());
        }
        std::fflush(stdout);
    }
    return 0;
}

RoundWorker::RoundWorker(int threads) {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    process_ = fork();
    if (process_ < 0) throw std::runtime_error("no process");
    if (process_ == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
        setenv("OMP_PROC_BIND", "spread", 1);
        setenv("OMP_PLACES", "threads", 1);
        execl("/proc/self/exe", "bench_codecs", "--serve", nullptr);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = fdopen(in[1], "w");
    from_ = fdopen(out[0], "r");
}

RoundWorker::~RoundWorker() {
    std::fclose(to_);
    std::fclose(from_);
    waitpid(process_, nullptr, 0);
}

Round RoundWorker::round(Request const& request) {
    fmt::print(to_, "{}{}\n", request.encode ? 'e' : 'd', request.codec);
    std::fflush(to_);
    std::array<char, 4096> line{};
    if (std::fgets(line.data(), line.size(), from_) == nullptr) throw std::runtime_error("the worker is gone");
    Round r;
    if (std::sscanf(line.data(), "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &r.roofline_ns, &r.pass_ns, &r.plain_ns,
                    &r.peer_ns, &r.values, &r.tensor_bytes, &r.traffic_bytes, &r.traffic_once_bytes,
                    &r.stored_bytes) != 9) {
        throw std::runtime_error(line.data());
    }
    return r;
}

}  // namespace kvstone::bench
