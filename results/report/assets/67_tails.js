// The worst answers of a model, which a mean hides: tails of the KL divergence, kinds of token, and positions.

const tailSets = new Map([
  ["tail", { title: "mean and tail", unit: "KL divergence of a token (nat)", metrics: { kld_mean: "mean", kld_p99: "p99",
    kld_p999: "p99.9", kld_max: "largest" } }],
  ["kind", { title: "kinds of token", unit: "mean KL divergence (nat)", metrics: { kld_mean: "all", kld_mean_digits: "digits",
    kld_mean_punctuation: "punctuation", kld_mean_rare: "rare" } }],
  ["share", { title: "shares of tokens", unit: "share of tokens", metrics: { large_kld_share: "above 0.1 nat",
    sure_top1_flips: "other first choice where the model was sure" } }],
]);
const mostTails = 24, mostPositionLines = 6;

/** The set's metrics that have figures. */
function tailMetrics(key) { return Object.keys(tailSets.get(key).metrics).map(name => metricNamed.get(name)).filter(metric => metric); }

/** Why figures of a row are missing, or not to be relied on. */
function tailDoubts(row) {
  const passages = figure(metricNamed.get("passages"), row);
  return [data.passage_doubts[passages] ?? "", figure(metricNamed.get("kld_p999"), row) === null ? "no p99.9: it takes 1,000 scored tokens" : ""]
    .filter(text => text).join("; ");
}

/** The same of all rows in one sentence. */
function sharedDoubt(rows) {
  const doubts = [...new Set(rows.map(tailDoubts))];
  return doubts.length > 1 ? "Not all cells have as many passages or tokens: the table notes which." : doubts[0] && `Of all cells: ${doubts[0]}.`;
}

function withInterval(metric, row) {
  const value = figure(metric, row), range = value === null ? null : interval(metric, row);
  return range ? `${told(value)} (${range.map(told).join(" to ")})` : told(value);
}

/** Names of rows: the codec, and only that in which the rows differ. */
function shortNames(rows) {
  const differing = ["workload", "source", "context", "batch", "page", "protocol", "options", "backend"].filter(column =>
    new Set(rows.map(row => data.rows[column][row])).size > 1);
  const campaign = new Set(rows.map(row => data.rows.campaign[row])).size > 1;
  return rows.map(row => [cellOf("codec", row), ...differing.map(column => cellOf(column, row)),
    campaign ? campaignLabel[data.rows.campaign[row]] : ""].filter(text => text).join(" · "));
}

/** Both ends of a name of more letters than there is room for. */
function shortened(name, most) {
  return name.length > most ? `${name.slice(0, Math.ceil(most / 2) - 1)}…${name.slice(-Math.floor(most / 2))}` : name;
}

/** An axis of names from top to bottom. */
function nameAxis(names) {
  return { type: "linear", reverse: true, min: -.6, max: names.length - .4, afterBuildTicks: scale => { scale.ticks = names.map((name, value) => ({ value })); },
    ticks: { autoSkip: false, callback(value) { return shortened(names[value], this.chart.width < 500 ? 16 : longestLabel); } } };
}

/** Leaves the ticks that have room beside each other, whole decades where there are some. */
function thinTicks(scale) {
  const decades = scale.ticks.filter(tick => Number.isInteger(Number(Math.log10(tick.value).toFixed(9))));
  const shown = decades.length > 2 ? decades : scale.ticks, step = Math.ceil(shown.length * 90 / scale.chart.width);
  scale.ticks = shown.filter((tick, place) => place % step === 0);
}

function addTails() {
  const tails = tailMetrics("tail").filter(metric => metric.name !== "kld_mean");
  if (!tails.length) return;
  const order = ["kld_p999", "kld_p99", "kld_max"].map(name => metricNamed.get(name));
  const sorted = () => filteredRows().filter(row => tails.some(metric => figure(metric, row) !== null)).map(row =>
    ({ row, key: order.map(metric => figure(metric, row) ?? Infinity) })).sort((a, b) => a.key.map((value, i) =>
    value === b.key[i] ? 0 : value - b.key[i]).find(difference => difference) ?? 0).map(of => of.row);
  const sets = [...tailSets.keys()].filter(key => tailMetrics(key).some(metric => metric.name !== "kld_mean"));
  let shown = sets[0];
  const part = section("tails", "Tails", "The worst answers, which a mean hides: how far a codec moves the prediction of a token, on average, at the " +
    "worst 1% and 0.1% of all tokens, and at most. Cells are sorted by p99.9, then by p99; bars are 95% intervals over passages.");
  part.append(element("div", { class: "choices" }, choice("Figures", sets.map(key => [key, tailSets.get(key).title]), shown,
    key => { shown = key; entry.draw(); })));
  const entry = addPlot(part, "tails", () => {
    const all = sorted(), drawn = all.slice(0, mostTails), { title, unit, metrics: words } = tailSets.get(shown), metrics = tailMetrics(shown);
    const along = axis(unit, metrics.flatMap(metric => extentOf(metric, drawn.map(row => ({ row, part: "" }))))), names = shortNames(drawn);
    const rowsOf = metrics.map(metric => drawn.filter(row => figure(metric, row) !== null));
    const datasets = metrics.map((metric, place) => ({ label: words[metric.name], pointStyle: markers[place], pointRadius: 5, pointHoverRadius: 8,
      backgroundColor: palette[place], borderColor: palette[place], spanColour: palette[place],
      data: rowsOf[place].map(row => ({ x: along.place(figure(metric, row)), y: drawn.indexOf(row) + (place - (metrics.length - 1) / 2) * .18 })),
      spans: rowsOf[place].map(row => ({ x: spanOf(metric, row, along) })) }));
    return { label: `${title} of ${all.length} cells, sorted by p99.9.`, rows: all, height: `${drawn.length * 1.6 + 7}rem`,
      hint: [along.hint, all.length > mostTails ? `The first ${mostTails} of ${all.length} cells: the table has all.` : "",
        all.length ? sharedDoubt(drawn) : "No cell with such figures passes the filters."].filter(text => text).join(" "),
      columns: [...rowColumns([]), ...[...new Set(sets.flatMap(tailMetrics))].map(metric => ({ title: titled(metric), number: true,
        of: row => withInterval(metric, row) })), { title: "Note", wide: true, of: tailDoubts }],
      open: (dataset, index) => openCell(rowsOf[dataset][index]),
      config: { type: "scatter", data: { datasets }, options: { scales: { x: { ...along.scale, afterBuildTicks: thinTicks, ticks: { ...along.scale.ticks, autoSkip: false, maxRotation: 0 } }, y: nameAxis(names) }, plugins: {
        legend: { position: "bottom", labels: { usePointStyle: true, boxWidth: 8, boxHeight: 6 } }, tooltip: { callbacks: {
          title: items => items.map(item => names[drawn.indexOf(rowsOf[item.datasetIndex][item.dataIndex])]),
          label: item => {
            const row = rowsOf[item.datasetIndex][item.dataIndex];
            return [...rowLines(row, metrics), tailDoubts(row)].filter(line => line);
          } } } } } } };
  });
  addPositions(part, sorted);
}

/** Figures along the position of the token, a line a cell. */
function addPositions(part, sorted) {
  const stored = data.positions.map((of, place) => ({ ...data.metrics.find(metric => metric.name === of.metric), values: data[`p${place}`] }))
    .filter(of => of.values);
  if (!stored.length) return;
  let metric = stored[0];
  part.append(element("div", { class: "choices" }, choice("Along positions", stored.map(of => [of.name, titled(of)]), metric.name,
    name => { metric = stored.find(of => of.name === name); entry.draw(); })));
  const entry = addPlot(part, "positions", () => {
    const all = sorted().filter(row => metric.values[row]), drawn = all.slice(0, mostPositionLines), names = shortNames(drawn);
    const lines = drawn.map(row => Array.from({ length: metric.values[row].length / 2 }, (none, i) =>
      ({ position: metric.values[row][2 * i], value: metric.values[row][2 * i + 1] })));
    const up = axis(titled(metric), lines.flatMap(line => line.map(point => point.value)));
    const points = drawn.flatMap((row, i) => lines[i].map(point => ({ row, ...point })));
    return { label: `${titled(metric)} along positions, ${drawn.length} lines.`, rows: points,
      hint: `${countHint({ shown: drawn, count: all.length })} ${up.hint}`,
      columns: [...rowColumns([]).map(column => ({ ...column, of: point => column.of(point.row) })),
        { title: "Position", number: true, of: point => point.position }, { title: titled(metric), number: true, of: point => point.value }],
      open: dataset => openCell(drawn[dataset]),
      config: { type: "line", data: { datasets: lines.map((line, i) => ({ ...lineStyle(i), label: names[i], pointRadius: 2,
        data: line.map(point => ({ x: point.position, y: up.place(point.value) })) })) }, options: { parsing: false,
        scales: { x: { type: "linear", title: { display: true, text: "position of the token" } }, y: up.scale },
        plugins: { legend: { position: "bottom", labels: { usePointStyle: true, boxWidth: 8, boxHeight: 6 } }, tooltip: { callbacks: {
          title: items => items.map(item => names[item.datasetIndex]),
          label: item => {
            const point = lines[item.datasetIndex][item.dataIndex];
            return [groupOf(drawn[item.datasetIndex]), `${metric.name} from token ${point.position} on: ${told(point.value)}`];
          } } } } } } };
  });
}
