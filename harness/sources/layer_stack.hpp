#pragma once
// Caches that are stored as one array a layer.

#include <optional>
#include <string>
#include <utility>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// Whether a name stands for one array a layer: it has "{layer}" in it, once, as in "past_key_values.{layer}.0".
bool is_layer_pattern(std::string const& name);

/// The arrays that a pattern names, layer 0 first. Throws ConfigError where there is none, or one between is missing.
std::vector<std::string> arrays_of_layers(ArrayFile const& file, std::string const& pattern);

/// Patterns of K and V where the file holds one cache as transformers has it: a tuple or list of (K, V) of each layer, or
/// DynamicCache (key_cache and value_cache; since 4.54 layers with keys and values); or dicts of k and v. None where
/// there is no such cache, or several.
std::optional<std::pair<std::string, std::string>> usual_layer_patterns(ArrayFile const& file);

/// A file with one more array: the layers of a pattern behind each other, under the pattern's name, with layers as its
/// first axis. `file` must live as long. Throws ConfigError as arrays_of_layers() does, and where layers differ in type,
/// shape or order.
std::unique_ptr<ArrayFile> stack_layers(ArrayFile const& file, std::string const& pattern);

/// Axes of a stack, where `layout` is that of each layer's array; empty: the usual one of so many axes.
std::string layout_of_stack(std::string const& layout, std::size_t axes_of_layer);

}  // namespace kvstone
