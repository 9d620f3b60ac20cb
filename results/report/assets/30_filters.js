// Filters of the data. Every chart draws the rows that pass.

const filterColumns = ["workload", "source", "context", "backend"];
const filters = { campaign: String(data.campaigns.length - 1), codec: "" };
for (const column of filterColumns) filters[column] = "";

/** Rows that pass every filter but those named. */
function filteredRows(without = []) {
  const words = filters.codec.toLowerCase().split(",").map(word => word.trim()).filter(word => word);
  const codecs = data.texts.codec.map(name => !words.length || words.some(word => name.toLowerCase().includes(word)));
  const wanted = filterColumns.filter(column => filters[column] !== "" && !without.includes(column));
  const campaign = filters.campaign === "" || without.includes("campaign") ? null : Number(filters.campaign);
  const rows = [];
  for (let row = 0; row < rowCount; ++row) {
    if (campaign !== null && data.rows.campaign[row] !== campaign) continue;
    if (!codecs[data.rows.codec[row]]) continue;
    if (wanted.every(column => String(cellOf(column, row)) === filters[column])) rows.push(row);
  }
  return rows;
}

/** Values of a column, numbers in order. */
function valuesOf(column) {
  const values = [...new Set(data.rows[column])];
  if (column in data.texts) return values.map(place => data.texts[column][place]);
  return values.sort((a, b) => a - b);
}

function buildFilters(changed) {
  const form = document.getElementById("filters");
  const set = name => value => { filters[name] = value; changed(); };
  const campaigns = data.campaigns.map((campaign, place) => [String(place), campaignLabel[place]]).reverse();
  const fill = () => {
    form.replaceChildren(choice("Campaign", [["", "all"], ...campaigns], filters.campaign, set("campaign")));
    for (const column of filterColumns) {
      const options = valuesOf(column).map(value => [String(value), column === "context" && value === 0 ? "whole" : String(value)]);
      form.append(choice(column[0].toUpperCase() + column.slice(1), [["", "all"], ...options], filters[column], set(column)));
    }
    const codec = element("input", { type: "search", list: "codecs", placeholder: "int4, kivi", value: filters.codec,
      input: () => set("codec")(codec.value) });
    const clear = element("button", { type: "button", click: () => {
      for (const name in filters) filters[name] = "";
      fill();
      changed();
    } }, "Show all");
    form.append(element("label", {}, "Codec", codec),
      element("datalist", { id: "codecs" }, ...data.texts.codec.slice(0, 200).map(value => element("option", { value }))), clear);
  };
  form.addEventListener("submit", event => event.preventDefault());
  fill();
}
