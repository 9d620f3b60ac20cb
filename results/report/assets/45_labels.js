// Names beside points, where they cover neither each other nor another point.

const longestLabel = 30;

/** The area that the intervals of the first dataset cover. */
function intervalBoxes(chart, points) {
  return (chart.data.datasets[0].spans ?? []).flatMap((span, i) => Object.entries(span).filter(([, ends]) => ends).map(([along, ends]) => {
    const [from, to] = ends.map(end => chart.scales[along].getPixelForValue(end)).sort((a, b) => a - b), { x, y } = points[i];
    return along === "x" ? { x: from, y: y - 2, width: to - from, height: 4 } : { x: x - 2, y: from, width: 4, height: to - from };
  }));
}

/** Places for a label around a point, the nearest first: [x, y] of its left and upper edge. */
function labelPlaces(point, width, height) {
  const places = [];
  for (const away of [7, 14, 24, 36, 52, 70, 92]) {
    const across = [point.x + away, point.x - away - width], up = point.y - away - height, down = point.y + away;
    const beside = point.y - height / 2, over = point.x - width / 2;
    places.push([across[0], beside], [over, up], [across[0], up], [across[0], down], [over, down], [across[1], beside],
      [across[1], up], [across[1], down]);
  }
  return places;
}

/** The point of a box that is nearest to a point. */
function nearestOf(box, point) {
  return { x: Math.min(Math.max(point.x, box.x), box.x + box.width), y: Math.min(Math.max(point.y, box.y), box.y + box.height) };
}

/** Whether the line from a point to its label crosses another label. */
function crosses(point, box, other) {
  const end = nearestOf(box, point), steps = 24;
  for (let i = 1; i < steps; ++i) {
    const x = point.x + (end.x - point.x) * i / steps, y = point.y + (end.y - point.y) * i / steps;
    if (x > other.x && x < other.x + other.width && y > other.y && y < other.y + other.height) return true;
  }
  return false;
}

function meet(a, b) { return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height; }

/**
 * Labels of points, where there is room for them, beside points and their intervals: {text, box, point}. `wanted`: [{text, index, first}]; those that are `first`
 * are placed before all others, and may stand far away, with a line to their point.
 */
function placeLabels(chart, wanted, points) {
  const { ctx, chartArea: area } = chart, height = 12, placed = [];
  const taken = points.map(({ x, y }) => ({ x: x - 4, y: y - 4, width: 8, height: 8 })).concat(intervalBoxes(chart, points));
  const margin = 5; // beyond the edge, so that a point on it can have its name beside it
  const fits = box => box.x >= area.left && box.y >= area.top - margin && box.x + box.width <= chart.width && box.y + box.height <= area.bottom + margin &&
    !placed.some(other => meet(box, other.box)) && !taken.some(other => meet(box, other));
  for (const label of [...wanted].sort((a, b) => b.first - a.first)) {
    const point = points[label.index];
    if (point.x < area.left || point.x > area.right || point.y < area.top || point.y > area.bottom) continue;
    const text = label.text.length > longestLabel ? `${label.text.slice(0, longestLabel - 1)}…` : label.text;
    if (placed.some(other => other.text === text && Math.hypot(other.point.x - point.x, other.point.y - point.y) < 12)) continue;
    const width = ctx.measureText(text).width + 4, places = labelPlaces(point, width, height);
    const found = (label.first ? places : places.slice(0, 8)).map(([x, y]) => ({ x, y, width, height })).find(box => fits(box) &&
      !placed.some(other => crosses(point, box, other.box) || crosses(other.point, other.box, box)));
    if (found) placed.push({ text, box: found, point, first: label.first });
  }
  return placed;
}

/** The first dataset's points get the labels of `chart.options.pointLabels`; which ones had room is in `chart.placedLabels`. */
const pointLabels = { id: "pointLabels", afterDatasetsDraw(chart) {
  const wanted = chart.options.pointLabels ?? [], { ctx } = chart;
  ctx.save();
  ctx.font = `11px ${Chart.defaults.font.family}`;
  ctx.textBaseline = "top";
  const points = chart.getDatasetMeta(0).data.map(point => point.getProps(["x", "y"], true));
  chart.placedLabels = placeLabels(chart, wanted, points);
  for (const { text, box, point } of chart.placedLabels) {
    const nearest = nearestOf(box, point);
    if (Math.hypot(nearest.x - point.x, nearest.y - point.y) > 12) {
      ctx.strokeStyle = themeColour("line");
      ctx.beginPath();
      ctx.moveTo(point.x, point.y);
      ctx.lineTo(nearest.x, nearest.y);
      ctx.stroke();
    }
    ctx.strokeStyle = themeColour("panel");
    ctx.lineWidth = 3;
    ctx.strokeText(text, box.x + 2, box.y);
    ctx.lineWidth = 1;
    ctx.fillStyle = themeColour("ink");
    ctx.fillText(text, box.x + 2, box.y);
  }
  ctx.restore();
} };
