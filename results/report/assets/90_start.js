function summarise() {
  const rows = filteredRows(), bad = rows.filter(row => cellOf("status", row) !== "ok").length;
  document.getElementById("matching").textContent = `${rows.length} of ${rowCount} results match` + (bad ? `, ${bad} of them not ok.` : ".");
}

function start() {
  document.title = `${data.name} – KVstone report`;
  const texts = name => data.texts[name].length;
  document.getElementById("summary").textContent = `${data.name}: ${rowCount} results of ${data.campaigns.length} ` +
    `campaign${data.campaigns.length === 1 ? "" : "s"}, ${texts("codec")} codecs on ${texts("source")} sources. Written ${data.generated_utc} by KVstone ${data.version}.`;
  document.getElementById("origin").textContent = "Figures are those of K and V together; where there is no such figure, the worse of the two.";
  const notes = document.getElementById("notes");
  notes.append(...data.notes.map(note => element("li", {}, note)));
  notes.hidden = !data.notes.length;
  let waiting = 0;
  buildFilters(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { summarise(); drawAll(); }, 30);
  });
  if (shownMetrics.length) for (const add of [addPareto, addTails, addPairs, addWeights, addContext, addBudget, addRoofline, addHistory]) add();
  for (const add of [addVerdicts, addCoverage, addEnvironment]) add();
  summarise();
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // On paper the ground is white, and the page has another width.
  for (const event of ["beforeprint", "afterprint"]) addEventListener(event, drawAll);
}
