// Encodes and decodes a tensor with a codec text, as a program does that has KVstone's codecs by find_package(kvstone).

#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include <kvstone/codecs/container/tensor_codec.hpp>
#include <kvstone/scenarios/errors.hpp>

namespace {

int fail(char const* why) {
    std::fprintf(stderr, "consumer: %s\n", why);
    return 1;
}

}  // namespace

int main() {
    using namespace kvstone;
    BackendRuntime const runtime(1);
    KvShape const shape{2, 2, 64, 32};  // layers, heads, tokens, channels
    std::vector<float> values(shape.values()), decoded(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0F + static_cast<float>(i) / 4096.0F;
    KvView const original{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
    KvView const target{decoded.data(), ElementType::f32, shape, KvStrides::packed(shape)};

    TensorCodec codec(Codec::parse("fp16 | zstd"), Component::k, shape, ElementType::f32, BackendKind::openmp);
    codec.encode(original);
    codec.decode(target);
    // Rounding to the nearest half of a normal number.
    for (std::size_t i = 0; i < values.size(); ++i)
        if (std::abs(decoded[i] - values[i]) > std::ldexp(values[i], -11)) return fail("a value is no half");

    // The bytes alone give the same values, and are fewer than those of halves: most of the values share their first byte.
    auto const sealed = codec.seal();
    auto const again = decode_container(sealed);
    if (again.size() != decoded.size() * sizeof(float)) return fail("the container has another number of values");
    if (std::memcmp(again.data(), decoded.data(), again.size()) != 0) return fail("the container has other values");
    if (sealed.size() != codec.ledger().stored_bytes()) return fail("the ledger does not count the container");
    if (sealed.size() >= 2 * values.size()) return fail("zstd did nothing");
    if (inspect_container(sealed).codec != "fp16 | zstd") return fail("the container names another codec");

    // Errors are caught by their type, across the library.
    try {
        Codec::parse("fp17");
        return fail("fp17 is a codec");
    } catch (ConfigError const& error) {
        if (error.accepted().empty()) return fail("the error does not say what would be accepted");
    }
    std::printf("%zu bytes of %zu, %zu stages\n", sealed.size(), values.size() * sizeof(float),
                registered_stages().size());
    return 0;
}
