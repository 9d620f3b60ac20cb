#pragma once
// The process that runs a codec library for an attempt.

#include <string>
#include <vector>

namespace kvstone {

/// `kvstone-attempt --codec-library PATH [KEY=VALUE...]`: loads the library, and answers the frames of frame.hpp on its
/// standard input with frames on its standard output, until the input ends. Requests, and their answers:
///   {call: describe}                          {description}
///   {call: max_bytes, component, box}         {bytes}
///   {call: encode, component, box}, values    {ns}, the bytes
///   {call: decode, component, box}, bytes     {ns}, the values
/// `component` is "k" or "v", `box` [layers, heads, tokens, dim, first layer, first head, first token]. A call that the library
/// refuses is answered with {refused: {kind, text}}, kind as in LibraryRefusal, and so is every call where the library cannot
/// be loaded. `ns` is the time of the library's function alone. Values and bytes lie in memory of this process, like that of
/// our own codecs, and are read and written outside of that time.
int serve_library(std::string const& path, std::vector<std::string> const& options);

}  // namespace kvstone
