#include "harness/sources/kv_pair.hpp"

namespace kvstone {
namespace {

constexpr char const* kv_cache = "kv_cache";

class KvCache : public ArrayFile {
  public:
    KvCache(ArrayFile const& file, KvCacheForm form) : file_(file) {
        path_ = file.path();
        metadata_ = file.metadata();
        arrays_ = file.arrays();
        auto info = file.arrays().at(kv_cache);
        bool const pair = form == KvCacheForm::pair;
        if (!pair && info.shape.size() == 3) info.shape[1] *= info.shape[0];
        if (info.shape.size() == 3) info.shape.erase(info.shape.begin());
        info.layout = pair ? "token head*dim" : "token dim";
        half_bytes_ = array_bytes(info.shape, info.element_bytes, path_);
        arrays_["kv_cache.k"] = info;
        if (pair) arrays_["kv_cache.v"] = info;
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        if (name != "kv_cache.k" && name != "kv_cache.v") return file_.bytes(name);
        auto const whole = file_.bytes(kv_cache);
        return {whole, whole.get() + (name == "kv_cache.v" ? half_bytes_ : 0)};
    }

  private:
    ArrayFile const& file_;
    std::uint64_t half_bytes_ = 0;
};

}  // namespace

KvCacheForm kv_cache_form(ArrayFile const& file, bool latent) {
    auto const found = file.arrays().find(kv_cache);
    if (found == file.arrays().end() || file.arrays().size() != 1) return KvCacheForm::none;
    auto const& info = found->second;
    if (info.fortran_order || info.shape.size() < 2 || info.shape.size() > 3) return KvCacheForm::none;
    return info.shape.size() == 3 && info.shape[0] == 2 && !latent ? KvCacheForm::pair : KvCacheForm::latent;
}

std::unique_ptr<ArrayFile> split_kv_cache(ArrayFile const& file, KvCacheForm form) {
    return std::make_unique<KvCache>(file, form);
}

}  // namespace kvstone
