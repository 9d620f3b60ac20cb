// Elements of the page. Texts go in as texts, never as HTML.

/** An element with attributes (functions become listeners) and children (strings become text). */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

/** A labelled choice among [value, text] pairs; `changed` gets the chosen value. */
function choice(label, options, chosen, changed) {
  const select = element("select", { change: () => changed(select.value) },
    ...options.map(([value, text]) => element("option", { value }, text)));
  select.value = chosen;
  return element("label", {}, label, select);
}

function metricChoice(label, metrics, chosen, changed) {
  return choice(label, metrics.map(metric => [metric.name, titled(metric)]), chosen?.name ?? "",
    name => changed(metricNamed.get(name)));
}

/** A table of rows; a column is {title, of: row => text or number or element, number: bool, wide: bool}. At most `most` rows. */
function table(caption, columns, rows, most = 500) {
  const kind = column => column.number ? "number" : column.wide ? "wide" : "";
  const body = rows.slice(0, most).map(row => element("tr", {}, ...columns.map((column, place) => {
    const value = column.of(row);
    const text = typeof value === "object" && value !== null ? value : column.number ? told(value) : String(value ?? "–");
    return element(place === 0 ? "th" : "td", place === 0 ? { scope: "row" } : { class: kind(column) }, text);
  })));
  const more = rows.length > most ? ` The first ${most} of ${rows.length}.` : "";
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption + more),
      element("thead", {}, element("tr", {}, ...columns.map(column =>
        element("th", { scope: "col", class: kind(column) }, column.title)))),
      element("tbody", {}, ...body)));
}

/** A section of the page with an entry in the navigation. */
function section(id, title, hint) {
  const made = element("section", { id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title), element("p", { class: "hint" }, hint));
  document.getElementById("main").append(made);
  document.getElementById("sections").append(element("a", { href: `#${id}` }, title));
  return made;
}

function announce(text) { document.getElementById("announcer").textContent = text; }
