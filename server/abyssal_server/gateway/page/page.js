"use strict";
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("status").textContent = text; };

async function showModel() {
  const response = await fetch("models/current");
  const body = await response.json();
  byId("model").textContent = response.ok
    ? `Model ${body.name} ${body.version} for ${body.marker} (${body.digest.slice(0, 12)})`
    : body.detail;
}

function remark(result) {
  if (result.error) return `${result.error.code}: ${result.error.message}`;
  const remarks = [];
  if (result.novel_at) remarks.push(`new ${result.novel_at}`);
  if (result.putative_taxon) remarks.push(`putative taxon ${result.putative_taxon}`);
  if (result.alternatives.length) remarks.push(`or ${result.alternatives.join(", ")}`);
  if (result.nearest) remarks.push(`nearest ${result.nearest.id}`);
  return remarks.join("; ");
}

function show(results) {
  const body = byId("results").tBodies[0];
  body.replaceChildren(...results.map((result) => {
    const row = document.createElement("tr");
    if (result.error) row.className = "rejected";
    const open = result.lineage.filter((label) => !label.accepted)
      .map((label) => `${label.rank} ${label.name} (${label.confidence.toFixed(2)})`).join("; ");
    const cells = [result.id, result.taxon, result.confidence.toFixed(3), open, remark(result)];
    row.append(...cells.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
  byId("results").hidden = false;
  byId("download").hidden = false;
}

async function post(accept) {
  const file = byId("file").files[0];
  const body = file ?? byId("sequences").value;
  return fetch("inference/classify", {
    method: "POST", body,
    headers: { "Accept": accept, "Content-Type": file ? "application/octet-stream" : "text/plain" },
  });
}

byId("classify").addEventListener("click", async () => {
  say("Classifying …");
  try {
    const response = await post("application/json");
    const body = await response.json();
    if (!response.ok) { say(`${body.title}: ${body.detail}`); return; }
    show(body.results);
    say(`${body.results.length} sequences classified`);
  } catch (error) {
    say(`The gateway does not answer (${error.message})`);
  }
});

byId("download").addEventListener("click", async () => {
  const response = await post("text/tab-separated-values");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = "classifications.tsv";
  link.click();
  URL.revokeObjectURL(link.href);
});

showModel().catch(() => { byId("model").textContent = "The service does not answer."; });
