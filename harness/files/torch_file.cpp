// Files of torch.save() (since PyTorch 1.6): a zip archive whose members lie below one folder of any name:
//   NAME/data.pkl    a pickle; each tensor in it is a call of torch._utils._rebuild_tensor_v2 with the arguments
//                    (storage, offset, size, stride, requires_grad, hooks [, metadata]), all in elements. A storage
//                    stands as the persistent id ("storage", torch.FloatStorage, KEY, device, elements).
//                    _rebuild_tensor_v3, of newer types, has (storage of bytes, ..., hooks, dtype [, metadata]). A tensor
//                    with attributes is torch._tensor._rebuild_from_type_v2(one of these, its type, (...), attributes).
//   NAME/data/KEY    a storage's bytes; tensors may share it
//   NAME/byteorder   "little" or "big"; absent in older files, which are little-endian
// Tensors are named by their way through lists, tuples, dicts and attributes: past_key_values.0.1. A file that is one
// tensor calls it "data", as npy does.

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/pickle.hpp"
#include "harness/files/zip_reader.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_pickle_bytes = std::uint64_t{16} << 20;
constexpr std::size_t most_tensors = std::size_t{1} << 16;
constexpr std::size_t most_steps = std::size_t{1} << 20;
constexpr int deepest = 32;
constexpr std::size_t longest_name_bytes = 512;
constexpr std::size_t most_axes = 16;

struct TorchType {
    char const* storage;  ///< of torch; empty: of no storage of its own
    char const* name;     ///< as a dtype, of torch
    char const* dtype;    ///< as ArrayInfo has it
    std::size_t bytes;
};
constexpr TorchType torch_types[] = {{"FloatStorage", "float32", "f32", 4},
                                     {"HalfStorage", "float16", "f16", 2},
                                     {"BFloat16Storage", "bfloat16", "bf16", 2},
                                     {"DoubleStorage", "float64", "f64", 8},
                                     {"CharStorage", "int8", "i8", 1},
                                     {"ByteStorage", "uint8", "u8", 1},
                                     {"BoolStorage", "bool", "BOOL", 1},
                                     {"ShortStorage", "int16", "I16", 2},
                                     {"IntStorage", "int32", "I32", 4},
                                     {"LongStorage", "int64", "I64", 8},
                                     {"", "uint16", "U16", 2},
                                     {"", "uint32", "U32", 4},
                                     {"", "uint64", "U64", 8},
                                     {"Float8_e4m3fnStorage", "float8_e4m3fn", "f8_e4m3", 1},
                                     {"Float8_e5m2Storage", "float8_e5m2", "f8_e5m2", 1},
                                     {"", "float8_e4m3fnuz", "F8_E4M3FNUZ", 1},
                                     {"", "float8_e5m2fnuz", "F8_E5M2FNUZ", 1}};
constexpr char const* untyped_storages[] = {"torch.UntypedStorage", "torch.storage.UntypedStorage"};

TorchType const* type_named(std::string const& global) {
    static std::string const prefix = "torch.";
    for (auto const& type : torch_types)
        if (global == prefix + type.name || (*type.storage != '\0' && global == prefix + type.storage)) return &type;
    return nullptr;
}

bool is_known_global(std::string const& name) {
    static std::set<std::string> const others{"collections.OrderedDict",
                                              "torch.Size",
                                              "torch.device",
                                              "torch.Tensor",
                                              "torch._tensor._rebuild_from_type_v2",
                                              "torch.nn.parameter.Parameter",
                                              "torch._utils._rebuild_parameter",
                                              "torch._utils._rebuild_parameter_with_state",
                                              "torch._utils._rebuild_tensor_v2",
                                              "torch._utils._rebuild_tensor_v3",
                                              "transformers.cache_utils.DynamicCache",
                                              "transformers.cache_utils.DynamicLayer",
                                              "transformers.cache_utils.DynamicSlidingWindowLayer",
                                              "transformers.cache_utils.EncoderDecoderCache",
                                              "transformers.cache_utils.StaticCache",
                                              "transformers.cache_utils.StaticLayer"};
    return others.contains(name) || type_named(name) != nullptr ||
           std::ranges::find(untyped_storages, name) != std::end(untyped_storages);
}

/// Where a tensor's values lie in its storage; all in elements.
struct Place {
    ZipMember const* storage = nullptr;
    std::uint64_t offset = 0;
    std::vector<std::uint64_t> strides;
};

bool is_row_major(std::vector<std::uint64_t> const& shape, std::vector<std::uint64_t> const& strides) {
    std::uint64_t expected = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        if (shape[axis] != 1 && strides[axis] != expected) return false;
        expected *= shape[axis];
    }
    return true;
}

/// Copies an array of any strides into row-major order. Requires that no axis is empty.
void copy_strided(ArrayInfo const& info, std::vector<std::uint64_t> const& strides, std::byte const* from,
                  std::byte* to) {
    auto const axes = info.shape.size();
    auto const size = info.element_bytes;
    auto const row = axes == 0 ? 1 : info.shape.back();
    auto const row_stride = axes == 0 ? 1 : strides.back();
    std::vector<std::uint64_t> at(axes);
    for (;;) {
        std::uint64_t start = 0;
        for (std::size_t axis = 0; axis < axes; ++axis) start += at[axis] * strides[axis];
        if (row_stride == 1) {
            std::memcpy(to, from + start * size, row * size);
        } else {
            for (std::uint64_t i = 0; i < row; ++i)
                std::memcpy(to + i * size, from + (start + i * row_stride) * size, size);
        }
        to += row * size;
        if (axes < 2) return;
        auto axis = axes - 1;
        do {
            if (axis == 0) return;
            --axis;
            at[axis] = (at[axis] + 1) % info.shape[axis];
        } while (at[axis] == 0);
    }
}

class TorchFile : public ArrayFile {
  public:
    explicit TorchFile(std::string const& path) : archive_(path) {
        path_ = path;
        for (auto const& member : archive_.members())
            if (!members_.emplace(member.name, &member).second)
                throw CorruptData(fmt::format("{}: member '{}' stands twice", path_, excerpt(member.name)));
        find_folder();
        check_byte_order();
        auto const program = content_of(*members_.at(folder_ + "data.pkl"), most_pickle_bytes);
        pickle_ = read_pickle(program, is_known_global, path_);
        take(pickle_.root, "", 0);
        pickle_ = {};
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        auto const& info = arrays_.at(name);
        auto const& place = places_.at(name);
        auto const storage = storage_bytes(*place.storage);
        std::shared_ptr<std::byte const> const from(storage, storage->data() + place.offset * info.element_bytes);
        if (is_row_major(info.shape, place.strides)) return from;
        auto packed = std::make_shared<std::vector<std::byte>>(array_bytes(info.shape, info.element_bytes, path_));
        if (!packed->empty()) copy_strided(info, place.strides, from.get(), packed->data());
        return {packed, packed->data()};
    }

  private:
    using Kind = PickleNode::Kind;
    using Bytes = std::vector<std::byte>;

    [[noreturn]] void fail(std::string const& name, std::string const& why) const {
        throw CorruptData(fmt::format("{}: tensor '{}': {}", path_, excerpt(name), why));
    }

    void find_folder() {
        for (auto const& [name, member] : members_) {
            auto const slash = name.find('/');
            if (slash == std::string::npos || name.substr(slash) != "/data.pkl") continue;
            if (!folder_.empty()) throw CorruptData(path_ + ": two pickles in one file");
            folder_ = name.substr(0, slash + 1);
        }
        if (folder_.empty()) throw CorruptData(path_ + ": a zip archive without data.pkl: nothing of torch.save()");
        if (members_.contains(folder_ + "constants.pkl"))
            throw ConfigError(path_ + ": a program of TorchScript, which is no cache: save the tensors alone");
    }
    void check_byte_order() const {
        auto const found = members_.find(folder_ + "byteorder");
        if (found == members_.end()) return;
        auto const bytes = content_of(*found->second, 16);
        std::string const order(reinterpret_cast<char const*>(bytes.data()), bytes.size());
        if (order != "little") throw ConfigError(path_ + ": values of another byte order", excerpt(order), {"little"});
    }
    Bytes content_of(ZipMember const& member, std::uint64_t most_bytes) const {
        if (member.bytes > most_bytes)
            throw CorruptData(fmt::format("{}: member '{}' has {} bytes, more than {}", path_, excerpt(member.name),
                                          member.bytes, most_bytes));
        Bytes content(member.bytes);
        ZipReader::Stream stream(archive_, member);
        stream.read(content);
        stream.expect_end();
        return content;
    }
    /// Tensors that share a storage share the bytes, as long as one is in use.
    std::shared_ptr<Bytes const> storage_bytes(ZipMember const& member) const {
        auto& known = read_[&member];
        auto bytes = known.lock();
        if (!bytes) known = bytes = std::make_shared<Bytes const>(content_of(member, member.bytes));
        return bytes;
    }

    /// Finds the tensors below a value.
    void take(PickleIndex index, std::string const& name, int depth) {
        auto const& node = pickle_[index];
        if (++steps_ > most_steps || depth > deepest)
            throw CorruptData(path_ + ": values within values without an end, or nearly so");
        switch (node.kind) {
            case Kind::list:
            case Kind::tuple:
                for (std::size_t i = 0; i < node.items.size(); ++i)
                    take(node.items[i], name_below(name, std::to_string(i)), depth + 1);
                break;
            case Kind::dict:
                for (std::size_t i = 0; i < node.items.size(); i += 2) {
                    auto const& key = pickle_[node.items[i]];
                    if (key.kind == Kind::text) take(node.items[i + 1], name_below(name, key.text), depth + 1);
                    if (key.kind == Kind::integer)
                        take(node.items[i + 1], name_below(name, std::to_string(key.integer)), depth + 1);
                }
                break;
            case Kind::object:
                if (node.state) take(*node.state, name, depth + 1);
                break;
            case Kind::call:
                take_call(node, name, depth);
                break;
            default:
                break;
        }
    }
    std::string name_below(std::string const& name, std::string const& part) const {
        if (name.size() + part.size() >= longest_name_bytes) fail(name, "a name that is too long");
        return name.empty() ? part : name + "." + part;
    }
    void take_call(PickleNode const& call, std::string const& name, int depth) {
        take_call(pickle_[call.items[0]].text, pickle_[call.items[1]].items, name, depth);
    }
    void take_call(std::string const& callee, std::vector<PickleIndex> const& arguments, std::string const& name,
                   int depth) {
        // A tensor with attributes of its own: (how it is rebuilt, its type, the arguments of that, the attributes).
        if (callee == "torch._tensor._rebuild_from_type_v2") {
            if (arguments.size() != 4 || depth >= deepest) fail(name, "no tensor with attributes");
            take_call(global(arguments[0], name), pickle_[arguments[2]].items, name, depth + 1);
            return;
        }
        if (callee.starts_with("torch._utils._rebuild_parameter")) {
            if (arguments.empty()) fail(name, "a parameter without a tensor");
            take(arguments[0], name, depth + 1);
        } else if (callee.starts_with("torch._utils._rebuild_tensor_v")) {
            take_tensor(arguments, name.empty() ? "data" : name, callee.ends_with("v3"));
        }
    }

    std::uint64_t count(PickleIndex index, std::string const& name) const {
        auto const& node = pickle_[index];
        if (node.kind != Kind::integer || node.integer < 0)
            fail(name, "sizes, strides and offsets are whole numbers from 0");
        return static_cast<std::uint64_t>(node.integer);
    }
    /// Of a tuple, or of torch.Size of one.
    std::vector<std::uint64_t> counts(PickleIndex index, std::string const& name) const {
        auto const* node = &pickle_[index];
        if (node->kind == Kind::call && pickle_[node->items[0]].text == "torch.Size") {
            auto const& arguments = pickle_[node->items[1]].items;
            if (arguments.size() == 1) node = &pickle_[arguments[0]];
        }
        if (node->kind != Kind::tuple && node->kind != Kind::list) fail(name, "a size or stride that is no tuple");
        if (node->items.size() > most_axes) fail(name, fmt::format("more than {} axes", most_axes));
        std::vector<std::uint64_t> result;
        for (auto const item : node->items) result.push_back(count(item, name));
        return result;
    }
    std::string const& global(PickleIndex index, std::string const& name) const {
        if (pickle_[index].kind != Kind::global) fail(name, "a type that is no name");
        return pickle_[index].text;
    }

    /// With `typed_apart`, the storage is one of bytes and the type an argument of its own.
    void take_tensor(std::vector<PickleIndex> const& arguments, std::string const& name, bool typed_apart) {
        std::size_t const metadata = typed_apart ? 7 : 6;
        if (arguments.size() < metadata || arguments.size() > metadata + 1)
            fail(name, fmt::format("rebuilt from {} arguments", arguments.size()));
        auto const& storage = pickle_[arguments[0]];
        if (storage.kind != Kind::persistent) fail(name, "rebuilt from something that is no storage");
        auto const& id = pickle_[storage.items[0]];
        if (id.kind != Kind::tuple || id.items.size() != 5 || pickle_[id.items[0]].text != "storage" ||
            pickle_[id.items[2]].kind != Kind::text)
            fail(name, "a storage that is not named as torch.save() does");
        auto const& type_name = global(typed_apart ? arguments[6] : id.items[1], name);
        auto const* type = type_named(type_name);
        if (type == nullptr) fail(name, "elements of the type " + excerpt(type_name));
        if (arguments.size() > metadata && !pickle_[arguments[metadata]].items.empty())
            fail(name, "a view that negates or conjugates its values: save a copy, as clone() makes it");
        ArrayInfo info{type->dtype, type->bytes, counts(arguments[2], name)};
        Place place{storage_named(pickle_[id.items[2]].text, name), count(arguments[1], name),
                    counts(arguments[3], name)};
        if (place.strides.size() != info.shape.size())
            fail(name, fmt::format("{} strides for {} axes", place.strides.size(), info.shape.size()));
        auto const bytes_each = typed_apart ? 1 : type->bytes;
        auto const stored = array_bytes({count(id.items[4], name)}, bytes_each, path_);
        if (stored > place.storage->bytes)
            fail(name, fmt::format("a storage of {} bytes, of which the file has {} (truncated?)", stored,
                                   place.storage->bytes));
        check_inside(info, place, stored / type->bytes, name);
        if (arrays_.size() >= most_tensors)
            throw CorruptData(fmt::format("{}: more than {} tensors", path_, most_tensors));
        if (!arrays_.emplace(name, std::move(info)).second) fail(name, "two tensors of one name");
        places_[name] = std::move(place);
    }
    ZipMember const* storage_named(std::string const& key, std::string const& name) const {
        auto const found = members_.find(folder_ + "data/" + key);
        if (found == members_.end()) fail(name, "its storage is not in the file: '" + excerpt(key) + "'");
        return found->second;
    }
    /// Every element, first and last, lies within the storage; and there are no more of them than the storage has.
    void check_inside(ArrayInfo const& info, Place const& place, std::uint64_t elements,
                      std::string const& name) const {
        auto const values = array_bytes(info.shape, 1, path_ + ": tensor '" + excerpt(name) + "'");
        if (values == 0) {
            if (place.offset > elements) fail(name, "lies outside of its storage");
            return;
        }
        auto last = place.offset;
        bool overflow = false;
        for (std::size_t axis = 0; axis < info.shape.size(); ++axis) {
            std::uint64_t reach = 0;
            overflow = __builtin_mul_overflow(info.shape[axis] - 1, place.strides[axis], &reach) || overflow;
            overflow = __builtin_add_overflow(last, reach, &last) || overflow;
        }
        if (overflow || last >= elements)
            fail(name, fmt::format("{} from element {} on lies outside of its storage of {} elements",
                                   shape_text(info.shape), place.offset, elements));
        if (values > elements)
            throw ConfigError(
                fmt::format("{}: tensor '{}' repeats its values ({} of {} stored ones, as expand() makes "
                            "them): save it as clone() makes it",
                            path_, excerpt(name), values, elements));
    }

    ZipReader archive_;
    std::map<std::string, ZipMember const*> members_;
    std::string folder_;  ///< with its slash
    Pickle pickle_;       ///< while the file is opened
    std::size_t steps_ = 0;
    std::map<std::string, Place> places_;
    mutable std::map<ZipMember const*, std::weak_ptr<Bytes const>> read_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_torch(std::string const& path) { return std::make_unique<TorchFile>(path); }

}  // namespace kvstone
