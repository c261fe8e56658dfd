// What is in the sequences, as rings of lineages and as a table of names at one rank.

import { chart, PALETTE, UNNAMED } from "../charts.js";
import { choice, field, h, table } from "../dom.js";
import { count, percent, plural } from "../words.js";

const MOST_SECTORS = 700;
const MOST_NAMES = 40;
const UNNAMED_WORDS = "no name";

/** Return the node; below(path) shows the sequences of a lineage in the table. */
export function lineages(answers, below) {
  const tree = grow(answers);
  const sectors = [...tree.values()].sort((a, b) => b.rows - a.rows).slice(0, MOST_SECTORS);
  const chosen = h("p", { class: "bar" });
  const figure = chart(`Rings go from broad (inside) to narrow (outside); a sector is as wide as it has sequences. Click to enter a group, click its middle to leave it.`, (colour, width) => ({
    height: Math.min(560, width), label: `Rings of lineages of ${plural(answers.size, "sequence")}; the table beside holds the numbers`,
    traces: [rings(sectors, colour)],
    layout: { margin: { l: 4, r: 4, t: 4, b: 4 }, uniformtext: { minsize: 9, mode: "hide" } },
  }));
  figure.onclickdata = (event) => {
    const sector = tree.get(event.points?.[0]?.id);
    chosen.replaceChildren(...(sector?.path.length ? [h("button", { type: "button", onclick: () => below(sector.path) }, `Show ${plural(sector.rows, "sequence")} of ${sector.name}`)] : []));
  };
  const holder = h("div", {});
  const ranks = choice(answers.ranks.map((rank, place) => [String(place), rank]), { value: String(startRank(answers)), onchange: () => fill() });
  const fill = () => holder.replaceChildren(names(answers, Number(ranks.value), below));
  fill();
  return h("div", { class: "beside" }, h("div", {}, figure, chosen), h("div", {}, field("Names at rank", ranks), holder));
}

function grow(answers) {
  const tree = new Map([["", { id: "", parent: null, name: "all", path: [], rows: 0 }]]);
  const sums = new Map();
  for (let row = 0; row < answers.size; row += 1) sums.set(answers.lineage[row], (sums.get(answers.lineage[row]) ?? 0) + 1);
  for (const [number, rows] of sums) {
    const { path } = answers.lineages[number];
    tree.get("").rows += rows;
    let id = "";
    (path.length ? path : [UNNAMED_WORDS]).forEach((name, place) => {
      const parent = id;
      id = id ? `${id}\t${name}` : name;
      const node = tree.get(id) ?? { id, parent, name, path: path.slice(0, place + 1), rows: 0 };
      node.rows += rows;
      tree.set(id, node);
    });
  }
  return tree;
}

function rings(sectors, colour) {
  const shades = new Map();
  const shade = (node) => {
    if (node.name === UNNAMED_WORDS) return UNNAMED;
    // Colours tell the groups of the third ring apart; most samples have one domain and few kingdoms.
    const key = node.path.slice(0, 3).join("\t");
    if (node.path.length < 3) return colour("--unsure");
    if (!shades.has(key)) shades.set(key, PALETTE[shades.size % PALETTE.length]);
    return shades.get(key);
  };
  const shown = sectors.filter((node) => node.id);
  const kept = new Set(shown.map((node) => node.id));
  const whole = shown.filter((node) => !node.parent || kept.has(node.parent));
  return {
    type: "sunburst", ids: whole.map((node) => node.id), labels: whole.map((node) => node.name),
    parents: whole.map((node) => node.parent ?? ""), values: whole.map((node) => node.rows), branchvalues: "total",
    marker: { colors: whole.map(shade), line: { width: 1, color: colour("--paper") } }, maxdepth: 6,
    insidetextorientation: "auto", sort: true,
    hovertemplate: "<b>%{label}</b><br>%{value:,d} sequences<br>%{percentRoot:.1%} of all<extra></extra>",
  };
}

/** The deepest rank at which at least half of the named sequences still have a name. */
function startRank(answers) {
  const at = new Array(answers.ranks.length).fill(0);
  for (let row = 0; row < answers.size; row += 1) {
    const { depth } = answers.of(row);
    for (let rank = 0; rank <= depth; rank += 1) at[rank] += 1;
  }
  return Math.max(0, at.findLastIndex((rows) => rows && rows >= at[0] / 2));
}

function names(answers, rank, below) {
  const sums = new Map();
  let none = 0;
  for (let row = 0; row < answers.size; row += 1) {
    const one = answers.of(row);
    const name = rank <= one.depth ? one.labels[rank] : "";
    if (!name) { none += 1; continue; }
    const found = sums.get(name) ?? { rows: 0, path: one.path.slice(0, one.path.indexOf(name) + 1) };
    found.rows += 1;
    sums.set(name, found);
  }
  const ordered = [...sums].sort((a, b) => b[1].rows - a[1].rows || (a[0] < b[0] ? -1 : 1));
  const rows = ordered.slice(0, MOST_NAMES).map(([name, { rows: found, path }]) => [
    h("button", { type: "button", class: "link", onclick: () => below(path) }, name), count(found), percent(found / answers.size, 1),
  ]);
  if (none) rows.push([h("span", { class: "soft" }, `no name at this rank`), count(none), percent(none / answers.size, 1)]);
  const more = ordered.length > MOST_NAMES ? `; the ${MOST_NAMES} commonest of ${count(ordered.length)}` : "";
  return table(`Sequences by ${answers.ranks[rank]}${more}`, ["Name", "Sequences", "Share"], rows, [1, 2]);
}
