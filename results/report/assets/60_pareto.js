// Size against error, coloured by speed: what the codecs trade.

const errorNames = ["kld_mean", "attention_kl", "nmse", "relative_error_l1", "ppl_delta_percent", "acc_delta"];
const speedNames = ["decode_tokens_per_s", "decode_gb_per_s", "encode_gb_per_s", "prefill_tokens_per_s"];

/** Rows that no other of the list beats in both figures, by the first. */
function frontOf(rows, across, up) {
  const sign = metric => metric.better === "higher" ? -1 : 1;
  const sorted = [...rows].sort((a, b) => sign(across) * (figure(across, a) - figure(across, b)) ||
    sign(up) * (figure(up, a) - figure(up, b)));
  let best = Infinity;
  return sorted.filter(row => {
    const value = sign(up) * figure(up, row), stands = value < best;
    best = Math.min(best, value);
    return stands;
  });
}

function addPareto() {
  const chosen = { across: firstMetric(["bits_per_value"]), up: firstMetric(errorNames), colour: firstMetric(speedNames) };
  const part = section("pareto", "What codecs trade", "Each point is a cell; lines join those that no other of the same " +
    "model, context and workload beats in both figures. Intervals are not considered here: kvstone show --pareto does.");
  const set = name => metric => { chosen[name] = metric; entry.draw(); };
  const scale = element("div", { class: "scale" });
  part.append(element("div", { class: "choices" }, metricChoice("Across", shownMetrics, chosen.across, set("across")),
    metricChoice("Up", shownMetrics, chosen.up, set("up")), metricChoice("Colour", shownMetrics, chosen.colour, set("colour"))), scale);
  const entry = addPlot(part, "pareto", () => {
    const { across, up, colour } = chosen;
    const rows = filteredRows().filter(row => figure(across, row) !== null && figure(up, row) !== null);
    const speeds = rows.map(row => figure(colour, row)).filter(value => value !== null);
    const low = Math.min(...speeds), high = Math.max(...speeds), logarithmic = low > 0;
    const share = value => high === low ? .5 : logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const groups = [...grouped(rows, row => `${data.rows.campaign[row]} ${groupOf(row)}`).values()];
    const groupPlace = new Map(groups.flatMap((group, place) => group.map(row => [row, place])));
    const xAxis = axis(titled(across), rows.map(row => figure(across, row))), yAxis = axis(titled(up), rows.map(row => figure(up, row)));
    const point = row => ({ x: xAxis.place(figure(across, row)), y: yAxis.place(figure(up, row)) });
    const datasets = groups.slice(0, 12).map((group, place) => {
      const front = frontOf(group, across, up);
      return { type: "line", silent: true, label: "front", data: front.map(point), borderColor: themeColour("faint"), borderWidth: 1,
        borderDash: place % 2 ? [4, 3] : [], pointRadius: 0, pointHitRadius: 0, stepped: false, order: 2 };
    });
    datasets.unshift({ label: "cells", data: rows.map(point), order: 1, pointRadius: rows.length > 2000 ? 2.5 : 5, pointHoverRadius: 8,
      pointStyle: rows.map(row => markers[groupPlace.get(row) % markers.length]),
      backgroundColor: rows.map(row => figure(colour, row) === null ? themeColour("faint") : speedColour(share(figure(colour, row)))),
      borderColor: themeColour("ground"), borderWidth: rows.length > 2000 ? 0 : 1 });
    scale.replaceChildren(`${titled(colour)}: ${told(speeds.length ? low : null)}`, element("i", { style:
      `background: linear-gradient(90deg, ${speedColour(0)}, ${speedColour(.5)}, ${speedColour(1)})` }), told(speeds.length ? high : null),
    " (grey: not measured)");
    return { label: `${titled(up)} against ${titled(across)} of ${rows.length} cells, coloured by ${titled(colour)}.`,
      hint: yAxis.hint, rows, columns: rowColumns([across, up, colour]), open: (dataset, index) => dataset === 0 && openCell(rows[index]),
      config: { type: "scatter", data: { datasets }, options: { scales: { x: xAxis.scale, y: yAxis.scale },
      plugins: { legend: { display: false }, tooltip: { filter: item => item.datasetIndex === 0, callbacks: {
        title: items => items.map(item => cellOf("codec", rows[item.dataIndex])),
        label: item => rowLines(rows[item.dataIndex], [across, up, colour]) } } } } } };
  });
}
