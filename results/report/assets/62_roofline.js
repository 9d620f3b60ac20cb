// How near codecs come to the memory bandwidth of the machine.

const oneLine = { id: "oneLine", afterDatasetsDraw(chart) {
  const x = chart.scales.x.getPixelForValue(1), { top, bottom, left, right } = chart.chartArea;
  if (x < left || x > right) return;
  chart.ctx.save();
  chart.ctx.strokeStyle = themeColour("ink");
  chart.ctx.setLineDash([5, 4]);
  chart.ctx.beginPath();
  chart.ctx.moveTo(x, top);
  chart.ctx.lineTo(x, bottom);
  chart.ctx.stroke();
  chart.ctx.restore();
} };

function addRoofline() {
  const metrics = ["encode_roofline", "decode_roofline"].map(name => metricNamed.get(name)).filter(metric => metric);
  if (!metrics.length) return;
  const most = 30;
  const part = section("roofline", "Share of the memory bandwidth", "Bytes read and written per second, as a share of the copy " +
    "bandwidth that was measured around each attempt. The dashed line is the whole bandwidth; a codec passes it where tensors lie in " +
    "caches. Bars are medians over the filtered cells.");
  addPlot(part, "roofline", () => {
    const rows = filteredRows().filter(row => metrics.some(metric => figure(metric, row) !== null && !isOfCommand(metric, row)));
    const codecs = [...grouped(rows, row => cellOf("codec", row))].map(([name, of]) =>
      ({ name, rows: of, shares: metrics.map(metric => median(of.map(row => figure(metric, row)))) }))
      .sort((a, b) => (b.shares.at(-1) ?? 0) - (a.shares.at(-1) ?? 0));
    const drawn = codecs.slice(0, most);
    return { label: `Shares of the memory bandwidth of ${codecs.length} codecs.`, rows: codecs,
      hint: codecs.length > most ? `The first ${most} of ${codecs.length} codecs: the table has all.` : "",
      columns: [{ title: "Codec", of: codec => codec.name }, { title: "Cells", number: true, of: codec => codec.rows.length },
        ...metrics.map((metric, place) => ({ title: metric.name, number: true, of: codec => codec.shares[place] }))],
      open: (dataset, index) => openCell(drawn[index].rows[0]),
      config: { type: "bar", plugins: [oneLine], data: { labels: drawn.map(codec => codec.name), datasets: metrics.map((metric, place) => ({
        label: metric.name.replace("_roofline", ""), data: drawn.map(codec => codec.shares[place]), backgroundColor: palette[place] })) },
      options: { indexAxis: "y", scales: { x: { beginAtZero: true, title: { display: true, text: "share of the bandwidth" } },
        y: { ticks: { autoSkip: false, font: { size: 10 }, callback(value) { return this.getLabelForValue(value).slice(0, 28); } } } },
      plugins: { legend: { position: "bottom" } } } } };
  });
}
