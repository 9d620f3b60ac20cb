// K against V: a table for each model, context and workload whose codecs are pairs.

const mostPairTables = 6;

/** The pipelines of K and of V in codecs such as "k{q8_0} v{q4_0}", else null. */
function pairOf(row) {
  // Codecs from outside go by their names.
  const text = cellOf("codec_text", row).replace(/external:name=([^,{}| ]+),kind=[a-z]+,hash=[0-9a-f]+/g, "$1");
  const found = /^k\{([^{}]*)\} v\{([^{}]*)\}$/.exec(text);
  return found ? found.slice(1) : null;
}

/** Groups of rows with at least two codecs of K and two of V: {name, keys, values, rowOf}, rowOf by both texts. */
function pairGroups(rows) {
  return [...grouped(rows, row => `${data.rows.campaign[row]} ${groupOf(row)}`).values()].map(of => {
    const rowOf = new Map(), keys = new Set(), values = new Set();
    for (const row of of) {
      const pair = pairOf(row);
      if (!pair) continue;
      keys.add(pair[0]);
      values.add(pair[1]);
      rowOf.set(JSON.stringify(pair), row);
    }
    // A codec of both is a pair with itself.
    for (const row of of) {
      const text = cellOf("codec_text", row), both = JSON.stringify([text, text]);
      if (keys.has(text) && values.has(text) && !rowOf.has(both)) rowOf.set(both, row);
    }
    const campaign = filters.campaign === "" ? `${campaignLabel[data.rows.campaign[of[0]]]} · ` : "";
    return { name: campaign + groupOf(of[0]), keys: [...keys], values: [...values], rowOf };
  }).filter(group => group.keys.length > 1 && group.values.length > 1);
}

/** Ground and ink of a figure: share 1 is the best. */
function heatStyle(share) {
  return `background: ${speedColour(share)}; color: ${share < .3 ? "#ffffff" : "#000000"}`;
}

function pairTable(group, metric, size) {
  const points = [...group.rowOf.values()].map(row => ({ row, part: "" })).filter(point => figure(metric, point.row) !== null);
  const known = points.map(point => figure(metric, point.row)), low = Math.min(...known), high = Math.max(...known);
  const positive = known.filter(value => value > 0), floor = Math.min(...positive);
  const logarithmic = low >= 0 && positive.length > 0 && high / floor >= 8;
  const place = value => logarithmic ? Math.log(Math.max(value, floor)) : value, span = place(high) - place(low);
  const share = value => metric.better === "higher" ? (place(value) - place(low)) / span : (place(high) - place(value)) / span;
  const sized = size ? points.filter(point => figure(size, point.row) !== null) : [];
  const front = new Set(frontOf(sized, size, metric).map(point => point.row));
  const cell = (k, v) => {
    const row = group.rowOf.get(JSON.stringify([k, v])), value = row === undefined ? null : figure(metric, row);
    if (value === null) return element("td", { class: "number" }, "–");
    const mark = front.has(row) ? element("span", { title: "on the front" }, "◆ ") : null;
    return element("td", { class: `number heat${mark ? " front" : ""}`, style: heatStyle(span > 0 ? share(value) : 1) }, mark,
      element("button", { class: "plain", type: "button", "aria-label": `K ${k}, V ${v}: ${told(value)}${mark ? ", on the front" : ""}`,
        click: () => openCell(row) }, told(value)),
      size ? element("small", {}, ` ${told(figure(size, row))}`) : null);
  };
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": group.name },
    element("table", { class: "pairs" }, element("caption", {}, `${group.name}: ${titled(metric)}${size ? `, and small ${titled(size)}` : ""}`),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "K, down \\ V, across"),
        ...group.values.map(v => element("th", { scope: "col" }, v)))),
      element("tbody", {}, ...group.keys.map(k => element("tr", {}, element("th", { scope: "row" }, k),
        ...group.values.map(v => cell(k, v)))))));
}

function addPairs() {
  if (!pairGroups([...data.rows.cell.keys()]).length) return;
  let metric = firstMetric(errorNames);
  const size = metricNamed.get("bits_per_value");
  const part = section("pairs", "Pairs of K and V", "A codec of K in each line and a codec of V in each column. ◆: no other pair of the table is " +
    "both smaller and better; this does not look at intervals.");
  const tables = element("div", {}), hint = element("p", { class: "hint" });
  part.append(element("div", { class: "choices" }, metricChoice("Metric", shownMetrics, metric, chosen => { metric = chosen; draw(); })), hint, tables);
  const draw = () => {
    const groups = pairGroups(filteredRows()), shown = groups.slice(0, mostPairTables);
    hint.textContent = groups.length > shown.length ? `${shown.length} of ${groups.length} tables: filters show others.` :
      groups.length ? "" : "No pairs pass the filters.";
    tables.replaceChildren(...shown.map(group => pairTable(group, metric, size)));
  };
  charts.push({ draw });
}
