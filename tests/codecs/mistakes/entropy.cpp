// Entropy stages that lack a member each: the messages of check_stage(). See check.

#include "codecs/register_stage.hpp"

namespace kvstone {

/// The members that an Entropy needs, and no others.
struct Right : Entropy {
    static StageInfo info();
    explicit Right(Options const&);
    std::vector<PlaneSpec> planes(PlaneSpec const&) const;
    template <class Space>
    void encode(Space const&, PlaneSpec const&, ConstPlane, Planes, Workspace) const;
    template <class Space>
    void decode(Space const&, PlaneSpec const&, ConstPlanes, Plane&, Workspace) const;
};
static Register<Right> const right;

struct OfNoKind {
    static StageInfo info();
    explicit OfNoKind(Options const&);
};
// refused: a stage derives, publicly, from one of Transform, Quantiser and Entropy
static Register<OfNoKind> const of_no_kind;

struct ConstructedOfNothing : Right {
    ConstructedOfNothing();
};
// refused: a stage has the constructor `explicit S(Options const&)`, which is public
static Register<ConstructedOfNothing> const constructed_of_nothing;

struct OnePlane : Right {
    using Right::Right;
    PlaneSpec planes(PlaneSpec const&) const;
};
// refused: an Entropy has `std::vector<PlaneSpec> planes(PlaneSpec const& input) const`
static Register<OnePlane> const one_plane;

struct EncodesASection : Right {
    using Right::Right;
    template <class Space>
    void encode(Space const&, Section const&, ConstPlane, Planes, Workspace) const;
};
// refused: an Entropy has, for any Space, `void encode(Space const&, PlaneSpec const& input_spec, ConstPlane input, Planes, Workspace) const`
static Register<EncodesASection> const encodes_a_section;

struct EncodesAndChanges : Right {
    using Right::Right;
    template <class Space>
    void encode(Space const&, PlaneSpec const&, ConstPlane, Planes, Workspace);
};
// refused: an Entropy has, for any Space, `void encode(Space const&, PlaneSpec const& input_spec, ConstPlane input, Planes, Workspace) const`
static Register<EncodesAndChanges> const encodes_and_changes;

struct DecodesIntoACopy : Right {
    using Right::Right;
    template <class Space>
    void decode(Space const&, PlaneSpec const&, ConstPlanes, Plane, Workspace) const;
};
// refused: an Entropy has, for any Space, `void decode(Space const&, PlaneSpec const& input_spec, ConstPlanes, Plane& input, Workspace) const`
static Register<DecodesIntoACopy> const decodes_into_a_copy;

struct DecodesFromWritablePlanes : Right {
    using Right::Right;
    template <class Space>
    void decode(Space const&, PlaneSpec const&, Planes, Plane&, Workspace) const;
};
// refused: an Entropy has, for any Space, `void decode(Space const&, PlaneSpec const& input_spec, ConstPlanes, Plane& input, Workspace) const`
static Register<DecodesFromWritablePlanes> const decodes_from_writable_planes;

struct WorkspaceOfASection : Right {
    using Right::Right;
    std::size_t workspace_bytes(Section const&) const;
};
// refused: an Entropy's workspace_bytes is `std::size_t workspace_bytes(PlaneSpec const& input) const`
static Register<WorkspaceOfASection> const workspace_of_a_section;

struct HostOnlyAsMember : Right {
    using Right::Right;
    bool host_only = true;
};
// refused: an Entropy's host_only is `static constexpr bool host_only = true`
static Register<HostOnlyAsMember> const host_only_as_member;

}  // namespace kvstone
