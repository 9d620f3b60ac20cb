// lowrank: every vector by its coefficients on fewer axes than it has channels.
//
// Purpose    heads use their channels unevenly: most of a vector lies in a subspace. The codes are of the vector's r
//            coefficients in it; the part across it is lost. Any quantiser may code the coefficients, and other
//            transforms may stand before (`center`, `unrope`) and behind (`hadamard`).
// Source     Chang et al., "Palu", 2024 (heads in groups); Saxena et al., "Eigen Attention", 2024 (each head by itself); Sun
//            et al., "ShadowKV", 2024 (keys of this prompt before RoPE, heads beside each other); Chang et al., "xKV", 2025
//            (layers beside each other, too). Keys before RoPE: `unrope | lowrank`, there is no option for it.
// Equation   y = (x - m) W, back x' = m + y W^T; W has n rows and r orthonormal columns. x: n = dim values of a head
//            (over=head), of all heads of a layer beside each other (heads), of N of them (over=heads,heads=N), of the heads
//            of `layers` layers (layers), in [layer, head, channel] order; the last group may have fewer layers, and as many
//            components as these have values. A tensor of fewer than N heads has one group of them. The next stage gets
//            [layer or group of layers, head or group of heads, token, r].
// Options    rank=R     r; below 1 its share of n, rounded up
//            basis=random  uniformly random axes (seed=N), made again where they are needed: nothing is stored, and
//            each token
//                          can be coded by itself
//            basis=prompt  the principal axes of the section's own tokens, largest eigenvalue first
//            basis=pca     the principal axes of another text's tokens, as `kvstone calibrate` wrote them into the file
//                          bases=PATH (relative to the working folder): they belong to the model, and nothing is stored but
//                          the first digits of the file's SHA-256, hash=H, in the codec's text: any other file is refused.
//                          over, layers, heads and mean are the file's. rope=after|before: the file's bases of keys
//                          after RoPE, or before it, where `unrope` stands before. own_text=no|yes: whether a run may be on
//                          the text that the bases were fitted to. first_layer=N: the file's layer that the tensor's
//                          first one is.
//            mean=no|yes   yes: m is the mean of these tokens, and the axes are of the rest; no: m = 0, the axes are of
//            second
//                          moments. The mean carries most of the energy of keys. For basis=random: `center | lowrank`.
//            stored=fp16|fp32  the type of a prompt's stored basis and mean
// Planes     prompt: codebooks: W^T in [group, component, channel] order; then with mean=yes codebooks: m in [group,
//            channel] order, within +-65504 as binary16; both little-endian. random, pca: none.
// Example    rank=1,basis=prompt of tokens (3, 4) and (6, 8): axis (.6, .8); codebooks cd 38 66 3a; coefficients 5 and 10
//            (0.60009765625 and 0.7998046875 are the axis as stored, 4.99951171875 and 9.9990234375 the coefficients)
// Arithmetic coefficients and values are chains of fused multiply-adds in f32, channel after channel and component after
//            component: the same on every processor that has them. Axes are found in binary64 (LAPACK's dsyevd); their last
//            bits may differ from processor to processor, but a container is decoded with those that it holds. Random ones
//            are the Q of a QR decomposition of normal values (Philox4x32-10) with R's diagonal positive.
// Error      |x - m - W W^T (x - m)|, which is known once the axes are; through |W| the quantiser's bounds; for the
//            arithmetic (n + 3) 2^-24 of the sums of magnitudes on the way there, (r + 2) 2^-24 on the way back. From where
//            such a sum reaches 2^128 none is given.
// NaN, Inf, denormals: NaN or Inf makes all of its vector NaN or Inf, in all heads and layers that it is merged with;
//            axes and means are of the tokens that are finite throughout. Denormals are values as any other.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "backends/kernels/floats.hpp"
#include "codecs/calibration.hpp"
#include "codecs/kernels/fitted_bases.hpp"
#include "codecs/kernels/host_values.hpp"
#include "codecs/kernels/projection.hpp"
#include "codecs/kernels/projection_bounds.hpp"
#include "codecs/kernels/unstored_bases.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

class LowRank : public Transform {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "lowrank";
        info.summary = "keeps the coefficients of vectors on fewer axes than they have channels";
        info.source = "Palu (2024), Eigen Attention (2024), ShadowKV (2024), xKV (2025)";
        info.engines = {{.differs = "no engine projects its cache"}};
        info.options = {
            number_option("rank", std::nullopt, 0, most_fitted_channels, true,
                          "components kept; below 1: their share of the vector's values"),
            choice_option("basis", std::nullopt, {"random", "prompt", "pca"},
                          "random axes, those of the tokens themselves, or of another text"),
            choice_option("over", "head", {"head", "heads", "layers"},
                          "each head by itself, all heads of a layer, or those of several layers"),
            integer_option("layers", 4, 2, 1024, "with over=layers: how many"),
            integer_option("heads", 0, 0, 1024, "with over=heads: how many; 0: all of a layer"),
            choice_option("mean", "no", {"yes", "no"}, "whether the mean is taken away before"),
            choice_option("stored", "fp16", {"fp16", "fp32"}, "the type that basis and mean are stored in"),
            integer_option("seed", 0, 0, 4294967295, "of random axes"),
            choice_option("rope", "after", {"after", "before"}, "of basis=pca: of keys after RoPE or before it"),
            choice_option("own_text", "no", {"yes", "no"}, "of basis=pca: may be of the text that is run"),
            integer_option("first_layer", 0, 0, 65535, "of basis=pca: the file's layer that is the tensor's first"),
            text_option("bases", "none", "of basis=pca: a file of `kvstone calibrate`"),
            text_option("hash", "none", "of basis=pca: its SHA-256 begins so; filled in"),
        };
        info.examples = {"lowrank:rank=0.75,basis=random | fp16", "lowrank:rank=0.75,basis=prompt | fp16",
                         "lowrank:rank=0.75,basis=prompt,over=heads,mean=yes | int:bits=8,axis=token",
                         "lowrank:rank=0.6,basis=random,over=layers,layers=2,seed=3 | fp16",
                         "lowrank:rank=0.5,basis=prompt,stored=fp32 | raw"};
        info.idle_bytes = {0.5, "summing up a value rounds the lowest bits of small coefficients away"};
        info.under = {{"over", "heads", &StageInfo::mixes_heads},
                      {"over", "layers", &StageInfo::mixes_heads},
                      {"over", "layers", &StageInfo::mixes_layers},
                      {"basis", "pca", &StageInfo::calibrated}};
        info.side_bits = {3.02, "with basis=prompt,over=heads: axes of 8 heads of 128 together, on 4096 tokens"};
        return info;
    }
    explicit LowRank(Options const& options)
        : rank_(options.number("rank")),
          basis_(options.choice("basis")),
          over_(options.choice("over")),
          layers_(static_cast<std::uint64_t>(options.integer("layers"))),
          heads_(static_cast<std::uint64_t>(options.integer("heads"))),
          mean_(options.choice("mean") == "yes"),
          half_(options.choice("stored") == "fp16"),
          unstored_(static_cast<std::uint32_t>(options.integer("seed"))) {
        if (rank_ >= 1 && rank_ != std::floor(rank_)) {
            throw ConfigError("a rank is a whole number, or below 1 a share of the vector's values",
                              fmt::format("rank={}", rank_), {"rank=96", "rank=0.75"});
        }
        auto const refuse = [](bool wrong, char const* what, char const* text, char const* instead) {
            if (wrong) throw ConfigError(what, text, {instead});
        };
        refuse(over_ != "layers" && layers_ != 4, "option layers of lowrank goes with over=layers", "layers",
               "over=layers");
        refuse(over_ != "heads" && heads_ != 0, "option heads of lowrank goes with over=heads", "heads", "over=heads");
        refuse(random() && mean_, "random axes come without a mean", "mean=yes", "center | lowrank:basis=random,...");
        refuse(!fitted() && !half_, "no axes are stored but those of a prompt", "stored=fp32", "basis=prompt");
        refuse(!random() && options.integer("seed") != 0, "option seed of lowrank is for random axes", "seed",
               "basis=random");
        bool const before_rope = options.choice("rope") == "before";
        auto const first_layer = static_cast<std::uint64_t>(options.integer("first_layer"));
        bool const of_file = options.text("bases") != "none" || options.text("hash") != "none" || before_rope ||
                             options.choice("own_text") == "yes" || first_layer != 0;
        refuse(basis_ != "pca" && of_file, "bases, hash, rope, own_text and first_layer of lowrank go with basis=pca",
               "lowrank", "basis=pca,bases=FILE.safetensors");
        if (basis_ != "pca") return;
        auto const file = read_calibration(options.text("bases"));
        if (file->groups != CalibrationGroups{over_, over_ == "layers" ? layers_ : 1, mean_, heads_})
            throw ConfigError("these bases are of other groups of vectors", options.text("bases"),
                              {text_of(file->groups)});
        unstored_ = UnstoredBases(file, before_rope, first_layer);
    }
    /// The hash of the file that is named.
    static void complete(std::map<std::string, std::string>& options) {
        if (options.at("basis") != "pca") return;
        auto const& path = options.at("bases");
        if (path == "none")
            throw ConfigError("basis=pca has a file of bases", "lowrank",
                              {"bases=FILE.safetensors (kvstone calibrate)"});
        auto const hash = read_calibration(path)->hash.substr(0, calibration_hash_digits);
        auto& given = options.at("hash");
        if (given != "none" && given != hash)
            throw ConfigError("not the file of bases that the codec names", path, {"a file of hash " + given});
        given = hash;
    }

    std::uint64_t page_tokens(Section const&) const { return !fitted() && over_ == "head" ? 1 : 0; }
    KvShape coded_shape(Section const& section) const { return groups_of(section).coded(); }
    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const groups = groups_of(section);
        auto const most = random() ? most_random_channels : most_fitted_channels;
        if (section.shape.heads % groups.group_heads != 0) {
            throw NotApplicable("groups of heads go into all heads",
                                fmt::format("{} of {}", groups.group_heads, section.shape.heads),
                                {"over=heads without heads=: all of a layer", "over=head"});
        }
        if (groups.length() > most) {
            throw NotApplicable("lowrank merges fewer values than that", fmt::format("vectors of {}", groups.length()),
                                {fmt::format("up to {}", most)});
        }
        if (rank_ > static_cast<double>(groups.length())) {
            throw NotApplicable("lowrank keeps no more components than a vector has values",
                                fmt::format("rank={}", rank_),
                                {fmt::format("up to {}", groups.length()), "a share of them, such as rank=0.75"});
        }
        if (!random() && !fitted()) unstored_.check(groups, section);
        if (!fitted()) return {};
        std::uint32_t const bytes = half_ ? sizeof(Float16) : sizeof(float);
        std::vector<PlaneSpec> specs{
            {LedgerLine::codebooks, basis_place(groups, groups.count()) * bytes, false, bytes, 0}};
        if (mean_)
            specs.push_back({LedgerLine::codebooks, mean_place(groups, groups.count()) * bytes, false, bytes, 0});
        return specs;
    }
    std::size_t workspace_bytes(Section const& section) const {
        auto const groups = groups_of(section);
        auto const packed = packed_bytes(groups);
        return fitted() ? packed + fit_bytes(groups) : packed;
    }

    template <class Space>
    void encode(Space const& space, Section const& section, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace workspace) const {
        auto const groups = groups_of(section);
        if (fitted()) {
            if constexpr (runs_on_host<Space>) {
                fit(space, groups, in, planes, workspace + packed_bytes(groups));
            } else {
                fit_on_host(groups, in, planes);
            }
        }
        project_vectors(space, groups, packed(space, groups, section, read_planes(planes).data(), workspace), in, out);
    }
    template <class Space>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<float const> coded,
                KvSpan<float> values, Workspace workspace) const {
        auto const groups = groups_of(section);
        rebuild_vectors(space, groups, packed(space, groups, section, planes.data(), workspace), coded, values);
    }
    void carry_bounds(Section const& section, float const* values, double const* coded_bounds, double* bounds) const;

    /// The bases as kernels read them; the stored ones are unpacked into the workspace.
    template <class Space>
    PackedBases packed(Space const& space, VectorGroups const& groups, Section const& section, ConstPlane const* planes,
                       Workspace workspace) const {
        auto const places = [&](float const* first) {
            auto const count = PackedBases::count(groups, random());
            auto const* const backward = first + count * PackedBases::forward_values(groups);
            return PackedBases{first, backward,
                               mean_ ? backward + count * PackedBases::backward_values(groups) : nullptr, random()};
        };
        auto* const own = reinterpret_cast<float*>(workspace);
        if (!fitted()) {
            auto const& made = unstored_.packed(groups, section);
            if constexpr (runs_on_host<Space>) return places(made.data());
            copy_to_backend(backend_of<Space>, workspace, reinterpret_cast<std::byte const*>(made.data()),
                            made.size() * sizeof(float));
            return places(own);
        }
        auto const to = places(own);
        auto* const forward = own + (to.forward - own);
        auto* const backward = own + (to.backward - own);
        auto* const mean = mean_ ? own + (to.mean - own) : nullptr;
        if (half_) {
            unpack_bases(space, groups, planes[0].as<Float16>(), mean_ ? planes[1].as<Float16>() : nullptr, forward,
                         backward, mean);
        } else {
            unpack_bases(space, groups, planes[0].as<float>(), mean_ ? planes[1].as<float>() : nullptr, forward,
                         backward, mean);
        }
        return to;
    }

    template <class Space>
    void fit(Space const& space, VectorGroups const& groups, KvSpan<float const> in, Planes planes,
             Workspace workspace) const {
        if (half_) {
            fit_bases(space, groups, in, planes[0].as<Float16>(), mean_ ? planes[1].as<Float16>() : nullptr, workspace);
        } else {
            fit_bases(space, groups, in, planes[0].as<float>(), mean_ ? planes[1].as<float>() : nullptr, workspace);
        }
    }

  private:
    /// A QR decomposition takes seconds from here on.
    static constexpr std::uint64_t most_random_channels = 2048;

    bool random() const { return basis_ == "random"; }
    bool fitted() const { return basis_ == "prompt"; }
    static std::array<ConstPlane, 2> read_planes(Planes planes) {
        std::array<ConstPlane, 2> read{};
        for (std::size_t i = 0; i < planes.size(); ++i) read[i] = {planes[i].data, planes[i].bytes};
        return read;
    }
    VectorGroups groups_of(Section const& section) const {
        auto const& shape = section.shape;
        VectorGroups groups{shape, 1, 1, 1};
        if (over_ != "head") groups.group_heads = heads_ == 0 ? shape.heads : std::min(heads_, shape.heads);
        if (over_ == "layers") groups.group_layers = std::min(layers_, shape.layers);
        auto const length = static_cast<double>(groups.length());
        // A product that ought to be a whole number may lie a little above it.
        auto const rank = rank_ < 1 ? std::ceil(rank_ * length - 1e-9) : rank_;
        groups.rank = static_cast<std::uint64_t>(std::clamp(rank, 1.0, std::max(length, 1.0)));
        return groups;
    }
    std::size_t packed_bytes(VectorGroups const& groups) const {
        return (PackedBases::values(groups, random(), mean_) * sizeof(float) + 255) / 256 * 256;
    }
    /// Of memory that the host cannot read: as the host does it, by way of copies.
    void fit_on_host(VectorGroups const& groups, KvSpan<float const> in, Planes planes) const;

    double rank_;
    std::string basis_;
    std::string over_;
    std::uint64_t layers_;
    std::uint64_t heads_;
    bool mean_;
    bool half_;
    UnstoredBases unstored_;  ///< of random axes and of files
};

void LowRank::fit_on_host(VectorGroups const& groups, KvSpan<float const> in, Planes planes) const {
    auto const kind = BackendKind::cuda;
    auto const values = values_on_host(kind, in);
    std::vector<std::vector<std::byte>> memory;
    std::vector<Plane> host;
    for (auto const& plane : planes) {
        memory.emplace_back(plane.bytes);
        host.push_back({memory.back().data(), plane.bytes});
    }
    Buffer const workspace(BackendKind::openmp, fit_bytes(groups));
    with_space(BackendKind::openmp, [&](auto const& space) {
        fit(space, groups, {values.data(), in.shape, KvStrides::packed(in.shape)}, host, workspace.data());
    });
    fence(BackendKind::openmp);
    for (std::size_t i = 0; i < planes.size(); ++i)
        copy_to_backend(kind, planes[i].data, memory[i].data(), planes[i].bytes);
}

void LowRank::carry_bounds(Section const& section, float const* values, double const* coded_bounds,
                           double* bounds) const {
    auto const groups = groups_of(section);
    auto const strides = KvStrides::packed(section.shape);
    KvSpan<float const> const x{values, section.shape, strides};
    KvSpan<double> const to{bounds, section.shape, strides};
    KvSpan<double const> const allowed{coded_bounds, groups.coded(), KvStrides::packed(groups.coded())};
    std::vector<std::vector<std::byte>> memory;
    std::vector<Plane> fitted_planes;
    for (auto const& spec : planes(section)) {
        memory.emplace_back(spec.bytes);
        fitted_planes.push_back({memory.back().data(), spec.bytes});
    }
    Buffer const workspace(BackendKind::openmp, workspace_bytes(section));
    Kokkos::DefaultHostExecutionSpace const space;
    if (!fitted_planes.empty()) fit(space, groups, x, fitted_planes, workspace.data() + packed_bytes(groups));
    auto const bases = packed(space, groups, section, read_planes(fitted_planes).data(), workspace.data());
    space.fence();
    for (std::uint64_t group = 0; group < groups.count(); ++group) {
        VectorBounds const vectors(groups, bases, group);
        for (std::uint64_t t = 0; t < section.shape.tokens; ++t)
            vectors.carry(x, t, allowed.vector(group / groups.across(), group % groups.across(), t), to);
    }
}

static Register<LowRank> const registered;

}  // namespace kvstone
