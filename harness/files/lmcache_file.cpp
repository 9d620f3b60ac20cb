// A chunk of tokens that LMCache keeps in its file system or on a server (lmcache/v1/protocol.py, RemoteMetadata; files
// *.data of its fs connector): seven i32, little-endian, then the values
//   bytes of values, format, dtype, shape[4]
//   format   1: KV_2LTD, [2 (K, V), layer, token, heads * channels]; 6: KV_MLA_FMT, of latent attention, [1, layer, token,
//            channels]; others are not read
//   dtype    1, 2: f16, 3: bf16, 4: f32, 5: f64, 6: u8, 7: f8_e4m3, 8: f8_e5m2
// K is called k, V is called v; latent attention has no V. How many heads a row holds is nowhere said. (Files of its
// local disk backend have no such head: they are raw, and need a sidecar.)

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr char const* dtypes[] = {"", "f16", "f16", "bf16", "f32", "f64", "u8", "f8_e4m3", "f8_e5m2"};
constexpr std::int32_t kv_2ltd = 1;
constexpr std::int32_t kv_mla_fmt = 6;

class LmcacheFile : public ArrayFile {
  public:
    explicit LmcacheFile(std::string const& path) : file_(map_file(path)) {
        path_ = path;
        std::array<std::int32_t, 7> head{};
        if (file_.size < sizeof head) throw CorruptData(path + ": truncated: LMCache's files begin with 28 bytes");
        std::memcpy(head.data(), file_.bytes.get(), sizeof head);
        auto const [bytes, format, dtype, planes, layers, tokens, channels] = head;
        if (dtype < 1 || dtype >= static_cast<std::int32_t>(std::size(dtypes)) || bytes < 0 || planes < 0 ||
            layers < 0 || tokens < 0 || channels < 0)
            throw CorruptData(path + ": no file of LMCache's: its head has numbers that none has");
        if (format != kv_2ltd && format != kv_mla_fmt)
            throw ConfigError(path + ": LMCache's memory format", std::to_string(format),
                              {"1 (KV_2LTD)", "6 (KV_MLA_FMT)"});
        bool const latent = format == kv_mla_fmt;
        if (planes != (latent ? 1 : 2))
            throw CorruptData(fmt::format("{}: {} planes, where {}", path, planes,
                                          latent ? "latent attention has one" : "K and V are two"));
        ArrayInfo info{
            dtypes[dtype], dtype_bytes(dtypes[dtype]), {}, false, latent ? "layer token dim" : "layer token head*dim"};
        for (auto const axis : {layers, tokens, channels}) info.shape.push_back(static_cast<std::uint64_t>(axis));
        plane_bytes_ = array_bytes(info.shape, info.element_bytes, path);
        auto const all_bytes = plane_bytes_ * static_cast<std::uint64_t>(planes);
        if (all_bytes != static_cast<std::uint64_t>(bytes) || all_bytes != file_.size - sizeof head)
            throw CorruptData(fmt::format("{}: {} of {} of {} are not the {} bytes that it states, or the {} it has",
                                          path, latent ? "latents" : "K and V", shape_text(info.shape), info.dtype,
                                          bytes, file_.size - sizeof head));
        metadata_["format"] = latent ? "LMCache KV_MLA_FMT" : "LMCache KV_2LTD";
        arrays_["k"] = info;
        if (!latent) arrays_["v"] = info;
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        return file_.at(28 + (name == "v" ? plane_bytes_ : 0));
    }

  private:
    MappedFile file_;
    std::uint64_t plane_bytes_ = 0;
};

}  // namespace

std::unique_ptr<ArrayFile> open_lmcache(std::string const& path) { return std::make_unique<LmcacheFile>(path); }

}  // namespace kvstone
