#include "harness/files/calibration_file.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/safetensors.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/hash_cache.hpp"

namespace kvstone {
namespace {

constexpr char const* version = "1";
constexpr char const* version_with_queries = "2";

HostTensor host_tensor(std::vector<float> const& values, KvShape const& shape) {
    // Not owned: it lives as long as the call that writes it.
    return {ElementType::f32, shape, {reinterpret_cast<std::byte const*>(values.data()), [](std::byte const*) {}}};
}

[[noreturn]] void refuse(std::string const& path, std::string const& why) {
    throw ConfigError("no file of bases: " + why, path, {"a file of `kvstone calibrate`"});
}

std::string text_of(Json const& metadata, char const* key, std::string const& path) {
    if (!metadata.contains(key)) refuse(path, fmt::format("its metadata lack '{}'", key));
    return metadata.at(key).get<std::string>();
}

std::uint64_t whole_number(std::string const& text, std::string const& path) {
    std::uint64_t number = 0;
    if (text.empty() || text.size() > 12) refuse(path, fmt::format("'{}' is no number", text));
    for (auto const c : text) {
        if (c < '0' || c > '9') refuse(path, fmt::format("'{}' is no number", text));
        number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return number;
}

std::vector<float> floats_of(ArrayFile const& file, std::string const& name, KvShape const& shape) {
    auto const found = file.arrays().find(name);
    if (found == file.arrays().end()) refuse(file.path(), fmt::format("it has no tensor '{}'", name));
    if (found->second.dtype != "f32" ||
        found->second.shape != std::vector{shape.layers, shape.heads, shape.tokens, shape.dim})
        refuse(file.path(), fmt::format("tensor '{}' is not f32 of {}x{}x{}x{}", name, shape.layers, shape.heads,
                                        shape.tokens, shape.dim));
    std::vector<float> values(shape.values());
    std::memcpy(values.data(), file.bytes(name).get(), values.size() * sizeof(float));
    return values;
}

std::shared_ptr<Calibration const> read(std::string const& path) {
    auto const file = open_safetensors(path);
    auto const& metadata = file->metadata();
    auto const has = text_of(metadata, "kvstone_calibration", path);
    if (has != version && has != version_with_queries)
        refuse(path, fmt::format("it has another version than {} and {}", version, version_with_queries));
    auto calibration = std::make_shared<Calibration>();
    calibration->path = path;
    calibration->hash = content_hash(path);
    calibration->text_sha256 = metadata.value("text_sha256", "");
    calibration->groups = {text_of(metadata, "over", path), whole_number(text_of(metadata, "layers", path), path),
                           text_of(metadata, "mean", path) == "yes"};
    if (has == version_with_queries) {
        calibration->groups.heads = whole_number(text_of(metadata, "heads", path), path);
        calibration->queries = text_of(metadata, "queries", path) == "yes";
    }
    auto const shape = text_of(metadata, "shape", path);
    std::vector<std::uint64_t> axes;
    for (std::size_t first = 0; first <= shape.size();) {
        auto const end = std::min(shape.find(' ', first), shape.size());
        axes.push_back(whole_number(shape.substr(first, end - first), path));
        first = end + 1;
    }
    if (axes.size() != 4) refuse(path, fmt::format("'{}' is no shape", shape));
    calibration->shape = {axes[0], axes[1], axes[2], axes[3]};
    for (auto const* name : {"k", "k_prerope", "v"}) {
        auto const basis = file->arrays().find(std::string(name) + ".basis");
        if (basis == file->arrays().end()) continue;
        auto const& of = basis->second.shape;
        if (of.size() != 4 || of[2] != of[3]) refuse(path, fmt::format("tensor '{}.basis' is no basis", name));
        auto& tensor = calibration->tensors[name];
        tensor.shape = {of[0], of[1], of[2], of[3]};
        tensor.basis = floats_of(*file, basis->first, tensor.shape);
        auto rows = tensor.shape;
        rows.tokens = 1;
        tensor.variance = floats_of(*file, std::string(name) + ".variance", rows);
        if (calibration->groups.mean) tensor.mean = floats_of(*file, std::string(name) + ".mean", rows);
    }
    return calibration;
}

}  // namespace

void write_calibration(std::string const& path, Calibration const& calibration, Json const& source) {
    std::vector<std::pair<std::string, HostTensor>> tensors;
    for (auto const& [name, tensor] : calibration.tensors) {
        auto rows = tensor.shape;
        rows.tokens = 1;
        tensors.emplace_back(name + ".basis", host_tensor(tensor.basis, tensor.shape));
        if (!tensor.mean.empty()) tensors.emplace_back(name + ".mean", host_tensor(tensor.mean, rows));
        tensors.emplace_back(name + ".variance", host_tensor(tensor.variance, rows));
    }
    auto const& shape = calibration.shape;
    Json metadata{{"kvstone_calibration", version},
                  {"over", calibration.groups.over},
                  {"layers", std::to_string(calibration.groups.layers)},
                  {"mean", calibration.groups.mean ? "yes" : "no"},
                  {"shape", fmt::format("{} {} {} {}", shape.layers, shape.heads, shape.tokens, shape.dim)},
                  {"source", source.dump()}};
    if (calibration.groups.heads > 0 || calibration.queries) {
        metadata["kvstone_calibration"] = version_with_queries;
        metadata["heads"] = std::to_string(calibration.groups.heads);
        metadata["queries"] = calibration.queries ? "yes" : "no";
    }
    if (source.contains("text_sha256")) metadata["text_sha256"] = source.at("text_sha256");
    if (source.value("kind", "") == "model") metadata["model_sha256"] = source.at("sha256");
    write_safetensors(path, tensors, metadata);
}

std::shared_ptr<Calibration const> read_calibration_file(std::string const& path) {
    struct Known {
        FileStamp stamp;
        std::shared_ptr<Calibration const> calibration;
    };
    static std::mutex reading;
    static std::map<std::string, Known> known;
    std::lock_guard const lock(reading);
    auto const stamp = stamp_of(path);
    if (!stamp) refuse(path, "there is none");
    auto const found = known.find(path);
    if (found != known.end() && found->second.stamp == *stamp) return found->second.calibration;
    try {
        auto calibration = read(path);
        known.insert_or_assign(path, Known{*stamp, calibration});
        return calibration;
    } catch (CorruptData const& error) {
        refuse(path, error.what());
    } catch (SystemError const& error) {
        refuse(path, error.what());
    }
}

}  // namespace kvstone
