#pragma once
// Checks of a stage's members: each wrong member is reported in one sentence that shows the right declaration.
//
// Register<S> calls check_stage<S>() before it uses S. Every sentence stands in an assertion of its own on a named
// constant, because compilers explain concepts at length.

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

/// Whether Stage encodes spans of T on some execution space.
template <class Stage, class T>
concept EncodesElements = requires(Stage const& stage, KvSpan<T const> values) {
    stage.encode(Kokkos::DefaultHostExecutionSpace{}, Section{}, values, Planes{}, Workspace{});
};
/// Likewise for decoding.
template <class Stage, class T>
concept DecodesElements = requires(Stage const& stage, KvSpan<T> values) {
    stage.decode(Kokkos::DefaultHostExecutionSpace{}, Section{}, ConstPlanes{}, values, Workspace{});
};

/// The argument of planes() and workspace_bytes(): a Section, or the input's PlaneSpec of an entropy stage.
template <class Stage, class Asked>
concept PlansPlanes = requires(Stage const& stage, Asked const& asked) {
    { stage.planes(asked) } -> std::same_as<std::vector<PlaneSpec>>;
};
template <class Stage, class Asked>
concept PlansWorkspace = requires(Stage const& stage, Asked const& asked) {
    { stage.workspace_bytes(asked) } -> std::convertible_to<std::size_t>;
};
template <class Stage>
concept HasPages = requires(Stage const& stage, Section const& section) {
    { stage.page_tokens(section) } -> std::convertible_to<std::uint64_t>;
};

/// Whether a Transform has a coded_shape() of its own.
template <class Stage>
inline constexpr bool changes_shape = [] {
    if constexpr (requires { &Stage::coded_shape; }) {
        return !std::is_same_v<decltype(&Stage::coded_shape), decltype(&Transform::coded_shape)>;
    } else {
        return true;  // several of that name: check_stage() reports them
    }
}();

template <class Stage>
consteval bool check_changed_shape() {
    constexpr bool shape = requires(Stage const& stage, Section const& section) {
        { stage.coded_shape(section) } -> std::same_as<KvShape>;
    };
    constexpr bool decodes = requires(Stage const& stage, KvSpan<float const> coded, KvSpan<float> values) {
        stage.decode(Kokkos::DefaultHostExecutionSpace{}, Section{}, ConstPlanes{}, coded, values, Workspace{});
    };
    constexpr bool carries =
        requires(Stage const& stage, Section const& section, float const* values, double const* coded_bounds,
                 double* bounds) { stage.carry_bounds(section, values, coded_bounds, bounds); };
    static_assert(shape, "a Transform's coded_shape is `KvShape coded_shape(Section const&) const`");
    static_assert(decodes,
                  "a Transform with a coded_shape has, for any Space, `void decode(Space const&, Section const&, "
                  "ConstPlanes, KvSpan<float const> coded, KvSpan<float> values, Workspace) const`");
    static_assert(carries,
                  "a Transform with a coded_shape has `void carry_bounds(Section const&, float const* values, double "
                  "const* coded_bounds, double* bounds) const`");
    return shape && decodes && carries;
}

template <class Stage>
consteval bool check_kept_shape() {
    constexpr bool decodes = DecodesElements<Stage, float>;
    constexpr bool carries = requires(Stage const& stage, Section const& section, float const* values, double* bounds) {
        stage.carry_bounds(section, values, bounds);
    };
    static_assert(
        decodes,
        "a Transform has, for any Space, `void decode(Space const&, Section const&, ConstPlanes, KvSpan<float> "
        "values, Workspace) const`");
    static_assert(carries,
                  "a Transform has `void carry_bounds(Section const&, float const* values, double* bounds) const`");
    return decodes && carries;
}

template <class Stage>
consteval bool check_transform() {
    constexpr bool planes = PlansPlanes<Stage, Section>;
    constexpr bool encodes = requires(Stage const& stage, KvSpan<float const> in, KvSpan<float> out) {
        stage.encode(Kokkos::DefaultHostExecutionSpace{}, Section{}, in, out, Planes{}, Workspace{});
    };
    constexpr bool workspace = PlansWorkspace<Stage, Section>;
    constexpr bool pages = HasPages<Stage>;
    static_assert(planes, "a Transform has `std::vector<PlaneSpec> planes(Section const&) const`");
    static_assert(encodes,
                  "a Transform has, for any Space, `void encode(Space const&, Section const&, KvSpan<float const> in, "
                  "KvSpan<float> out, Planes, Workspace) const`");
    static_assert(workspace, "a Transform's workspace_bytes is `std::size_t workspace_bytes(Section const&) const`");
    static_assert(pages, "a Transform's page_tokens is `std::uint64_t page_tokens(Section const&) const`");
    bool both = false;
    if constexpr (changes_shape<Stage>) {
        both = check_changed_shape<Stage>();
    } else {
        both = check_kept_shape<Stage>();
    }
    return both && planes && encodes && workspace && pages;
}

template <class Stage>
consteval bool check_quantiser() {
    constexpr bool planes = PlansPlanes<Stage, Section>;
    constexpr bool encodes = EncodesElements<Stage, float>;
    constexpr bool decodes = DecodesElements<Stage, float>;
    constexpr bool encodes_halves = EncodesElements<Stage, Float16> && EncodesElements<Stage, BFloat16>;
    constexpr bool decodes_halves = DecodesElements<Stage, Float16> && DecodesElements<Stage, BFloat16>;
    constexpr bool alike = !decodes || !encodes_halves || decodes_halves;
    constexpr bool nominal = requires(Stage const& stage, Section const& section) {
        { stage.nominal_bits(section) } -> std::convertible_to<double>;
    };
    constexpr bool bounds = requires(Stage const& stage, Section const& section, float const* values, double* to) {
        stage.error_bounds(section, values, to);
    };
    constexpr bool workspace = PlansWorkspace<Stage, Section>;
    constexpr bool pages = HasPages<Stage>;
    constexpr bool reads = requires(Stage const& stage, Section const& section) {
        { stage.encode_reads(section) } -> std::convertible_to<double>;
    };
    static_assert(planes, "a Quantiser has `std::vector<PlaneSpec> planes(Section const&) const`");
    static_assert(
        encodes,
        "a Quantiser has, for any Space and for T = float at least, `void encode(Space const&, Section const&, "
        "KvSpan<T const> values, Planes, Workspace) const`");
    static_assert(
        decodes,
        "a Quantiser has, for any Space and for T = float at least, `void decode(Space const&, Section const&, "
        "ConstPlanes, KvSpan<T> values, Workspace) const`");
    static_assert(alike,
                  "a Quantiser decodes the element types that it encodes: float alone, or Float16 and BFloat16 too");
    static_assert(nominal, "a Quantiser has `double nominal_bits(Section const&) const`");
    static_assert(bounds,
                  "a Quantiser has `void error_bounds(Section const&, float const* values, double* bounds) const`");
    static_assert(workspace, "a Quantiser's workspace_bytes is `std::size_t workspace_bytes(Section const&) const`");
    static_assert(pages, "a Quantiser's page_tokens is `std::uint64_t page_tokens(Section const&) const`");
    static_assert(reads, "a Quantiser's encode_reads is `double encode_reads(Section const&) const`");
    return planes && encodes && decodes && alike && nominal && bounds && workspace && pages && reads;
}

template <class Stage>
consteval bool check_entropy() {
    constexpr bool planes = PlansPlanes<Stage, PlaneSpec>;
    constexpr bool encodes = requires(Stage const& stage, PlaneSpec const& spec) {
        stage.encode(Kokkos::DefaultHostExecutionSpace{}, spec, ConstPlane{}, Planes{}, Workspace{});
    };
    // The size would be set in a copy of the plane, and lost.
    constexpr bool takes_a_copy = requires(Stage const& stage, PlaneSpec const& spec) {
        stage.decode(Kokkos::DefaultHostExecutionSpace{}, spec, ConstPlanes{}, Plane{}, Workspace{});
    };
    constexpr bool decodes = !takes_a_copy && requires(Stage const& stage, PlaneSpec const& spec, Plane& input) {
        stage.decode(Kokkos::DefaultHostExecutionSpace{}, spec, ConstPlanes{}, input, Workspace{});
    };
    constexpr bool workspace = PlansWorkspace<Stage, PlaneSpec>;
    constexpr bool told_where = requires { typename std::bool_constant<Stage::host_only>; };
    static_assert(planes, "an Entropy has `std::vector<PlaneSpec> planes(PlaneSpec const& input) const`");
    static_assert(
        encodes,
        "an Entropy has, for any Space, `void encode(Space const&, PlaneSpec const& input_spec, ConstPlane input, "
        "Planes, Workspace) const`");
    static_assert(decodes,
                  "an Entropy has, for any Space, `void decode(Space const&, PlaneSpec const& input_spec, ConstPlanes, "
                  "Plane& input, Workspace) const`");
    static_assert(workspace,
                  "an Entropy's workspace_bytes is `std::size_t workspace_bytes(PlaneSpec const& input) const`");
    static_assert(told_where, "an Entropy's host_only is `static constexpr bool host_only = true`");
    return planes && encodes && decodes && workspace && told_where;
}

/// Whether Stage has all members that its kind needs. Compiling ends with a sentence about the first that is missing.
template <class Stage>
consteval bool check_stage() {
    constexpr int kinds =
        std::is_base_of_v<Transform, Stage> + std::is_base_of_v<Quantiser, Stage> + std::is_base_of_v<Entropy, Stage>;
    constexpr bool of_one_kind = kinds == 1;
    constexpr bool informs = requires {
        { Stage::info() } -> std::same_as<StageInfo>;
    };
    constexpr bool made_of_options = std::constructible_from<Stage, Options const&>;
    static_assert(of_one_kind, "a stage derives, publicly, from one of Transform, Quantiser and Entropy");
    static_assert(informs, "a stage has `static StageInfo info()`, which is public");
    static_assert(made_of_options, "a stage has the constructor `explicit S(Options const&)`, which is public");
    if constexpr (!of_one_kind || !informs || !made_of_options) {
        return false;
    } else if constexpr (std::is_base_of_v<Transform, Stage>) {
        return check_transform<Stage>();
    } else if constexpr (std::is_base_of_v<Quantiser, Stage>) {
        return check_quantiser<Stage>();
    } else {
        return check_entropy<Stage>();
    }
}

}  // namespace kvstone
