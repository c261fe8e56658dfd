// What the reference does not know: groups of likely new taxa, and sequences without any name.

import { chart } from "../charts.js";
import { empty, h, table } from "../dom.js";
import { count, percent, plural } from "../words.js";

const MOST = 60;
const STEP = 0.02;

/** Return the node; only(filter) shows some sequences in the table. */
export function novelties(answers, only) {
  const groups = answers.newGroups();
  const counts = answers.counts();
  const made = [h("p", {}, "A sequence is marked as likely new when the reference seems to hold nothing of the same species, genus or higher group. New to the reference is not yet new to science: look at the closest reference, and at a fuller database.")];
  if (groups.length) made.push(table(`Likely new taxa, in ${plural(groups.length, "group")}${groups.length > MOST ? `; the ${MOST} largest` : ""}`,
    ["Likely a new", "Within", "Sequences", "Closest reference, median", "Groups of unknowns", ""], groups.slice(0, MOST).map((group) => groupRow(answers, group, only)), [2, 3]));
  else made.push(empty("Nothing looks new here.", h("p", {}, "Every sequence with a name is near to a reference of the same species.")));
  made.push(h("h2", {}, "Without a name"));
  made.push(counts.unnamed ? h("p", {}, `${plural(counts.unnamed, "sequence")} resembled nothing in the reference enough. `,
    h("button", { type: "button", onclick: () => only({ show: "unnamed" }) }, "Show them")) : h("p", { class: "soft" }, "Every readable sequence has a name at some rank."));
  if (answers.identity.some((value) => !Number.isNaN(value))) made.push(h("h2", {}, "How near the closest reference is"), histogram(answers));
  return h("div", {}, made);
}

function groupRow(answers, group, only) {
  const known = group.rows.map((row) => answers.identity[row]).filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const within = group.taxon && group.taxon !== "Unassigned" ? group.taxon.split("; ") : [];
  return [
    h("span", { class: "badge new" }, answers.ranks[group.rank]),
    within.length ? h("span", { title: group.taxon }, within.at(-1)) : h("span", { class: "soft" }, "no named group"),
    count(group.rows.length),
    known.length ? percent(known[Math.floor(known.length / 2)], 1) : "",
    [...group.putative].slice(0, 4).join(", ") + (group.putative.size > 4 ? " …" : ""),
    h("button", { type: "button", class: "link", "aria-label": `Show the ${plural(group.rows.length, "sequence")} within ${within.at(-1) ?? "no named group"}`, onclick: () => only({ new: group.key }) }, "Show"),
  ];
}

function histogram(answers) {
  const bins = { known: new Map(), new: new Map() };
  for (let row = 0; row < answers.size; row += 1) {
    if (Number.isNaN(answers.identity[row])) continue;
    const side = bins[answers.novel[row] >= 0 ? "new" : "known"];
    const place = Math.min(1 - STEP, Math.floor(answers.identity[row] / STEP + 1e-6) * STEP);
    side.set(place, (side.get(place) ?? 0) + 1);
  }
  const trace = (name, side, colour, pattern) => {
    const places = [...side.keys()].sort((a, b) => a - b);
    return { type: "bar", name, x: places.map((x) => 100 * (x + STEP / 2)), y: places.map((x) => side.get(x)), width: 100 * STEP * 0.92,
      marker: { color: colour, pattern: pattern ? { shape: "/", solidity: 0.25, fgcolor: "#ffffff", fillmode: "overlay" } : {} },
      hovertemplate: "%{y:,d} sequences about %{x:.0f} % alike<extra>%{fullData.name}</extra>" };
  };
  return chart("Sequences by the share of letters they have in common with their closest reference.", (colour) => ({
    height: 300, label: "Histogram of the identity with the closest reference, for known and likely new sequences",
    traces: [trace("known or unsure", bins.known, colour("--sure")), trace("likely new", bins.new, "#7B68B5", true)].filter((one) => one.x.length),
    layout: { barmode: "stack", xaxis: { title: { text: "identical letters (%)" } }, yaxis: { title: { text: "sequences" } }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, margin: { l: 60, r: 10, t: 10, b: 50 } },
  }));
}

