// Shares of reads by sample at any rank.

import { chart, OTHER, PALETTE, PUTATIVE, UNNAMED } from "../charts.js";
import { choice, field, h, table } from "../dom.js";
import { count, percent } from "../words.js";

const REST = "other names";
const UNKNOWN = "group of unknowns";
const NONE = "no name";

/** Return the node. */
export function abundance(study) {
  const rank = choice(study.ranks.map((name, place) => [String(place), name]), { value: String(opening(study)), onchange: () => { figure.update(); numbers.replaceChildren(figures()); } });
  const groups = () => grouped(study, Number(rank.value));
  const figure = chart("Share of each sample's reads; only names that are sure enough are given. The numbers stand below.", () => ({
    height: 150 + 42 * study.samples.length, label: `Composition of ${study.samples.length} samples at rank ${study.ranks[Number(rank.value)]}; the table below holds the numbers`,
    traces: groups().map(({ name, reads, colour }) => ({
      type: "bar", orientation: "h", name, y: study.samples.map(sampleName), x: reads.map((value, place) => share(value, study.samples[place].reads)), customdata: reads,
      marker: { color: colour, line: { width: 0 }, pattern: name === UNKNOWN ? { shape: "/", solidity: 0.25, fgcolor: "#ffffff", fillmode: "overlay" } : {} },
      hovertemplate: "%{y}: %{x:.1f} %, %{customdata:,d} reads<extra>%{fullData.name}</extra>",
    })),
    layout: { barmode: "stack", bargap: 0.25, xaxis: { title: { text: "share of the sample's reads (%)" }, range: [0, 100] }, yaxis: { autorange: "reversed", type: "category" }, legend: { orientation: "h", traceorder: "normal", x: 0, y: 1.02, yanchor: "bottom" }, margin: { l: 8, r: 12, t: 8, b: 48 } },
  }));
  const figures = () => table(`Reads by ${study.ranks[Number(rank.value)]} and sample`, ["Name", ...study.samples.map(sampleName)],
    groups().map(({ name, reads }) => [name, ...reads.map((value, place) => `${count(value)} (${percent(study.samples[place].reads ? value / study.samples[place].reads : 0)})`)]), study.samples.map((_, place) => place + 1));
  const numbers = h("div", {}, figures());
  return h("div", {}, field("Rank", rank), figure, numbers);
}

const total = (reads) => reads.reduce((a, b) => a + b, 0);
const share = (value, whole) => (whole ? (100 * value) / whole : 0);
const sampleName = (sample) => (sample.control ? `${sample.name} (control)` : sample.name);

/** A lineage may skip ranks, so names are found by rank, not by place. */
function nameAt(study, taxon, rank) {
  return taxon.names[study.ranks[rank]] ?? "";
}

function grouped(study, rank) {
  const sums = new Map();
  for (const taxon of study.taxa) {
    const name = nameAt(study, taxon, rank) || (taxon.putative_taxon ? UNKNOWN : NONE);
    const reads = sums.get(name) ?? new Array(study.samples.length).fill(0);
    taxon.reads.forEach((value, place) => { reads[place] += value; });
    sums.set(name, reads);
  }
  const named = [...sums.keys()].filter((name) => name !== UNKNOWN && name !== NONE).sort((a, b) => total(sums.get(b)) - total(sums.get(a)));
  const made = named.slice(0, PALETTE.length).map((name, place) => ({ name, reads: sums.get(name), colour: PALETTE[place] }));
  const rest = named.slice(PALETTE.length);
  if (rest.length) made.push({ name: REST, colour: OTHER, reads: study.samples.map((_, place) => rest.reduce((sum, name) => sum + sums.get(name)[place], 0)) });
  for (const [name, colour] of [[UNKNOWN, PUTATIVE], [NONE, UNNAMED]]) if (sums.has(name)) made.push({ name, colour, reads: sums.get(name) });
  return made;
}

/** Open where there is neither one bar of one colour nor a hundred names, and where most reads have a name. */
function opening(study) {
  const all = study.taxa.reduce((sum, taxon) => sum + total(taxon.reads), 0) || 1;
  const cost = study.ranks.map((_, rank) => {
    const named = study.taxa.filter((taxon) => nameAt(study, taxon, rank));
    const names = new Set(named.map((taxon) => nameAt(study, taxon, rank))).size;
    const reads = named.reduce((sum, taxon) => sum + total(taxon.reads), 0);
    return names ? 8 * Math.abs(Math.log(names / PALETTE.length)) + (20 * (all - reads)) / all : Infinity;
  });
  return cost.indexOf(Math.min(...cost));
}
