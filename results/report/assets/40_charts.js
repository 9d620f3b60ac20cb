// Parts that all charts share: colours, keys, tables behind them.

const charts = [];
const palette = ["#3b7dd8", "#d9822b", "#2e9e6b", "#c2416b", "#7a5cc9", "#8a7a1f", "#1d93a8", "#a3532f", "#5f7285", "#b04fb5",
  "#4f9a1f", "#d1495b"];
const markers = ["circle", "rect", "triangle", "rectRot", "star", "crossRot"];

function themeColour(name) { return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(); }

/** A colour between slow and fast, by share of 1: readable on light and dark ground, and without red against green. */
function speedColour(share) {
  const stops = [[94, 84, 178], [33, 145, 140], [234, 179, 8]], place = Math.min(Math.max(share, 0), 1) * 2;
  const low = stops[Math.floor(Math.min(place, 1.999))], high = stops[Math.floor(Math.min(place, 1.999)) + 1];
  const part = place - Math.floor(Math.min(place, 1.999));
  return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * part)).join(",")})`;
}

/**
 * An axis for values, logarithmic where they are far apart and none is negative; a value's `place` on it. Zeros, which have
 * no logarithm, stand a decade below the others.
 */
function axis(title, values, allowLogarithmic = true) {
  const known = values.filter(value => value !== null), positive = known.filter(value => value > 0);
  const low = positive.reduce((a, b) => Math.min(a, b), Infinity), high = positive.reduce((a, b) => Math.max(a, b), 0);
  const logarithmic = allowLogarithmic && known.every(value => value >= 0) && high / low >= 8;
  const floor = logarithmic && positive.length < known.length ? low / 10 : null;
  return { place: value => value === 0 && floor !== null ? floor : value,
    // Room at the ends: a point on an edge cannot be pointed at.
    scale: { ...logarithmic ? { type: "logarithmic", min: (floor ?? low) / 1.5, max: high * 1.5 } : { type: "linear", grace: "5%" },
      title: { display: true, text: title }, ticks: { callback: value => told(value), maxTicksLimit: 9 } },
    hint: floor !== null ? `Zeros stand at ${told(floor)}, where this axis has no place for them.` : "" };
}

/** The ends of a row's interval for an axis, or nothing. */
function spanOf(metric, row, along) {
  const range = interval(metric, row);
  return range ? range.map(value => along.place(value)) : null;
}

/** Draws the `spans` of datasets, one {x, y} a point: confidence intervals as lines with a bar at each end. */
const intervalBars = { id: "intervalBars", beforeDatasetsDraw(chart) {
  const { ctx, scales, chartArea: { left, right, top, bottom } } = chart, bar = 3;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, right - left, bottom - top);
  ctx.clip();
  ctx.lineWidth = 1;
  chart.data.datasets.forEach((dataset, place) => (chart.isDatasetVisible(place) && dataset.spans || []).forEach((span, i) => {
    const { x, y } = dataset.data[i];
    ctx.strokeStyle = dataset.spanColour ?? themeColour("faint");
    ctx.beginPath();
    for (const [along, ends] of Object.entries(span)) {
      if (!ends) continue;
      const [from, to] = ends.map(end => scales[along].getPixelForValue(end));
      const other = along === "x" ? scales.y.getPixelForValue(y) : scales.x.getPixelForValue(x);
      const point = (value, aside) => along === "x" ? [value, other + aside] : [other + aside, value];
      ctx.moveTo(...point(from, 0));
      ctx.lineTo(...point(to, 0));
      for (const end of [from, to]) {
        ctx.moveTo(...point(end, -bar));
        ctx.lineTo(...point(end, bar));
      }
    }
    ctx.stroke();
  }));
  ctx.restore();
} };

/**
 * Plots side by side, one for each key that `keys()` returns, in a section: as addPlot() otherwise, and `plan(key)` is of one.
 * Plots that stay keep their canvas, and with it the focus.
 */
function addPlots(parent, name, keys, plan) {
  const panels = element("div", { class: "panels" }), made = new Map();
  parent.append(panels);
  const entry = { draw: () => {
    const wanted = keys();
    for (const [key, panel] of made) {
      if (wanted.includes(key)) continue;
      panel.entry.chart?.destroy();
      panel.holder.remove();
      made.delete(key);
    }
    panels.classList.toggle("several", wanted.length > 1);
    for (const key of wanted) {
      if (!made.has(key)) {
        const holder = element("div", {});
        made.set(key, { holder, entry: makePlot(holder, key === "" ? name : `${name}-${key}`, () => plan(key)) });
      }
      panels.append(made.get(key).holder);
    }
    for (const panel of made.values()) panel.entry.draw();
  } };
  charts.push(entry);
  return entry;
}

/**
 * A plot in a section, with a table behind it. `plan()` returns {label, config, columns, rows, open, height}: config is Chart.js's; `height`
 * is of the style, where the usual one does not fit; open(datasetIndex, index) opens the cell of a point. Left and right walk through the points, Enter opens one.
 */
function addPlot(parent, name, plan) {
  const entry = makePlot(parent, name, plan);
  charts.push(entry);
  return entry;
}
function makePlot(parent, name, plan) {
  const canvas = element("canvas", { role: "img", tabindex: "0", id: `plot-${name}` });
  const hint = element("p", { class: "hint" });
  const holder = element("div", { class: "plot" }, canvas);
  const behind = element("details", {}, element("summary", {}, "The same as a table"));
  parent.append(hint, holder, behind);
  const entry = { chart: null, points: [], at: -1, open: null, plan: null };
  const fillTable = () => {
    if (!behind.open || !entry.plan) return;
    while (behind.children.length > 1) behind.lastChild.remove();
    behind.append(table(entry.plan.label, entry.plan.columns, entry.plan.rows));
  };
  behind.addEventListener("toggle", fillTable);
  entry.draw = () => {
    const made = entry.plan = plan();
    canvas.setAttribute("aria-label", `${made.label} Arrow keys walk through the points, Enter opens one; a table follows.`);
    hint.textContent = made.hint ?? "";
    holder.style.height = made.height ?? "";
    // Axes without a point are no plot; the hint says why there is none.
    holder.hidden = behind.hidden = made.config.data.datasets.every(dataset => dataset.data.every(value => value === null));
    made.config.options = { maintainAspectRatio: false, animation: false, onHover: (event, found) => {
      canvas.style.cursor = found.length ? "pointer" : "default";
    }, onClick: (event, found) => found.length && made.open(found[0].datasetIndex, found[0].index), ...made.config.options };
    if (entry.chart) entry.chart.destroy();
    made.config.plugins = [intervalBars, ...made.config.plugins ?? []];
    entry.chart = new Chart(canvas, made.config);
    entry.points = made.config.data.datasets.flatMap((dataset, datasetIndex) => dataset.silent ? [] :
      dataset.data.map((value, index) => ({ datasetIndex, index, value })).filter(point => point.value !== null));
    entry.at = -1;
    entry.open = made.open;
    fillTable();
  };
  canvas.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && entry.points.length) {
      event.preventDefault();
      entry.at = (entry.at + step + entry.points.length) % entry.points.length;
      const { datasetIndex, index } = entry.points[entry.at];
      entry.chart.setActiveElements([{ datasetIndex, index }]);
      entry.chart.tooltip.setActiveElements([{ datasetIndex, index }], { x: 0, y: 0 });
      entry.chart.update();
      announce((entry.chart.tooltip.title ?? []).concat(...(entry.chart.tooltip.body ?? []).map(part => part.lines)).join(", "));
    } else if (event.key === "Enter" && entry.at >= 0) {
      const { datasetIndex, index } = entry.points[entry.at];
      entry.open(datasetIndex, index);
    }
  });
  return entry;
}

/** Lines told in a tooltip of a row. */
function rowLines(row, metrics) {
  return [groupOf(row), ...metrics.filter(metric => metric && figure(metric, row) !== null).map(metric => {
    const range = interval(metric, row);
    const whose = isOfCommand(metric, row) ? ", of another process" : "";
    return `${metric.name}: ${told(figure(metric, row))}${whose}${range ? ` (${told(range[0])} to ${told(range[1])})` : ""}`;
  })];
}

/** Columns of a table of rows: their names, then figures. */
function rowColumns(metrics) {
  return [{ title: "Codec", of: row => element("button", { class: "plain", type: "button", click: () => openCell(row) },
    cellOf("codec", row)) },
    { title: "Cell", of: groupOf }, ...metrics.filter(metric => metric).map(metric =>
      ({ title: titled(metric), number: true, of: row => figure(metric, row) }))];
}

function applyTheme() {
  Chart.defaults.color = themeColour("faint");
  Chart.defaults.borderColor = themeColour("grid");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
}
function drawAll() {
  applyTheme();
  for (const entry of charts) entry.draw();
}
