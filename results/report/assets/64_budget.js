// How many more hits a codec buys: hit rates of prefix caches over their size.

/** The size of a prefix cache's cell, from its options: {value, unit}, or null. */
function boundOf(row) {
  if (cellOf("workload", row) !== "prefix_cache") return null;
  const options = JSON.parse(cellOf("options", row) || "{}");
  return options.budget ? { value: options.budget / 2 ** 30, unit: "budget (GiB)" } : options.blocks ? { value: options.blocks, unit: "entries" } : null;
}
/** The cell's options that are not its bound, policy first, for people. */
function restOf(row) {
  const { budget, blocks, policy, trace, ...rest } = JSON.parse(cellOf("options", row) || "{}");
  return [policy ?? "lru", cellOf("source", row), trace ? `trace ${trace.slice(0, 8)}` : "", Object.keys(rest).length ? JSON.stringify(rest) : "",
    cellOf("context", row) ? `${cellOf("context", row)} tokens` : "", filters.campaign === "" ? campaignLabel[data.rows.campaign[row]] : ""]
    .filter(text => text).join(" · ");
}

function addBudget() {
  const bounded = [...data.rows.cell.keys()].filter(row => boundOf(row) !== null);
  const units = [...new Set(bounded.map(row => boundOf(row).unit))];
  const choices = ["token_hit_rate", "block_hit_rate", "request_any_hit_rate", "request_all_hit_rate", "time_saved_percent", "entries", "evictions",
    "write_amplification"].map(name => metricNamed.get(name)).filter(metric => metric);
  if (!units.length || !choices.length) return;
  let metric = choices[0], unit = units[0];
  const policies = [...new Set(bounded.map(row => restOf(row).split(" · ")[0]))];
  let policy = policies.length > 1 ? policies[0] : "";  // all of them are more lines than anybody can tell apart
  const part = section("budget", "Hits over the budget", "Hit rates of a cache of prefixes by its size in bytes: a line per codec, policy and other differences.");
  part.append(element("div", { class: "choices" }, metricChoice("Metric", choices, metric, chosen => { metric = chosen; entry.draw(); }),
    choice("Policy", [["", "all"], ...policies.map(name => [name, name])], policy, chosen => { policy = chosen; entry.draw(); }),
    units.length > 1 ? choice("Over", units.map(name => [name, name]), unit, chosen => { unit = chosen; entry.draw(); }) : null));
  const entry = addPlot(part, "budget", () => {
    const place = row => boundOf(row).value;
    const rows = filteredRows().filter(row => boundOf(row)?.unit === unit && figure(metric, row) !== null &&
      (policy === "" || restOf(row).split(" · ")[0] === policy)).sort((a, b) => place(a) - place(b));
    const lines = linesOf(rows, row => `${cellOf("codec", row)} · ${restOf(row)}`, 2), drawn = lines.shown;
    for (const line of drawn) Object.assign(line, { codec: cellOf("codec", line.rows[0]), other: restOf(line.rows[0]) });
    const bounds = [...new Set(drawn.flatMap(line => line.rows.map(place)))].sort((a, b) => a - b);
    const yAxis = axis(titled(metric), drawn.flatMap(line => line.rows.map(row => figure(metric, row))), !metric.name.endsWith("rate"));
    return { label: `${titled(metric)} over ${unit}, ${drawn.length} lines.`, hint: `${countHint(lines)} ${yAxis.hint}`, rows: drawn.flatMap(line => line.rows),
      columns: [...rowColumns([metric]), { title: unit, number: true, of: place }], open: (dataset, index) => openCell(drawn[dataset].rows[index]),
      config: { type: "line", data: { datasets: styleByCodec(lineDatasets(drawn, metric, place, yAxis), drawn) }, options: {
        parsing: false, scales: { x: { ...axis(unit, bounds).scale, afterBuildTicks: scale => { scale.ticks = bounds.map(value => ({ value })); } }, y: yAxis.scale },
        plugins: { legend: { position: "bottom", labels: { usePointStyle: true, boxWidth: 8 } }, tooltip: { callbacks: {
          title: items => items.map(item => drawn[item.datasetIndex].name),
          label: item => rowLines(drawn[item.datasetIndex].rows[item.dataIndex], [metric]) } } } } } };
  });
}
