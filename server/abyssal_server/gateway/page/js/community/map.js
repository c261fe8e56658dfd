// The map of variants: near points are similar sequences; groups of unknowns stand out among the reference.

import { chart, OTHER, PALETTE } from "../charts.js";
import { h } from "../dom.js";
import { count, plural } from "../words.js";

const MOST_REFERENCES = 2500;
/** Beyond so many variants points are drawn smaller. */
const MANY = 1000;
const SHAPES = ["circle", "square", "diamond", "triangle-up", "star", "hexagon", "cross", "triangle-down"];

/** Return the node. */
export function clusterMap(study) {
  const points = study.map.filter((point) => point.x !== null && point.y !== null);
  if (!points.length) return h("p", { class: "soft" }, "This study has no map: there were too few variants.");
  const references = points.filter((point) => point.kind === "reference");
  const step = Math.ceil(references.length / MOST_REFERENCES);
  const variants = points.filter((point) => point.kind !== "reference");
  const groups = Map.groupBy ? Map.groupBy(variants.filter((one) => one.putative_taxon), (one) => one.putative_taxon) : grouped(variants);
  const largest = [...groups].sort((a, b) => sum(b[1]) - sum(a[1]));
  const shown = largest.slice(0, PALETTE.length);
  const rest = largest.slice(PALETTE.length).flatMap(([, members]) => members);
  const all = study.taxa.reduce((total, taxon) => total + taxon.asvs, 0);
  const scale = variants.length > MANY ? 0.6 : 1;
  const sizes = (members) => members.map((point) => scale * (7 + 2.2 * Math.log10(1 + (point.reads ?? 0))));
  const known = variants.filter((point) => !point.putative_taxon);
  return h("div", {}, h("p", {}, "Each point is one distinct sequence; near points are alike. Grey points are the reference. Coloured shapes are groups that the reference does not explain: candidates for taxa nobody has described for this marker."),
    chart(`${variants.length < all ? `${count(variants.length)} of the ${count(all)} variants` : plural(variants.length, "variant")} of your samples, of these ${count(variants.length - known.length)} in ${plural(groups.size, "group")} of unknowns; ${plural(Math.ceil(references.length / step), "reference sequence")}. The axes have no unit.`, (colour) => ({
      height: 620, label: "Map of variants by similarity; the tab Unknown groups holds the same groups as a table",
      traces: [
        trace("reference", references.filter((_, place) => place % step === 0), { color: colour("--line"), size: 7 * scale, line: { width: 1, color: colour("--strong-line") } }),
        trace("known or near to it", known, { color: OTHER, size: sizes(known), opacity: 0.75 }),
        ...(rest.length ? [trace("smaller groups of unknowns", rest, { color: colour("--new"), symbol: "x", size: sizes(rest), opacity: scale < 1 ? 0.45 : 0.8, line: { width: 0 } })] : []),
        ...shown.map(([name, members], place) => trace(name, members, { color: PALETTE[place], symbol: SHAPES[place], size: sizes(members), line: { width: 1.2, color: colour("--ink") } })),
      ].filter((one) => one.x.length),
      layout: { xaxis: { visible: false }, yaxis: { visible: false }, legend: { orientation: "h", y: -0.04, itemsizing: "constant" }, margin: { l: 8, r: 8, t: 8, b: 8 }, hovermode: "closest" },
    })));
}

const sum = (members) => members.reduce((total, one) => total + (one.reads ?? 0), 0);

function grouped(variants) {
  const groups = new Map();
  for (const one of variants) if (one.putative_taxon) groups.set(one.putative_taxon, [...(groups.get(one.putative_taxon) ?? []), one]);
  return groups;
}

function trace(name, points, marker) {
  return {
    type: "scatter", mode: "markers", name, x: points.map((one) => one.x), y: points.map((one) => one.y), marker,
    text: points.map((one) => `${one.kind === "reference" ? one.id : `${one.id.slice(0, 10)}, ${plural(one.reads ?? 0, "read")}`}<br>${one.kind === "reference" ? "" : "nearest: "}${one.lineage.split("; ").slice(-2).join(", ")}`),
    hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
  };
}
