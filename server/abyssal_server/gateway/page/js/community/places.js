// Where samples were taken, on a map whose coast lines this server brings along.

import { chart } from "../charts.js";
import { h, table } from "../dom.js";
import { count, plural } from "../words.js";

const MARGIN_DEGREES = 8;

/** Return the node. */
export function places(study) {
  const placed = study.samples.filter((sample) => sample.latitude !== null && sample.longitude !== null);
  const spots = new Map();
  for (const sample of placed) {
    const key = `${sample.latitude}\t${sample.longitude}`;
    spots.set(key, [...(spots.get(key) ?? []), sample]);
  }
  const list = [...spots.values()];
  const number = (sample) => String(list.findIndex((one) => one.includes(sample)) + 1 || "");
  return h("div", { class: "beside" }, chart(`${plural(placed.length, "sample")} from ${plural(list.length, "place")}; the numbers are those of the table.`, (colour) => ({
    height: 520, label: `Map of ${list.length} places; the table beside holds the coordinates`,
    traces: [{ type: "scattergeo", mode: "markers+text", textfont: { color: "#ffffff", size: 12 }, lat: list.map((one) => one[0].latitude), lon: list.map((one) => one[0].longitude),
      text: list.map((_, place) => String(place + 1)), textposition: "middle center",
      hovertext: list.map((one) => one.map((sample) => `${sample.name}${depth(sample) ? `, ${depth(sample)}` : ""}, ${plural(sample.reads, "read")}`).join("<br>")), hoverinfo: "text",
      marker: { size: list.map((one) => 16 + 2 * Math.log10(1 + one.reduce((sum, sample) => sum + sample.reads, 0))), color: "#a33d00", opacity: 1, line: { width: 1.5, color: colour("--paper") } } }],
    layout: { geo: { resolution: 110, projection: { type: "natural earth" }, ...extent(placed), lonaxis: { ...extent(placed).lonaxis, showgrid: true, gridcolor: colour("--line") }, lataxis: { ...extent(placed).lataxis, showgrid: true, gridcolor: colour("--line") } }, margin: { l: 0, r: 0, t: 0, b: 0 } },
  })), table("Samples and their places", ["Sample", "On the map", "Latitude", "Longitude", "Depth", "Reads"], study.samples.map((sample) => [
    sample.control ? `${sample.name} (control)` : sample.name, number(sample), sample.latitude === null ? "" : sample.latitude.toFixed(3), sample.longitude === null ? "" : sample.longitude.toFixed(3), depth(sample), count(sample.reads),
  ]), [1, 2, 3, 4, 5]));
}

const depth = (sample) => (sample.depth_m === null ? "" : `${count(sample.depth_m)} m`);

/** The part of the world to show: the samples with room around, at least some degrees wide. */
function extent(samples) {
  const range = (values, least, low, high) => {
    const middle = (Math.min(...values) + Math.max(...values)) / 2;
    const half = Math.max(least, (Math.max(...values) - Math.min(...values)) / 2 + MARGIN_DEGREES);
    return { range: [Math.max(low, middle - half), Math.min(high, middle + half)] };
  };
  return { lonaxis: range(samples.map((sample) => sample.longitude), 22, -180, 180), lataxis: range(samples.map((sample) => sample.latitude), 14, -90, 90) };
}
