// qjl: the signs of random projections of a vector, and its norm.
//
// Purpose    keys of 1 bit for each row of S, without scale or zero point of a group: scores of queries that are not
//            quantised have no bias. Meant for K: attention reads K through inner products alone, whose errors average
//            out, while each decoded value is far off.
// Source     Zandieh, Daliri, Han, "QJL: 1-Bit Quantized JL Transform for KV Cache Quantization with Zero Overhead", 2024
//            (definition 3.1): matrix=gaussian. As shipped (github.com/amirzandieh/QJL): matrix=orthogonal, by a QR
//            decomposition of each d rows, times sqrt(d); and beside it a second sketch of the few largest channels of
//            each group of tokens, which is not here: `outliers:axis=channel` before this stage stands for it.
// Planes     payload: m signs a vector, bit r 1 where row r of S times the vector is not negative (see
//                     random_sketch.hpp)
//            scales:  n = |x|, binary16, one a vector
//            Both in [layer, head, token] order. x' = sqrt(pi/2) / m n S^T sign(S x). S follows from the seed and is
//            not stored.
// Options    sketch=F   rows of S for each value of a vector: m = F d, rounded up to a multiple of 8
//            matrix=gaussian|orthogonal
//            seed=N
// Example    (0, 0, 0, 0), sketch=2: payload ff, scales 00 00. (0, -3, 4, 0): scales 00 45 (n = 5); its payload and that
//            of (0, 3, -4, 0) have no bit in common, and together they have all.
// Error      (pi d/2 - 1) / m of the energy (gaussian), (pi/2 - 1) d / m (orthogonal, about, m a multiple of d). Of
//            a single value the bound is its magnitude, and n sqrt(pi/2) / m times the magnitudes of its column of S.
// Saturation n beyond 65504 is stored as that. Decoded values beyond the largest number of the tensor's type become that
//            number.
// NaN, Inf, denormals: NaN counts as 0, Inf as the vector's largest finite magnitude with its sign. Denormals are
//            values as any other; an n below 2^-25 becomes 0, and so does the vector.

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/random_sketch.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// Signs and norms; a page is one token.
struct SketchedVectors {
    Sketch sketch;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        float values[most_sketched_values];
        copy_finite(page.values, page.dim, largest_magnitude(page.values, page.dim), values);
        sketch.store(values, page.dim, to[0], to[1]);
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        float sums[most_sketched_values];
        float values[most_sketched_values];
        for (std::uint64_t i = 0; i < page.dim; ++i) values[i] = 0;
        sketch.add(from[0], from[1], page.dim, sums, values);
        for (std::uint64_t i = 0; i < page.dim; ++i) page.values[i] = nearest_element<T>(values[i]);
    }
};

class Qjl : public Quantiser {
  public:
    static StageInfo info();
    explicit Qjl(Options const& options)
        : book_(options.choice("matrix") == "gaussian" ? SketchMatrix::gaussian : SketchMatrix::orthogonal,
                options.number("sketch"), static_cast<std::uint64_t>(options.integer("seed"))) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        book_.prepare("qjl", section.shape.dim);
        auto const vectors = section.shape.vectors();
        auto const signs = book_.rows(section.shape.dim) / 8;
        return {{LedgerLine::payload, vectors * signs, false, 1, signs},
                {LedgerLine::scales, vectors * sizeof(Float16), false, sizeof(Float16), 1}};
    }
    std::size_t workspace_bytes(Section const& section) const { return book_.bytes(section.shape.dim); }
    double nominal_bits(Section const& section) const {
        return static_cast<double>(book_.rows(section.shape.dim)) / static_cast<double>(section.shape.dim);
    }

    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes,
                Workspace workspace) const {
        auto const sketch = book_.put(space, section.shape.dim, workspace);
        std::array<PagePlane<std::byte>, 2> const pages{
            {{planes[0].data, sketch.sign_bytes(), 0}, {planes[1].data, sizeof(Float16), 0}}};
        encode_pages(space, values, 1, pages, SketchedVectors{sketch});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values,
                Workspace workspace) const {
        auto const sketch = book_.put(space, section.shape.dim, workspace);
        std::array<PagePlane<std::byte const>, 2> const pages{
            {{planes[0].data, sketch.sign_bytes(), 0}, {planes[1].data, sizeof(Float16), 0}}};
        decode_pages(space, pages, 1, values, SketchedVectors{sketch});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    SketchBook book_;
};

StageInfo Qjl::info() {
    StageInfo info;
    info.name = "qjl";
    info.summary = "the signs of random projections of a vector, and its norm: unbiased scores";
    info.source = "QJL (Zandieh et al. 2024), definition 3.1; matrix=orthogonal as shipped";
    info.non_finite = NonFinite::mixed;
    info.engines = {{.differs = "no engine has it"}};
    info.options = {
        number_option("sketch", std::nullopt, 0, most_rows_per_value, true, "rows of S for each value of a vector"),
        choice_option("matrix", "gaussian", {"gaussian", "orthogonal"}, "as published, or as shipped"),
        integer_option("seed", 0, 0, 4294967295, "of S"),
    };
    info.examples = {"qjl:sketch=4", "qjl:sketch=2,matrix=orthogonal"};
    info.side_bits = {0.25, "an fp16 norm for each vector of 64 values"};
    return info;
}

void Qjl::error_bounds(Section const& section, float const* values, double* bounds) const {
    auto const dim = section.shape.dim;
    book_.prepare("qjl", dim);
    auto const reach = book_.reach(dim);
    std::vector<float> finite(dim);
    for (std::uint64_t first = 0; first < section.shape.values(); first += dim) {
        copy_finite(values + first, dim, largest_magnitude(values + first, dim), finite.data());
        double const norm = to_float(stored_norm(square_sum(finite.data(), dim)));
        for (std::uint64_t i = 0; i < dim; ++i) {
            bounds[first + i] = std::fabs(static_cast<double>(finite[i])) + norm * reach[i] * (1 + 0x1p-10);
        }
    }
}

static Register<Qjl> const registered;

}  // namespace kvstone
