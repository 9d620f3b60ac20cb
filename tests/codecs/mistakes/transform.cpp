// Transforms that lack a member each: the messages of check_stage(). See check.

#include "codecs/register_stage.hpp"

namespace kvstone {

/// The members that a Transform needs, and no others.
struct Right : Transform {
    static StageInfo info();
    explicit Right(Options const&);
    std::vector<PlaneSpec> planes(Section const&) const;
    template <class Space>
    void encode(Space const&, Section const&, KvSpan<float const>, KvSpan<float>, Planes, Workspace) const;
    template <class Space>
    void decode(Space const&, Section const&, ConstPlanes, KvSpan<float>, Workspace) const;
    void carry_bounds(Section const&, float const*, double*) const;
};
static Register<Right> const right;

struct OfTwoKinds : Right, Quantiser {
    using Right::Right;
};
// refused: a stage derives, publicly, from one of Transform, Quantiser and Entropy
static Register<OfTwoKinds> const of_two_kinds;

struct NoInfo : Right {
    using Right::Right;
    static std::string info();
};
// refused: a stage has `static StageInfo info()`, which is public
static Register<NoInfo> const no_info;

struct NoConstructor : Right {};
// refused: a stage has the constructor `explicit S(Options const&)`, which is public
static Register<NoConstructor> const no_constructor;

struct PlanesOfAnInput : Right {
    using Right::Right;
    std::vector<PlaneSpec> planes(PlaneSpec const&) const;
};
// refused: a Transform has `std::vector<PlaneSpec> planes(Section const&) const`
static Register<PlanesOfAnInput> const planes_of_an_input;

struct EncodesInPlace : Right {
    using Right::Right;
    template <class Space>
    void encode(Space const&, Section const&, KvSpan<float>, Planes, Workspace) const;
};
// refused: a Transform has, for any Space, `void encode(Space const&, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes, Workspace) const`
static Register<EncodesInPlace> const encodes_in_place;

struct DecodesFromWritablePlanes : Right {
    using Right::Right;
    template <class Space>
    void decode(Space const&, Section const&, Planes, KvSpan<float>, Workspace) const;
};
// refused: a Transform has, for any Space, `void decode(Space const&, Section const&, ConstPlanes, KvSpan<float> values, Workspace) const`
static Register<DecodesFromWritablePlanes> const decodes_from_writable_planes;

struct CarriesFloatBounds : Right {
    using Right::Right;
    void carry_bounds(Section const&, float const*, float*) const;
};
// refused: a Transform has `void carry_bounds(Section const&, float const* values, double* bounds) const`
static Register<CarriesFloatBounds> const carries_float_bounds;

struct WorkspaceOfNothing : Right {
    using Right::Right;
    std::size_t workspace_bytes() const;
};
// refused: a Transform's workspace_bytes is `std::size_t workspace_bytes(Section const&) const`
static Register<WorkspaceOfNothing> const workspace_of_nothing;

struct PagesThatChange : Right {
    using Right::Right;
    std::uint64_t page_tokens(Section const&);
};
// refused: a Transform's page_tokens is `std::uint64_t page_tokens(Section const&) const`
static Register<PagesThatChange> const pages_that_change;

/// The members that a Transform needs that changes the shape.
struct RightReshape : Right {
    using Right::Right;
    KvShape coded_shape(Section const&) const;
    template <class Space>
    void decode(Space const&, Section const&, ConstPlanes, KvSpan<float const>, KvSpan<float>, Workspace) const;
    void carry_bounds(Section const&, float const*, double const*, double*) const;
};
static Register<RightReshape> const right_reshape;

struct ShapeOfAWritableSection : RightReshape {
    using RightReshape::RightReshape;
    KvShape coded_shape(Section&) const;
};
// refused: a Transform's coded_shape is `KvShape coded_shape(Section const&) const`
static Register<ShapeOfAWritableSection> const shape_of_a_writable_section;

struct DecodesInPlace : RightReshape {
    using RightReshape::RightReshape;
    template <class Space>
    void decode(Space const&, Section const&, ConstPlanes, KvSpan<float>, Workspace) const;
};
// refused: a Transform with a coded_shape has, for any Space, `void decode(Space const&, Section const&, ConstPlanes, KvSpan<float const> coded, KvSpan<float> values, Workspace) const`
static Register<DecodesInPlace> const decodes_in_place;

struct CarriesBoundsInPlace : RightReshape {
    using RightReshape::RightReshape;
    void carry_bounds(Section const&, float const*, double*) const;
};
// refused: a Transform with a coded_shape has `void carry_bounds(Section const&, float const* values, double const* coded_bounds, double* bounds) const`
static Register<CarriesBoundsInPlace> const carries_bounds_in_place;

}  // namespace kvstone
