// Size against error, coloured by speed: the trade of codecs.

/** Where codecs drop tokens, attention_kl is infinite, and absent: the output's error is there for all. */
const dropsTokens = [...data.rows.cell.keys()].some(row => figure(metricNamed.get("attention_output_error"), row) !== null &&
  figure(metricNamed.get("attention_kl"), row) === null);
const errorNames = ["kld_mean", ...dropsTokens ? [] : ["attention_kl"], "attention_output_error", "nmse", "relative_error_l1",
  "ppl_delta_percent", "acc_delta", "recall_accuracy_delta"];
const speedNames = ["decode_tokens_per_s", "decode_gb_per_s", "encode_gb_per_s", "prefill_tokens_per_s"];

const mostFronts = 12, mostPanels = 12, mostIntervals = 400;
const partNames = { k: "K", v: "V" };

/** The figure of a point: its row's, of K or V where the point is of one of them. Times of commands are compared with none. */
function pointFigure(metric, point) { return isOfCommand(metric, point.row) ? null : figure(ofPart(metric, point.part), point.row); }

/** Points that no other of the list beats in both figures, by the first. */
function frontOf(points, across, up) {
  const sign = metric => metric.better === "higher" ? -1 : 1;
  const sorted = [...points].sort((a, b) => sign(across) * (pointFigure(across, a) - pointFigure(across, b)) ||
    sign(up) * (pointFigure(up, a) - pointFigure(up, b)));
  let best = Infinity;
  return sorted.filter(point => {
    const value = sign(up) * pointFigure(up, point), stands = value < best;
    best = Math.min(best, value);
    return stands;
  });
}

/** The values that an axis has to hold: figures and the ends of their intervals. */
function extentOf(metric, points) {
  return points.flatMap(point => [pointFigure(metric, point), ...interval(ofPart(metric, point.part), point.row) ?? []]);
}

/** Dataset of the points themselves, coloured by a third figure. */
function pointDataset(points, chosen, axes, colourOf) {
  const { across, up } = chosen, groups = [...new Set(points.map(point => point.group))], many = points.length > 2000;
  const place = point => ({ x: axes.x.place(pointFigure(across, point)), y: axes.y.place(pointFigure(up, point)) });
  const style = point => point.part === "v" ? "triangle" : point.part === "k" ? "circle" : markers[groups.indexOf(point.group) % markers.length];
  // An edge keeps both ends of the colours readable on light and dark ground. Markers without an area are edge alone.
  const isEdge = point => ["star", "crossRot"].includes(style(point)), ink = themeColour("faint");
  return { label: "cells", data: points.map(place), order: 1, pointRadius: many ? 2.5 : 5, pointHoverRadius: 8,
    pointStyle: points.map(style), backgroundColor: points.map(colourOf), borderColor: points.map(point => isEdge(point) ? colourOf(point) : ink),
    borderWidth: points.map(point => isEdge(point) ? 1.5 : many ? 0 : 1),
    spans: points.length > mostIntervals ? [] : points.map(point => ({ x: spanOf(ofPart(across, point.part), point.row, axes.x),
      y: spanOf(ofPart(up, point.part), point.row, axes.y) })) };
}

function addPareto() {
  const chosen = { across: firstMetric(["bits_per_value"]), up: firstMetric(errorNames), colour: firstMetric(speedNames), parts: "",
    panels: "" };
  const part = section("pareto", "Size, error and speed", "Each point is a cell, with its 95% interval where it has one. A line joins the " +
    "points that no other point of the same model, context and workload beats in both figures; they bear the codec's name first. The " +
    "line does not look at intervals: kvstone show --pareto does.");
  const set = name => value => { chosen[name] = value; entry.draw(); };
  const scale = element("div", { class: "scale" });
  part.append(element("div", { class: "choices" }, metricChoice("Across", shownMetrics, chosen.across, set("across")),
    metricChoice("Up", shownMetrics, chosen.up, set("up")), metricChoice("Colour", shownMetrics, chosen.colour, set("colour")),
    choice("K and V", [["", "together"], ["kv", "apart"], ["k", "K alone"], ["v", "V alone"]], "", set("parts")),
    choice("Plots", [["", "one"], ["context", "one for each context"]], "", set("panels"))), scale);
  /** A point for each row, or one for K and one for V. */
  const pointsOf = rows => rows.flatMap(row => (chosen.parts === "" ? [""] : [...chosen.parts]).map(of =>
    ({ row, part: of, group: `${data.rows.campaign[row]} ${of} ${groupOf(row)}` })))
    .filter(point => pointFigure(chosen.across, point) !== null && pointFigure(chosen.up, point) !== null);
  const contextsOf = points => [...new Set(points.map(point => cellOf("context", point.row)))].sort((a, b) => a - b);
  const keys = () => {
    const contexts = chosen.panels ? contextsOf(pointsOf(filteredRows())).slice(0, mostPanels) : [];
    return contexts.length ? contexts.map(String) : [""];
  };
  const plan = key => {
    const { across, up, colour } = chosen, all = pointsOf(filteredRows()), contexts = chosen.panels ? contextsOf(all) : [];
    const points = key === "" ? all : all.filter(point => String(cellOf("context", point.row)) === key);
    const speeds = all.map(point => pointFigure(colour, point)).filter(value => value !== null);
    const low = Math.min(...speeds), high = Math.max(...speeds), logarithmic = low > 0;
    const share = value => high === low ? .5 : logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const colourOf = point => pointFigure(colour, point) === null ? themeColour("faint") : speedColour(share(pointFigure(colour, point)));
    // Plots side by side have the same axes.
    const axes = { x: axis(titled(across), extentOf(across, all)), y: axis(titled(up), extentOf(up, all)) };
    const fronts = [...grouped(points.keys(), i => points[i].group).values()].slice(0, mostFronts)
      .map(of => frontOf(of.map(i => points[i]), across, up));
    const cells = pointDataset(points, chosen, axes, colourOf), placeOf = new Map(points.map((point, i) => [point, cells.data[i]]));
    const lines = fronts.map((front, place) => ({ type: "line", silent: true, label: "front", data: front.map(point => placeOf.get(point)),
      borderColor: themeColour("faint"), borderWidth: 1, borderDash: place % 2 ? [4, 3] : [], pointRadius: 0, pointHitRadius: 0, order: 2 }));
    const onFront = new Set(fronts.flat());
    const named = points.map((point, index) => ({ index, first: onFront.has(point),
      text: cellOf("codec", point.row) + (chosen.parts === "kv" ? ` ${partNames[point.part]}` : "") }))
      .filter(label => label.first || points.length <= 200);
    scale.replaceChildren(`${titled(colour)}: ${told(speeds.length ? low : null)}`, element("i", { style:
      `background: linear-gradient(90deg, ${speedColour(0)}, ${speedColour(.5)}, ${speedColour(1)})` }), told(speeds.length ? high : null),
    commands.size ? " (grey: not measured, or a command's times, which are another process's)" : " (grey: not measured)");
    const metrics = point => [across, up, colour].map(metric => ofPart(metric, point.part));
    const where = key === "" ? "" : key === "0" ? "whole context, " : `${key} tokens, `;
    return { label: `${where}${titled(up)} against ${titled(across)} of ${points.length} points, coloured by ${titled(colour)}.`,
      hint: [axes.y.hint, contexts.length > mostPanels && key === keys()[0] ? `${mostPanels} of ${contexts.length} contexts are drawn.` : ""]
        .filter(text => text).join(" "),
      rows: points, columns: [...rowColumns([]).map(column => ({ ...column, of: point => column.of(point.row) })),
        ...chosen.parts === "" ? [] : [{ title: "Of", of: point => partNames[point.part] }],
        ...[across, up, colour].map(metric => ({ title: titled(metric), number: true, of: point => pointFigure(metric, point) }))],
      open: (dataset, index) => dataset === 0 && openCell(points[index].row),
      config: { type: "scatter", plugins: [pointLabels], data: { datasets: [cells, ...lines] }, options: { pointLabels: named,
        scales: { x: axes.x.scale, y: axes.y.scale }, plugins: { legend: { display: false },
          title: { display: key !== "", text: key === "0" ? "whole" : `${key} tokens`, color: themeColour("ink") },
          tooltip: { filter: item => item.datasetIndex === 0, callbacks: {
            title: items => items.map(item => named.find(label => label.index === item.dataIndex)?.text ?? cellOf("codec", points[item.dataIndex].row)),
            label: item => rowLines(points[item.dataIndex].row, metrics(points[item.dataIndex])) } } } } } };
  };
  const entry = addPlots(part, "pareto", keys, plan);
}
