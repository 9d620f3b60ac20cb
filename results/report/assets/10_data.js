// The data as results/report/page_data.hpp describes it.
const data = JSON.parse(document.getElementById("data").textContent);
const rowCount = data.rows.cell.length;

/** Text or number of a row in a column; texts stand for places in a list. */
function cellOf(column, row) {
  const value = data.rows[column][row];
  return column in data.texts ? data.texts[column][value] : value;
}

/** Metrics whose figures are in the page, those over K and V together. */
const shownMetrics = data.metrics.map((metric, place) => ({ ...metric, place }))
  .filter(metric => metric.component === "" && `v${metric.place}` in data && data[`v${metric.place}`].some(v => v !== null));
const metricNamed = new Map(shownMetrics.map(metric => [metric.name, metric]));

/** A metric's column of K or V alone; the metric itself where the page has no such column. */
const partColumns = new Map(data.metrics.map((metric, place) => [`${metric.name} ${metric.component}`, { ...metric, place }]));
function ofPart(metric, part) {
  const column = metric && part ? partColumns.get(`${metric.name} ${part}`) : null;
  return column && `v${column.place}` in data ? column : metric;
}

/** A row's figure, or null. */
function figure(metric, row) { return metric ? data[`v${metric.place}`][row] : null; }

/** Whether a row's figure is a time of another process: its codec is a command. */
const commands = new Set(data.commands);
function isOfCommand(metric, row) { return Boolean(metric?.speed) && commands.has(cellOf("codec_text", row)); }

/** A row's confidence interval, or null. */
function interval(metric, row) {
  const low = data[`l${metric.place}`], high = data[`h${metric.place}`];
  return low && high && low[row] !== null ? [low[row], high[row]] : null;
}

/** The first of the names that has figures, else the first metric there is. */
function firstMetric(names) {
  return names.map(name => metricNamed.get(name)).find(metric => metric) ?? shownMetrics[0];
}

/** Whether a metric tells codecs apart: somewhere its figures of cells that differ in their codecs alone are not the same. */
function differs(name) {
  const metric = metricNamed.get(name), rows = [...data.rows.cell.keys()].filter(row => figure(metric, row) !== null);
  if (!metric) return false;
  const groups = [...grouped(rows, row => `${cellOf("campaign", row)} ${groupOf(row)}`).values()].filter(of => of.length > 1);
  return !groups.length || groups.some(of => new Set(of.map(row => figure(metric, row))).size > 1);
}

const campaignLabel = data.campaigns.map(c => `${c.started_utc.slice(0, 16).replace("T", " ")}  ${c.build.replace(/^([0-9a-f]{8})[0-9a-f]{4}/, "$1")}` +
  `  ${c.scenario}`);

/** The name of a row's cell, its codec aside. */
function groupOf(row) {
  const parts = [cellOf("workload", row), cellOf("source", row)];
  const context = cellOf("context", row), batch = cellOf("batch", row), page = cellOf("page", row);
  const options = cellOf("options", row), task = cellOf("task", row), protocol = cellOf("protocol", row);
  if (context) parts.push(`${context} tokens`);
  if (batch > 1) parts.push(`batch ${batch}`);
  if (page !== 16) parts.push(`pages of ${page}`);
  if (task) parts.push(task);
  if (protocol) parts.push(protocol);
  if (options && options !== "{}" && !task && !protocol) parts.push(options);
  parts.push(cellOf("backend", row));
  return parts.join(" · ");
}

/** Rows whose key is the same, by key, in order. */
function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

/** A number for people: four significant digits. */
function told(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0 || Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}
function titled(metric) { return metric.unit === "1" ? metric.name : `${metric.name} (${metric.unit})`; }
function median(values) {
  const sorted = values.filter(v => v !== null).sort((a, b) => a - b), middle = sorted.length >> 1;
  if (!sorted.length) return null;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
