// Where samples were taken, on a map whose coast lines this server brings along.

import { chart } from "../charts.js";
import { h, table } from "../dom.js";
import { count, plural } from "../words.js";

const MARGIN_DEGREES = 8;
/** Share of the map within which samples are one spot: their numbers would cover each other. */
const NEAR = 0.035;
const MOST_LINES = 10;

/** Return the node. */
export function places(study) {
  const placed = study.samples.filter((sample) => sample.latitude !== null && sample.longitude !== null);
  const shown = extent(placed);
  const near = (axis, one, other) => Math.abs(one - other) <= NEAR * (shown[axis].range[1] - shown[axis].range[0]);
  const list = [];
  for (const sample of placed) {
    const spot = list.find(([first]) => near("lonaxis", first.longitude, sample.longitude) && near("lataxis", first.latitude, sample.latitude));
    if (spot) spot.push(sample);
    else list.push([sample]);
  }
  const number = (sample) => String(list.findIndex((one) => one.includes(sample)) + 1 || "");
  return h("div", { class: "beside" }, chart(`${plural(placed.length, "sample")} from ${plural(list.length, "spot")}; the numbers are those of the table.`, (colour, width) => ({
    height: Math.min(520, Math.round(0.9 * width)), label: `Map of ${list.length} spots; the table beside holds the coordinates`,
    traces: [{ type: "scattergeo", mode: "markers+text", textfont: { color: "#ffffff", size: 12 }, lat: list.map((one) => one[0].latitude), lon: list.map((one) => one[0].longitude),
      text: list.map((_, place) => String(place + 1)), textposition: "middle center",
      hovertext: list.map(about), hoverinfo: "text",
      marker: { size: list.map((one) => 16 + 2 * Math.log10(1 + one.reduce((sum, sample) => sum + sample.reads, 0))), color: "#a33d00", opacity: 1, line: { width: 1.5, color: colour("--paper") } } }],
    layout: { geo: { resolution: 110, projection: { type: "natural earth" }, lonaxis: { ...shown.lonaxis, showgrid: true, gridcolor: colour("--line") }, lataxis: { ...shown.lataxis, showgrid: true, gridcolor: colour("--line") } }, margin: { l: 0, r: 0, t: 0, b: 0 } },
  })), table("Samples and their places", ["Sample", "Spot", "Latitude, longitude", "Depth", "Reads"], study.samples.map((sample) => [
    sample.control ? `${sample.name} (control)` : sample.name, number(sample), sample.latitude === null || sample.longitude === null ? "" : `${sample.latitude.toFixed(2)}, ${sample.longitude.toFixed(2)}`, depth(sample), count(sample.reads),
  ]), [1, 2, 3, 4]));
}

const depth = (sample) => (sample.depth_m === null ? "" : `${count(sample.depth_m < 10 ? sample.depth_m : Math.round(sample.depth_m))} m`);

function about(samples) {
  const lines = samples.slice(0, MOST_LINES).map((sample) => `${sample.name}${depth(sample) ? `, ${depth(sample)}` : ""}, ${plural(sample.reads, "read")}`);
  if (samples.length > MOST_LINES) lines.push(`and ${count(samples.length - MOST_LINES)} more`);
  return lines.join("<br>");
}

/** The part of the world to show: the samples with room around, at least some degrees wide. */
function extent(samples) {
  const range = (values, least, low, high) => {
    const middle = (Math.min(...values) + Math.max(...values)) / 2;
    const half = Math.max(least, (Math.max(...values) - Math.min(...values)) / 2 + MARGIN_DEGREES);
    return { range: [Math.max(low, middle - half), Math.min(high, middle + half)] };
  };
  return { lonaxis: range(samples.map((sample) => sample.longitude), 22, -180, 180), lataxis: range(samples.map((sample) => sample.latitude), 14, -90, 90) };
}
