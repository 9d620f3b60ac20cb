// Facts in tables: coverage, failures, verdicts, environments.

function addCoverage() {
  const part = section("coverage", "Coverage and failures", "Cells that failed are listed with the reason, and so are cells that were never tried.");
  const count = name => ({ title: name, number: true, of: campaign => campaign[name] });
  part.append(table("Campaigns, newest first", [{ title: "Campaign", of: campaign => campaign.campaign },
    { title: "Scenario", of: campaign => campaign.scenario }, { title: "Began", of: campaign => campaign.started_utc.slice(0, 16) },
    { title: "Build", of: campaign => campaign.build }, count("cells"), count("ok"), count("failed"), count("skipped"),
    count("missing"), { title: "Hardware", of: campaign => campaign.hardware ?? campaign.hardware_class }], [...data.campaigns].reverse()));
  const what = [{ title: "Codec", of: row => row.codec_name }, { title: "Workload", of: row => row.workload },
    { title: "Source", of: row => row.source }, { title: "Context", number: true, of: row => row.context }];
  const more = (name, shown) => data[`${name}_count`] > shown.length ? `, the first ${shown.length} of ${data[`${name}_count`]}` : "";
  if (data.failures.length)
    part.append(table(`Not ok${more("failures", data.failures)}`, [...what, { title: "Status", of: row => element("span", { class: "bad" }, row.status) },
      { title: "Reason", of: row => row.reason ?? "" }, { title: "End of standard error", of: row => row.stderr_tail ? element("pre", {}, row.stderr_tail) : "" },
      { title: "Host", of: row => row.host }, { title: "Campaign", of: row => row.campaign }], data.failures));
  if (data.missing.length)
    part.append(table(`Never tried${more("missing", data.missing)}`, [...what, { title: "Required", of: row => row.required ? "yes" : "no" },
      { title: "Campaign", of: row => row.campaign }], data.missing));
  if (!data.failures.length && !data.missing.length) part.append(element("p", { class: "good" }, "Every cell was measured, and none failed."));
}

function addVerdicts() {
  if (!data.verdicts.length) return;
  const part = section("verdicts", "Verdicts of gates", "Newest first.");
  const names = [...new Set(data.verdicts.flatMap(Object.keys))];
  part.append(table("Verdicts", names.map(name => ({ title: name, number: data.verdicts.every(row => typeof (row[name] ?? 0) === "number"),
    of: row => name === "verdict" && row[name] === "regression" ? element("span", { class: "bad" }, row[name]) : row[name] })), data.verdicts));
}

function addEnvironment() {
  if (data.campaigns.length < 2) return;
  const part = section("environment", "Differences between campaigns", "Builds, packages and hosts, where they are not the same for all.");
  if (!data.environment.length) part.append(element("p", { class: "good" }, "Nothing differs."));
  else {
    const newest = [...data.campaigns].reverse().slice(0, 8);
    part.append(table("Differing facts, newest campaign first", [{ title: "Kind", of: fact => fact.kind }, { title: "Name", of: fact => fact.name },
      ...newest.map(campaign => ({ title: `${campaign.started_utc.slice(0, 10)} ${campaign.campaign.slice(0, 6)}`,
        of: fact => JSON.parse(fact.values)[campaign.campaign] ?? "–" }))], data.environment));
  }
}
