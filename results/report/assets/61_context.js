// How figures change with the length of the context: a line per codec and other differences.

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

/** Colour, marker and dash of the line at a place. */
function lineStyle(place) {
  const colour = palette[place % palette.length];
  return { spanColour: colour, borderColor: colour, backgroundColor: colour, borderWidth: 2, pointRadius: 4,
    pointStyle: markers[place % markers.length], borderDash: place >= palette.length / 2 ? [5, 3] : [] };
}

/** Datasets of lines; `x` is a row's place across, `y` the axis of the metric. */
function lineDatasets(lines, metric, x, y) {
  return lines.map((line, place) => ({ ...lineStyle(place), label: line.name, data: line.rows.map(row => ({ x: x(row), y: y.place(figure(metric, row)) })),
    spans: line.rows.map(row => ({ y: spanOf(metric, row, y) })) }));
}

/** Lines of one codec have one colour in all charts; other differences have a marker and a dash. */
function styleByCodec(datasets, lines) {
  const codecs = [...new Set(lines.map(line => line.codec))], others = [...new Set(lines.map(line => line.other))];
  if (codecs.length === lines.length || others.length > markers.length) return datasets;
  return datasets.map((dataset, i) => {
    const colour = palette[codecs.indexOf(lines[i].codec) % palette.length], other = others.indexOf(lines[i].other);
    return { ...dataset, borderColor: colour, backgroundColor: colour, spanColour: colour, pointStyle: markers[other], borderDash: [[], [5, 3], [2, 2]][other % 3] };
  });
}

function addContext() {
  // Lossless codecs all have the same error: they are compared by their ratio.
  let metric = firstMetric(["kld_mean", "attention_kl", "nmse"].filter(differs).concat(["ratio_vs_fp16", "decode_gb_per_s"]));
  const part = section("context", "Over context length", "One line for each codec, model, workload and backend. Bars are 95% intervals.");
  part.append(element("div", { class: "choices" }, metricChoice("Metric", shownMetrics, metric, chosen => { metric = chosen; entry.draw(); })));
  const entry = addPlot(part, "context", () => {
    const rows = filteredRows(["context"]).filter(row => figure(metric, row) !== null && cellOf("context", row) > 0)
      .sort((a, b) => cellOf("context", a) - cellOf("context", b));
    const other = row => [cellOf("workload", row), cellOf("source", row), cellOf("task", row), cellOf("protocol", row),
      cellOf("backend", row), filters.campaign === "" ? campaignLabel[data.rows.campaign[row]] : ""].filter(text => text).join(" · ");
    const lines = linesOf(rows, row => `${cellOf("codec", row)} · ${other(row)}`, 2), drawn = lines.shown;
    for (const line of drawn) Object.assign(line, { codec: cellOf("codec", line.rows[0]), other: other(line.rows[0]) });
    const lengths = [...new Set(drawn.flatMap(line => line.rows.map(row => cellOf("context", row))))].sort((a, b) => a - b);
    const yAxis = axis(titled(metric), extentOf(metric, drawn.flatMap(line => line.rows.map(row => ({ row })))));
    return { label: `${titled(metric)} over context length, ${drawn.length} lines.`, hint: `${countHint(lines)} ${yAxis.hint}`, rows: drawn.flatMap(line => line.rows),
      columns: rowColumns([metric]), open: (dataset, index) => openCell(drawn[dataset].rows[index]),
      config: { type: "line", data: { datasets: styleByCodec(lineDatasets(drawn, metric, row => cellOf("context", row), yAxis), drawn) }, options: {
        parsing: false, scales: { x: { ...axis("tokens", lengths).scale, afterBuildTicks: scale => { scale.ticks = lengths.map(value => ({ value })); } },
          y: yAxis.scale },
        plugins: { legend: { position: "bottom", labels: { usePointStyle: true, boxWidth: 8, boxHeight: 6 } }, tooltip: { callbacks: {
          title: items => items.map(item => drawn[item.datasetIndex].name),
          label: item => rowLines(drawn[item.datasetIndex].rows[item.dataIndex], [metric]) } } } } } };
  });
}
