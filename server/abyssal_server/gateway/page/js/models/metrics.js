// How good a model is, from the test on sequences it never saw, beside other methods on the same sequences.

import { chart, PALETTE } from "../charts.js";
import { choice, empty, field, h, table } from "../dom.js";
import { count, percent } from "../words.js";

const METHODS = { abyssal: "this model", sintax: "SINTAX", lca: "lowest common ancestor", "top-hit": "closest hit" };
const MEASURES = {
  recall: ["Right names found", "Of the sequences whose taxon is in the reference, the share that got the right name."],
  precision: ["Names that are right", "Of the names given, the share that is right."],
  over_classified: ["Names given to strangers (less is better)", "Of the sequences whose taxon is missing from the reference, the share that got a name all the same."],
  coverage: ["Sequences with a name", "Of all sequences, the share that got a name."],
};

/** Return the node for a bundle's metrics. */
export function metricsView(metrics) {
  const methods = Object.keys(metrics.methods ?? {});
  if (!methods.length) return empty("This model brought no test results.");
  const ranks = (metrics.ranks ?? []).filter((rank) => methods.some((method) => point(metrics, method, rank)));
  const measure = choice(Object.entries(MEASURES).map(([key, [words]]) => [key, words]), { onchange: () => { about.textContent = MEASURES[measure.value][1]; bars.update(); numbers.replaceChildren(figures()); } });
  const about = h("p", { class: "soft", "aria-live": "polite" }, MEASURES[measure.value][1]);
  const share = (method, rank) => point(metrics, method, rank)?.[measure.value] ?? null;
  const bars = chart("By rank, each method at its own threshold.", () => ({
    height: 360, label: `${MEASURES[measure.value][0]} by rank and method; the table below holds the numbers`,
    traces: methods.map((method, place) => ({ type: "bar", name: METHODS[method] ?? method, x: ranks, y: ranks.map((rank) => 100 * (share(method, rank) ?? 0)),
      marker: { color: PALETTE[place], pattern: place ? { shape: ["", "/", "\\", "x"][place] ?? ".", solidity: 0.2, fgcolor: "#ffffff", fillmode: "overlay" } : {} }, hovertemplate: "%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>" })),
    layout: { barmode: "group", yaxis: { title: { text: "%" }, range: [0, 100] }, xaxis: { type: "category" }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, margin: { l: 50, r: 8, t: 8, b: 40 } },
  }));
  const figures = () => table(MEASURES[measure.value][0], ["Rank", ...methods.map((method) => METHODS[method] ?? method)],
    ranks.map((rank) => [rank, ...methods.map((method) => { const value = share(method, rank); return value === null ? "" : percent(value, 1); })]), methods.map((_, place) => place + 1));
  const numbers = h("div", {}, figures());
  return h("div", {}, field("Measure", measure), about, bars, numbers, ...reliability(metrics));
}

const point = (metrics, method, rank) => metrics.methods[method]?.ranks?.[rank]?.operating_point;

/** Whether "90 % sure" is right nine times of ten. */
function reliability(metrics) {
  const ranks = (metrics.ranks ?? []).filter((rank) => metrics.methods.abyssal?.ranks?.[rank]?.reliability?.length);
  if (!ranks.length) return [];
  const rank = choice(ranks.map((name) => [name, name]), { value: ranks.includes("family") ? "family" : ranks.at(-1), onchange: () => figure.update() });
  const figure = chart("Each point: the mean of the sureness given, against how often the name was right. Points on the line are honest; above it the model was too modest, below it too sure. Larger points stand for more sequences.", (colour) => {
    const points = metrics.methods.abyssal.ranks[rank.value].reliability;
    return { height: 400, label: `Sureness against truth at rank ${rank.value}`, traces: [
      { type: "scatter", mode: "lines", x: [0, 100], y: [0, 100], line: { color: colour("--strong-line"), dash: "dot" }, hoverinfo: "skip" },
      { type: "scatter", mode: "markers", x: points.map((one) => 100 * one.confidence), y: points.map((one) => 100 * one.right), text: points.map((one) => count(one.queries)),
        marker: { size: points.map((one) => 8 + 2 * Math.sqrt(one.queries)), color: PALETTE[0], opacity: 0.8 }, hovertemplate: "given %{x:.0f} %, right %{y:.0f} % of %{text}<extra></extra>" }],
    layout: { showlegend: false, xaxis: { title: { text: "sureness given (%)" }, range: [-3, 103] }, yaxis: { title: { text: "right (%)" }, range: [-3, 103] }, margin: { l: 60, r: 10, t: 10, b: 50 } } };
  });
  return [h("h2", {}, "Is “90 % sure” right nine times of ten?"), field("Rank", rank), figure];
}
