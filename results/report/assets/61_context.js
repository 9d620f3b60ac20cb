// How figures change with the length of the context: a line per codec and whatever else differs.

const mostLines = 12;

/** Lines through rows: {name, rows}, the ones with most points first, at most `mostLines`; and how many there are. */
function linesOf(rows, key, least) {
  const all = [...grouped(rows, key)].map(([name, of]) => ({ name, rows: of })).filter(line => line.rows.length >= least)
    .sort((a, b) => b.rows.length - a.rows.length);
  return { shown: all.slice(0, mostLines), count: all.length };
}
function countHint({ shown, count }) {
  return count > shown.length ? `${shown.length} of ${count} lines: filter by codec to see others.` : count === 0 ?
    "Nothing here has a second point to draw a line to." : "";
}

/** Datasets of lines; `x` is a row's place across, `y` the axis of the metric. */
function lineDatasets(lines, metric, x, y) {
  return lines.map((line, place) => ({ label: line.name, data: line.rows.map(row => ({ x: x(row), y: y.place(figure(metric, row)) })),
    borderColor: palette[place % palette.length], backgroundColor: palette[place % palette.length], borderWidth: 2, pointRadius: 4,
    pointStyle: markers[place % markers.length], borderDash: place >= palette.length / 2 ? [5, 3] : [] }));
}

function addContext() {
  let metric = firstMetric(["kld_mean", "attention_kl", "nmse", "decode_gb_per_s"]);
  const part = section("context", "Over context length", "One line per codec, model, workload and backend.");
  part.append(element("div", { class: "choices" }, metricChoice("Metric", shownMetrics, metric, chosen => { metric = chosen; entry.draw(); })));
  const entry = addPlot(part, "context", () => {
    const rows = filteredRows(["context"]).filter(row => figure(metric, row) !== null && cellOf("context", row) > 0)
      .sort((a, b) => cellOf("context", a) - cellOf("context", b));
    const name = row => [cellOf("codec", row), cellOf("workload", row), cellOf("source", row), cellOf("task", row), cellOf("protocol", row),
      cellOf("backend", row), filters.campaign === "" ? campaignLabel[data.rows.campaign[row]] : ""].filter(text => text).join(" · ");
    const lines = linesOf(rows, name, 2), drawn = lines.shown;
    const lengths = [...new Set(drawn.flatMap(line => line.rows.map(row => cellOf("context", row))))].sort((a, b) => a - b);
    const yAxis = axis(titled(metric), drawn.flatMap(line => line.rows.map(row => figure(metric, row))));
    return { label: `${titled(metric)} over context length, ${drawn.length} lines.`, hint: `${countHint(lines)} ${yAxis.hint}`, rows: drawn.flatMap(line => line.rows),
      columns: rowColumns([metric]), open: (dataset, index) => openCell(drawn[dataset].rows[index]),
      config: { type: "line", data: { datasets: lineDatasets(drawn, metric, row => cellOf("context", row), yAxis) }, options: {
        parsing: false, scales: { x: { ...axis("tokens", lengths).scale, afterBuildTicks: scale => { scale.ticks = lengths.map(value => ({ value })); } },
          y: yAxis.scale },
        plugins: { legend: { position: "bottom", labels: { usePointStyle: true, boxWidth: 8 } }, tooltip: { callbacks: {
          title: items => items.map(item => drawn[item.datasetIndex].name),
          label: item => rowLines(drawn[item.datasetIndex].rows[item.dataIndex], [metric]) } } } } } };
  });
}
