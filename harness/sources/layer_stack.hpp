#pragma once
// Caches that are stored as one array per layer.

#include <optional>
#include <string>
#include <utility>

#include "harness/files/array_file.hpp"

namespace kvstone {

/// Whether a name stands for one array per layer: it contains "{layer}" once, as in "past_key_values.{layer}.0".
bool is_layer_pattern(std::string const& name);

/// The arrays that a pattern names, layer 0 first. Throws ConfigError where there is none, or one between is missing.
std::vector<std::string> arrays_of_layers(ArrayFile const& file, std::string const& pattern);

/// Patterns of K and V where the file holds one cache in a format of transformers: a tuple or list of (K, V) of each
/// layer, or DynamicCache (key_cache and value_cache; since 4.54 layers with keys and values); or dicts of k and v.
/// Nothing where there is no such cache, or several.
std::optional<std::pair<std::string, std::string>> usual_layer_patterns(ArrayFile const& file);

/// The file with one more array: the layers of a pattern, joined under the pattern's name, with layers as the first
/// axis. `file` must outlive it. Throws ConfigError as arrays_of_layers() does, and where layers differ in type, shape
/// or order.
std::unique_ptr<ArrayFile> stack_layers(ArrayFile const& file, std::string const& pattern);

/// Axes of a stack, where `layout` is that of each layer's array; empty: the usual one for this number of axes.
std::string layout_of_stack(std::string const& layout, std::size_t axes_of_layer);

}  // namespace kvstone
