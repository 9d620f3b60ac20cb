// Every metric by commit and night, with a hint where its level moved.

const movedRows = new Map();
for (const [metric, row] of data.moves) {
  if (!movedRows.has(metric)) movedRows.set(metric, new Set());
  movedRows.get(metric).add(row);
}

/** The changes since the row before it in its line, in words. */
function sinceBefore(rows, index) {
  if (index === 0) return "the first here";
  const before = data.campaigns[data.rows.campaign[rows[index - 1]]], now = data.campaigns[data.rows.campaign[rows[index]]];
  const known = !/(-dirty|unknown)$/.test(now.build); // before schema 7 the edit is not known
  const sameCode = known && before.build === now.build && before.build_type === now.build_type, sameTools = before.toolchain === now.toolchain;
  return sameCode && sameTools ? "the same binary as before" : sameTools ? "another commit, the same toolchain" :
    sameCode ? "the same commit, another toolchain" : "another commit, another toolchain";
}

function addHistory() {
  let metric = firstMetric(["decode_gb_per_s", "bits_per_value", "nmse"]);
  const part = section("history", "By commit and night", "One line for each cell and class of hardware. Bars are 95% intervals. A ring marks where the level moved: a hint, " +
    `not a verdict. Of series of 100 nights without any change ${told(100 * data.false_alarms)}% get one (simulated); figures that are ` +
    "equal to the last digit between runs are marked at every change.");
  part.append(element("div", { class: "choices" }, metricChoice("Metric", shownMetrics, metric, chosen => { metric = chosen; entry.draw(); })));
  const entry = addPlot(part, "history", () => {
    const rows = filteredRows(["campaign"]).filter(row => figure(metric, row) !== null).reverse();
    const place = row => data.rows.campaign[row];
    rows.sort((a, b) => place(a) - place(b));
    const moved = movedRows.get(metric.place) ?? new Set();
    const lines = linesOf(rows, row => `${cellOf("codec", row)} · ${groupOf(row)} · ${data.campaigns[place(row)].hardware_class}`, 2);
    const drawn = lines.shown;
    for (const line of drawn) line.name = line.name.slice(0, line.name.lastIndexOf(" · "));
    const yAxis = axis(titled(metric), extentOf(metric, drawn.flatMap(line => line.rows.map(row => ({ row })))), false);
    const datasets = lineDatasets(drawn, metric, place, yAxis);
    datasets.forEach((dataset, i) => {
      dataset.pointRadius = drawn[i].rows.map(row => moved.has(row) ? 9 : 4);
      dataset.pointBackgroundColor = drawn[i].rows.map(row => moved.has(row) ? "transparent" : dataset.borderColor);
      dataset.pointBorderWidth = drawn[i].rows.map(row => moved.has(row) ? 3 : 1);
    });
    const tableRows = drawn.flatMap(line => line.rows.map((row, index) => ({ row, since: sinceBefore(line.rows, index) })));
    const columns = rowColumns([metric]).map(column => ({ ...column, of: of => column.of(of.row) }));
    columns.push({ title: "Campaign", of: of => campaignLabel[place(of.row)] }, { title: "Since the one before", of: of => of.since },
      { title: "Level moved", of: of => moved.has(of.row) ? "yes" : "" });
    return { label: `${titled(metric)} over ${data.campaigns.length} campaigns, ${drawn.length} lines.`, hint: countHint(lines), rows: tableRows, columns,
      open: (dataset, index) => openCell(drawn[dataset].rows[index]),
      config: { type: "line", data: { datasets }, options: { parsing: false, scales: {
        x: { type: "linear", ticks: { stepSize: 1, maxRotation: 60, callback: value => campaignLabel[value]?.slice(0, 26).replace(/ +/g, " ") ?? "" } },
        y: yAxis.scale },
      plugins: { legend: { position: "bottom", labels: { usePointStyle: true, boxWidth: 8, boxHeight: 6 } }, tooltip: { callbacks: {
        title: items => items.map(item => campaignLabel[item.parsed.x]),
        label: item => {
          const line = drawn[item.datasetIndex], row = line.rows[item.dataIndex];
          return [line.name, ...rowLines(row, [metric]).slice(1), sinceBefore(line.rows, item.dataIndex),
            ...(moved.has(row) ? ["the level moved here (a hint)"] : [])];
        } } } } } } };
  });
}
