// How far an upload is, file by file, with a pause.

import { h } from "../dom.js";
import { bytes, percent } from "../words.js";

const MOST_LINES = 200;

/** Returns {node, told(index, received)}; the button turns control.paused. */
export function progressList(dataset, control) {
  const received = new Map(dataset.files.map((file) => [file.index, file.received]));
  const whole = h("progress", { max: Math.max(1, dataset.bytes), "aria-label": "Upload of all files" });
  const words = h("p", { role: "status" });
  const lines = new Map(dataset.files.slice(0, MOST_LINES).map((file) => [file.index, { file, bar: h("progress", { max: Math.max(1, file.bytes), value: file.received, "aria-label": file.name }), state: h("span", { class: "number" }) }]));
  const button = h("button", { type: "button", onclick: () => {
    control.paused = !control.paused;
    button.textContent = control.paused ? "Go on" : "Pause";
    show();
  } }, "Pause");
  let told = -1;
  function show() {
    const sum = [...received.values()].reduce((a, b) => a + b, 0);
    whole.value = sum;
    const step = Math.floor((10 * sum) / Math.max(1, dataset.bytes));
    if (step !== told || control.paused) words.textContent = `${control.paused ? "Paused at" : "Sent"} ${bytes(sum)} of ${bytes(dataset.bytes)} (${percent(sum / Math.max(1, dataset.bytes))})`;
    told = step;
    for (const [index, { file, bar, state }] of lines) {
      bar.value = received.get(index);
      state.textContent = received.get(index) === file.bytes ? "done" : percent(received.get(index) / Math.max(1, file.bytes));
    }
  }
  show();
  return {
    node: h("div", {}, words, h("div", { class: "working" }, whole, button),
      h("ul", { class: "files" }, [...lines.values()].map(({ file, bar, state }) => h("li", {}, h("span", {}, file.name), bar, state))),
      h("p", { class: "soft small" }, "You may leave this page: what was sent is kept, and you go on from the list of datasets.")),
    told: (index, done) => { received.set(index, done); show(); },
  };
}
