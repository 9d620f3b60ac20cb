#include "harness/sources/kv_pair.hpp"

namespace kvstone {
namespace {

class KvPair : public ArrayFile {
  public:
    KvPair(ArrayFile const& file, std::string const& name) : file_(file), name_(name) {
        path_ = file.path();
        metadata_ = file.metadata();
        arrays_ = file.arrays();
        auto info = file.arrays().at(name);
        info.shape.erase(info.shape.begin());
        info.layout = "token head*dim";
        half_bytes_ = array_bytes(info.shape, info.element_bytes, path_);
        arrays_[name + ".k"] = arrays_[name + ".v"] = info;
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        if (name != name_ + ".k" && name != name_ + ".v") return file_.bytes(name);
        auto const whole = file_.bytes(name_);
        return {whole, whole.get() + (name.ends_with(".v") ? half_bytes_ : 0)};
    }

  private:
    ArrayFile const& file_;
    std::string name_;
    std::uint64_t half_bytes_ = 0;
};

}  // namespace

std::string kv_pair_of(ArrayFile const& file) {
    auto const found = file.arrays().find("kv_cache");
    if (found == file.arrays().end() || file.arrays().size() != 1) return {};
    auto const& info = found->second;
    return info.shape.size() == 3 && info.shape[0] == 2 && !info.fortran_order ? found->first : std::string();
}

std::unique_ptr<ArrayFile> split_kv(ArrayFile const& file, std::string const& name) {
    return std::make_unique<KvPair>(file, name);
}

}  // namespace kvstone
