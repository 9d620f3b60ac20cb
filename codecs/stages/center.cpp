// center: every channel without its mean.
//
// Purpose    keys have channels far from zero; the values without their means need a smaller range. The first step of
//            PCA pipelines (KVTC) and of per-tensor integers on keys.
// Source     mean removal, y = x - m, m the mean of a channel over the section's tokens, for each layer and head.
// Planes     codebooks: m in [layer, head, channel] order, binary16 or f32, little-endian.
//            Sums are taken in double precision over blocks of 16384 / dim tokens (at least 1), then over the blocks in
//            their order; m = sum / tokens, rounded. A channel with NaN or Inf has the mean of its finite values, 0
//            where there are none. As binary16, means lie within +-65504.
// Options    means=fp16|fp32  the type of stored means
// Example    tokens (1, 10), (2, 20), (6, 30): codebooks 00 42 00 4d (3 and 20); behind it `raw` stores -2, -10, -1, 0,
//            3, 10
// Error      the quantiser's bound, and 2^-23 (|x| + the largest magnitude of its channel + that bound) for the
//            arithmetic; from where that sum reaches 2^128 none is given.
// Saturation as binary16, means lie within +-65504: the quantiser codes the rest. Decoded values beyond the largest
//            number of the tensor's type become that number.
// NaN, Inf, denormals: NaN and Inf stay NaN and Inf; denormals are values as any other.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "backends/kernels/channel_rows.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct SubtractMean {
    template <class T>
    KOKKOS_INLINE_FUNCTION float operator()(float value, T mean) const {
        return value - to_float(mean);
    }
};
struct AddMean {
    template <class T>
    KOKKOS_INLINE_FUNCTION float operator()(float value, T mean) const {
        return value + to_float(mean);
    }
};

class Center : public Transform {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "center";
        info.summary = "takes the mean of each channel away";
        info.source = "mean removal, as in KVTC (2025)";
        info.engines = {{.differs = "no engine removes means"}};
        info.options = {choice_option("means", "fp16", {"fp16", "fp32"}, "the type that means are stored in")};
        info.examples = {"center | int8", "center:means=fp32 | raw"};
        info.idle_bytes = {0.5, "adding the mean back rounds the lowest bits of a value away"};
        return info;
    }
    explicit Center(Options const& options) : half_(options.choice("means") == "fp16") {}

    std::uint64_t page_tokens(Section const&) const { return 0; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        std::uint32_t const bytes = half_ ? sizeof(Float16) : sizeof(float);
        return {{LedgerLine::codebooks, section.shape.layers * section.shape.heads * section.shape.dim * bytes, false,
                 bytes, 0}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        auto const& shape = section.shape;
        return shape.layers * shape.heads * channel_sum_rows(shape) * shape.dim * sizeof(double);
    }

    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace workspace) const {
        auto* const sums = reinterpret_cast<double*>(workspace);
        channel_sums(space, in, sums);
        if (half_) {
            take_means(space, in, sums, planes[0].as<Float16>());
            map_with_channel_rows(space, in, out, planes[0].as<Float16>(), SubtractMean{});
        } else {
            take_means(space, in, sums, planes[0].as<float>());
            map_with_channel_rows(space, in, out, planes[0].as<float>(), SubtractMean{});
        }
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        if (half_) {
            map_with_channel_rows(space, read_only(values), values, planes[0].as<Float16>(), AddMean{});
        } else {
            map_with_channel_rows(space, read_only(values), values, planes[0].as<float>(), AddMean{});
        }
    }

    void carry_bounds(Section const& section, float const* values, double* bounds) const {
        auto const& shape = section.shape;
        for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
            for (std::uint64_t c = 0; c < shape.dim; ++c) {
                auto const first = head * shape.tokens * shape.dim + c;
                auto const end = (head + 1) * shape.tokens * shape.dim;
                double largest = 0;
                for (auto i = first; i < end; i += shape.dim) {
                    if (std::isfinite(values[i])) largest = std::max(largest, std::fabs(double{values[i]}));
                }
                for (auto i = first; i < end; i += shape.dim) {
                    auto const reach = std::fabs(double{values[i]}) + largest + bounds[i];
                    bounds[i] += reach < FLT_MAX ? std::ldexp(reach, -23) : std::numeric_limits<double>::infinity();
                }
            }
        }
    }

    /// means[l, h, c] from the rows of channel_sums().
    template <class Space, class T>
    void take_means(Space const& space, KvSpan<float const> values, double const* sums, T* means) const {
        auto const shape = values.shape;
        auto const rows = channel_sum_rows(shape);
        auto const largest = half_ ? 65504.0 : static_cast<double>(FLT_MAX);
        Kokkos::parallel_for(
            "take_means",
            Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.layers * shape.heads * shape.dim)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                auto const group = at / shape.dim;
                auto const channel = at % shape.dim;
                auto const* const row = sums + group * rows * shape.dim + channel;
                double sum = 0;
                for (std::uint64_t r = 0; r < rows; ++r) sum += row[r * shape.dim];
                auto count = shape.tokens;
                if (!(Kokkos::fabs(sum) <= DBL_MAX)) {
                    sum = 0;
                    count = 0;
                    for (std::uint64_t token = 0; token < shape.tokens; ++token) {
                        auto const value = values(group / shape.heads, group % shape.heads, token, channel);
                        if (!(Kokkos::fabs(value) <= FLT_MAX)) continue;
                        sum += static_cast<double>(value);
                        ++count;
                    }
                }
                auto mean = count == 0 ? 0.0 : sum / static_cast<double>(count);
                mean = mean < -largest ? -largest : mean > largest ? largest : mean;
                means[at] = from_float<T>(static_cast<float>(mean));
            });
    }

  private:
    bool half_;
};

static Register<Center> const registered;

}  // namespace kvstone
