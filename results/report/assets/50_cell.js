// One cell: status, figures, quantiles of its samples, where it was measured, and its other campaigns.

const quantileTitles = ["samples", "least", "5%", "25%", "median", "75%", "95%", "largest"];

function sampleRows(row) {
  return data.samples.map((of, place) => ({ ...of, quantiles: data[`q${place}`]?.[row] })).filter(of => of.quantiles);
}

function circumstances(row) {
  const campaign = data.campaigns[data.rows.campaign[row]];
  return [["Status", cellOf("status", row)], ["Reason", cellOf("reason", row)], ["Codec", cellOf("codec_text", row)],
    ["Cell", cellOf("cell", row)], ["Measured", cellOf("finished_utc", row)], ["Host", cellOf("host", row)],
    ["Vector units", cellOf("vector_units", row)],
    ["Device", cellOf("device", row)], ["Threads", cellOf("threads", row)], ["Processes", cellOf("processes", row)],
    ["Time of the attempt", `${told(cellOf("wall_s", row))} s`],
    ["Memory bandwidth around the attempt", cellOf("roofline_gb_per_s", row) === null ? "" : `${told(cellOf("roofline_gb_per_s", row))} GB/s`],
    ["Campaign", campaign.campaign], ["Build", campaign.build], ["Toolchain", campaign.toolchain],
    ["Hardware", campaign.hardware]].filter(pair => pair[1] !== "" && pair[1] !== null && pair[1] !== undefined);
}

/** How the cell was measured, in one sentence. */
function howMeasured(row) {
  const processes = cellOf("processes", row), threads = cellOf("threads", row), context = cellOf("context", row);
  const campaign = data.campaigns[data.rows.campaign[row]], rate = cellOf("roofline_gb_per_s", row);
  const timed = sampleRows(row).filter(of => of.metric.endsWith("_ns")).map(of => of.quantiles[0]);
  const passes = timed.length ? Math.min(...timed) === Math.max(...timed) ? `${timed[0]}` : `${Math.min(...timed)} to ${Math.max(...timed)}` : "";
  const begun = `On ${cellOf("finished_utc", row).slice(0, 10)} ${processes > 1 ? `${processes} processes, one after the other,` : "one process"}`;
  const host = cellOf("host", row), units = cellOf("vector_units", row);
  return `${begun} ${cellOf("status", row) === "ok" ? "ran" : "tried"} workload ${cellOf("workload", row)} on ${cellOf("source", row)}` +
    `${context ? ` with ${context} tokens` : ""}${cellOf("batch", row) > 1 ? `, batch ${cellOf("batch", row)},` : ""} and codec ` +
    `${cellOf("codec", row)}, on backend ${cellOf("backend", row)}${threads > 0 ? ` with ${threads} thread${threads > 1 ? "s" : ""}` : ""}` +
    `${units ? ` on vector units ${units}` : ""}` +
    `${host ? ` of host ${host}` : ""}${campaign.hardware ? ` (${campaign.hardware})` : ""}, with build ${campaign.build}; ` +
    (passes ? `times are medians over ${passes} timed passes${rate === null ? "" : `, beside a memory bandwidth of ${told(rate)} GB/s that was measured before and after`}.` :
      "no pass was timed.");
}

/** Every column of figures, those of K and V apart included. */
function figureRows(row) {
  return data.metrics.map((metric, place) => ({ ...metric, place }))
    .filter(metric => `v${metric.place}` in data && data[`v${metric.place}`][row] !== null);
}

function openCell(row) {
  const dialog = document.getElementById("cell");
  const others = [];
  for (let other = 0; other < rowCount; ++other)
    if (other !== row && data.rows.cell[other] === data.rows.cell[row]) others.push(other);
  const samples = sampleRows(row);
  dialog.replaceChildren(
    element("header", {}, element("h2", { id: "cell-title" }, `${cellOf("codec", row)} · ${groupOf(row)}`),
      element("button", { type: "button", autofocus: true, click: () => dialog.close() }, "Close")),
    element("p", {}, howMeasured(row)),
    figureRows(row).some(metric => isOfCommand(metric, row)) ? element("p", {}, `* The times of a command are ${data.times_of_a_command}.`) : null,
    table("Circumstances", [{ title: "Fact", of: pair => pair[0] }, { title: "Value", of: pair => pair[1] }], circumstances(row)),
    samples.length ? table("Quantiles of the samples", [{ title: "Metric", of: of => `${of.metric} ${of.component}` },
      ...quantileTitles.map((title, i) => ({ title, number: true, of: of => of.quantiles[i] }))], samples) : null,
    table("Figures", [{ title: "Metric", of: metric => `${metric.name} ${metric.component}` },
      { title: "Value", number: true, of: metric => isOfCommand(metric, row) ? `${told(figure(metric, row))} *` : figure(metric, row) },
      { title: "95% interval", of: metric => interval(metric, row)?.map(told).join(" to ") ?? "" },
      { title: "Unit", of: metric => metric.unit === "1" ? "" : metric.unit }, { title: "Formula", of: metric => metric.formula }],
    figureRows(row)),
    others.length ? table("The same cell in other campaigns", [{ title: "Campaign", of: other => element("button",
      { class: "plain", type: "button", click: () => openCell(other) }, campaignLabel[data.rows.campaign[other]]) },
    { title: "Status", of: other => cellOf("status", other) }, ...["bits_per_value", "kld_mean", "nmse", "decode_gb_per_s"]
      .map(name => metricNamed.get(name)).filter(metric => metric)
      .map(metric => ({ title: titled(metric), number: true, of: other => figure(metric, other) }))], others) : null);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
