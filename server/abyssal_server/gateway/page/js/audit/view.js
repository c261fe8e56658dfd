// What administrators did, newest first.

import { get } from "../api.js";
import { empty, h, note, table } from "../dom.js";
import { plural, when } from "../words.js";

const ACTIONS = {
  train: ["Started a training", "training"], cancel: ["Stopped a training", "training"],
  retry: ["Tried a training again", "training"], activate: ["Let a model answer", "models"],
  rollback: ["Brought a model back", "models"], "delete dataset": ["Deleted a dataset", null],
};
const PAGE = 50;

export async function show(frame) {
  frame.title("Audit log");
  const rows = [];
  let next = null;
  const shown = h("div", {});
  const trouble = h("div", {});
  const older = h("button", { type: "button", onclick: () => more().catch((error) => trouble.replaceChildren(note("bad", h("p", {}, error.message)))) }, "Show older ones");
  async function more() {
    const page = await get(`/audit?limit=${PAGE}${next ? `&after=${encodeURIComponent(next)}` : ""}`);
    rows.push(...page.items);
    next = page.next;
    older.hidden = !next;
    shown.replaceChildren(rows.length ? table(`${plural(rows.length, "act")}, newest first`, ["When", "Who", "What", "On", "Details"], rows.map(cells))
      : empty("Nothing yet.", h("p", {}, "Training, changes of models and deleted datasets will stand here.")));
  }
  frame.view.append(h("p", { class: "lead" }, "Who started or stopped trainings, changed which model answers, or deleted datasets."), shown, trouble, h("div", { class: "bar" }, older));
  await more();
}

function cells(row) {
  const [words, view] = ACTIONS[row.action] ?? [row.action, null];
  const target = h("code", { title: row.target }, row.target.slice(0, 12));
  return [h("time", { datetime: row.at }, when(row.at)), row.actor, words, view ? h("a", { href: `#/${view}/${row.target}` }, target) : target,
    h("span", { title: `Request ${row.request_id}` }, row.detail)];
}
