// Weights and cache in one budget: all bytes of a model in memory against the distance from a reference model's answers.

/** The rows that data.totals tells of, each with its bytes: {row, part, group, total}. A group's are compared with one another. */
const totalPoints = (() => {
  const rowOf = new Map([...data.rows.cell.keys()].map(row => [`${data.campaigns[data.rows.campaign[row]].campaign} ${cellOf("cell", row)}`, row]));
  return (data.totals ?? []).map(total => ({ row: rowOf.get(`${total.campaign} ${total.cell}`), part: "", group: total.source, total }))
    .filter(point => point.row !== undefined);
})();

/** The bytes of rows as a metric like those that are stored. */
function totalMetric(name) {
  const values = new Array(rowCount).fill(null);
  for (const { row, total } of totalPoints) values[row] = total[name] === undefined ? null : total[name] / 2 ** 20;
  data[`v${name}`] = values;
  return { name: name.replace("_bytes", ""), unit: "MiB", better: "lower", component: "", place: name };
}

/** What pairs that are compared with one another have in common. */
function sharedOf(row) {
  return [filters.campaign === "" ? campaignLabel[data.rows.campaign[row]] : "", `${cellOf("context", row)} tokens`, cellOf("protocol", row)]
    .filter(text => text).join(" · ");
}

function addWeights() {
  const error = metricNamed.get("kld_mean");
  if (!totalPoints.length || !error) return;
  const bytes = ["total_bytes", "weights_bytes", "cache_bytes", "compute_bytes"].map(totalMetric), total = bytes[0];
  const speeds = speedNames.map(name => metricNamed.get(name)).filter(metric => metric && totalPoints.some(({ row }) => figure(metric, row) !== null));
  const files = [...new Set(totalPoints.map(point => point.group))], colourOfFile = name => palette[files.indexOf(name) % palette.length];
  let speed = null;
  const part = section("weights", "Weights and cache", "Each point is a file of weights with a codec of its cache: the bytes of the weights, of " +
    "one sequence's cache and of the engine's buffers, against the distance from the answers of the reference model with a plain cache. A line " +
    "joins the pairs that no other pair beats in both; kvstone choose --models answers for a memory, a context and a number of sequences.");
  const legend = element("div", { class: "scale" });
  part.append(element("div", { class: "choices" }, speeds.length ? choice("Colour", [["", "weights"], ...speeds.map(metric => [metric.name, titled(metric)])],
    "", name => { speed = metricNamed.get(name) ?? null; entry.draw(); }) : null), legend);
  const shown = () => {
    const passing = new Set(filteredRows());
    return totalPoints.filter(point => passing.has(point.row) && figure(error, point.row) !== null);
  };
  const groups = () => [...grouped(shown(), point => point.total.peers).values()].slice(0, mostPanels);
  const keys = () => groups().length > 1 ? groups().map((points, place) => String(place)) : [""];
  const entry = addPlots(part, "weights", keys, key => {
    const points = groups()[Number(key)] ?? [], known = points.map(point => figure(speed, point.row)).filter(value => value !== null);
    const low = Math.min(...known), high = Math.max(...known);
    const colourOf = point => speed === null ? colourOfFile(point.group) : figure(speed, point.row) === null ? themeColour("faint") :
      speedColour(high > low ? (figure(speed, point.row) - low) / (high - low) : .5);
    const axes = { x: axis(titled(total), extentOf(total, points)), y: axis(titled(error), extentOf(error, points)) };
    const cells = pointDataset(points, { across: total, up: error }, axes, colourOf), front = frontOf(points, total, error);
    const line = { type: "line", silent: true, label: "front", data: front.map(point => cells.data[points.indexOf(point)]),
      borderColor: themeColour("faint"), borderWidth: 1, pointRadius: 0, pointHitRadius: 0, order: 2 };
    legend.replaceChildren(...speed === null ? files.map(name => element("span", {}, element("b", { style: `color: ${colourOfFile(name)}` }, "● "), name)) :
      [`${titled(speed)}: ${told(known.length ? low : null)}`, element("i", { style: `background: linear-gradient(90deg, ${speedColour(0)}, ${speedColour(.5)}, ` +
        `${speedColour(1)})` }), told(known.length ? high : null)]);
    const named = points.map((point, index) => ({ index, first: front.includes(point), text: `${cellOf("codec", point.row)} · ${point.group}` }));
    const metrics = [error, ...bytes, ...speeds];
    return { label: `${titled(error)} over ${titled(total)} of ${points.length} pairs of weights and codec.`, hint: axes.y.hint, rows: points,
      columns: [{ title: "Weights", of: point => point.group }, ...rowColumns(metrics).map(column => ({ ...column, of: point => column.of(point.row) })),
        { title: "On the front", of: point => front.includes(point) ? "◆" : "" }],
      open: (dataset, index) => dataset === 0 && openCell(points[index].row),
      config: { type: "scatter", plugins: [pointLabels], data: { datasets: [cells, line] }, options: { pointLabels: named,
        scales: { x: axes.x.scale, y: axes.y.scale }, plugins: { legend: { display: false },
          title: { display: key !== "", text: points.length ? sharedOf(points[0].row) : "", color: themeColour("ink") },
          tooltip: { filter: item => item.datasetIndex === 0, callbacks: { title: items => items.map(item => named[item.dataIndex].text),
            label: item => rowLines(points[item.dataIndex].row, metrics) } } } } } };
  });
}
