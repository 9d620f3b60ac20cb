#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "harness/workloads/tier/block_values.hpp"
#include "harness/workloads/tier/cold_store.hpp"
#include "harness/workloads/tier/entry_form.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// Nanoseconds of passes over the same entries, one pass of each kind per round.
struct TransferTimes {
    std::uint64_t entries = 0;
    std::uint64_t raw_bytes = 0;        ///< of their values without a codec
    std::uint64_t stored_bytes = 0;     ///< of the entries on disk
    std::vector<double> encode_ns;      ///< the codec alone
    std::vector<double> disk_write_ns;  ///< the disk alone, including the sync where durability is promised
    std::vector<double> write_ns;       ///< the codec and the disk, overlapped
    std::vector<double> decode_ns;
    std::vector<double> disk_read_ns;  ///< the disk, followed by the link
    std::vector<double> read_ns;
};

/// Opens an empty store in place of the one before.
using OpenStore = std::function<std::unique_ptr<ColdStore>()>;

struct TransferSetting {
    std::uint64_t entries = 0;  ///< number of entries that are written and read at a time
    bool promised = true;       ///< whether a pass of writing ends with a flush
    double link_bytes_per_s = 0;
};

/// Encodes, writes, reads and decodes entries of blocks, each alone and then two at the same time, until the stopping
/// rule is satisfied with both directions. Every write goes to an empty store.
TransferTimes time_transfers(BlockValues const& blocks, EntryForm& form, OpenStore const& open,
                             TransferSetting const& setting, Measure const& measure);

/// How near the overlapped passes came to the slower of their parts: median over rounds of max(alone, alone) / both. At
/// most 1, apart from noise.
double overlap_fraction(std::vector<double> const& codec_ns, std::vector<double> const& disk_ns,
                        std::vector<double> const& both_ns);

}  // namespace kvstone
