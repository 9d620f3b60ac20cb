#include "results/report/verdicts.hpp"

namespace kvstone {

QueryResult gate_verdicts(Store const& store) {
    if (query(store, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'decision'").rows.empty()) return {};
    return query(
        store,
        "SELECT g.finished_utc AS gate, g.policy_name AS policy, d.judgement AS verdict, d.rule, d.codec_name AS "
        "codec, d.component, d.metric, d.base, d.head, d.change, d.low, d.high, d.detectable, d.why, d.waiver FROM "
        "decision d JOIN gate_run g ON g.id = d.gate_run ORDER BY g.id DESC, CASE d.judgement WHEN 'regression' "
        "THEN 0 WHEN 'failed' THEN 1 WHEN 'missing' THEN 2 WHEN 'inconclusive' THEN 3 WHEN 'advisory' THEN 4 ELSE "
        "5 END, d.number LIMIT 500");
}

}  // namespace kvstone
