// Models: which answers, which could, and what is known about each.

import { get, isAdmin, list, request, send } from "../api.js";
import { empty, h, note, say, stateBadge, table, tabs } from "../dom.js";
import { plural } from "../words.js";
import { markdown } from "./markdown.js";
import { metricsView } from "./metrics.js";

export async function show(frame, digest) {
  return digest ? one(frame, digest) : all(frame);
}

const badges = (model) => [
  model.current && stateBadge(["answers now", "good"]), model.previous && stateBadge(["answered before", "info"]),
  !model.current && !model.previous && model.resident && stateBadge(["loaded", ""]),
].filter(Boolean).flatMap((badge) => [badge, " "]);

async function all(frame) {
  frame.title("Models");
  const models = await list("/models");
  const trouble = h("div", {});
  frame.view.append(h("p", { class: "lead" }, "A model knows one amplified region (marker) and one reference. One version of each answers at a time; the one before can be brought back."),
    trouble,
    models.length ? table(plural(models.length, "model"), ["Model", "Version", "Marker", "State", ...(isAdmin() ? ["Choose"] : [])], models.map((model) => [
      h("a", { href: `#/models/${model.digest}` }, model.name), model.version, model.marker, h("span", {}, badges(model)),
      ...(isAdmin() ? [actions(model, models, trouble, frame)] : []),
    ])) : empty("No model yet.", h("p", {}, "Train one on a dataset.")),
    h("p", { class: "soft small", hidden: isAdmin() }, "Administrators choose which model answers."));
}

/** Buttons for administrators; what must be current now is sent along, so that two of them do not undo each other. */
function actions(model, models, trouble, frame) {
  const current = models.find((one) => one.name === model.name && one.current);
  async function act(path, json, words) {
    try {
      const now = await send("POST", path, { json: { ...json, ...(current ? { expected_digest: current.digest } : {}) } });
      say(`${now.name}, version ${now.version}, answers now`);
      frame.view.replaceChildren(note("good", h("p", {}, `${words}: ${now.name}, version ${now.version}, answers now.`)));
      await all(frame);
    } catch (error) {
      trouble.replaceChildren(note("bad", h("p", {}, error.status === 409 ? `Somebody else changed it meanwhile. ${error.message}` : error.message)));
    }
  }
  const named = `${model.name}, version ${model.version}`;
  if (model.current) return "";
  if (model.previous) return h("button", { type: "button", "aria-label": `Bring back ${named}`, onclick: () => act("/models/rollback", { name: model.name }, "Brought back") }, "Bring back");
  return h("button", { type: "button", "aria-label": `Let ${named} answer`, onclick: () => act("/models/activate", { digest: model.digest }, "Changed") }, "Let it answer");
}

async function one(frame, digest) {
  const models = await list("/models");
  const model = models.find((found) => found.digest === digest);
  frame.title(model ? `${model.name}, version ${model.version}` : "Model");
  const card = await (await request("GET", `/models/${digest}/card`)).text();
  const trouble = h("div", {});
  if (model) {
    frame.view.append(h("p", {}, badges(model), h("span", { class: "soft" }, `marker ${model.marker}; ranks ${model.ranks.join(", ")}`)),
      h("div", { class: "bar" }, h("a", { class: "button", href: `#/community/model/${digest}` }, "Community behind it"), isAdmin() && actions(model, models, trouble, { ...frame, title: () => {} })), trouble);
  }
  const pages = [["About this model", () => h("div", { class: "card-text" }, markdown(card), h("p", { class: "soft small" }, "Digest ", h("code", {}, digest)))]];
  if (model?.published ?? true) {
    pages.push(["How good it is", () => waiting(get(`/models/${digest}/metrics`).then(metricsView))],
      ["Report", () => h("iframe", { class: "report", title: "Report of this model", sandbox: "allow-scripts", loading: "lazy", src: `/models/${digest}/report` })]);
  }
  frame.view.append(tabs("About this model", pages).node);
}

function waiting(promise) {
  const holder = h("div", {}, h("p", { class: "soft" }, "Loading …"));
  promise.then((node) => holder.replaceChildren(node)).catch((error) => holder.replaceChildren(note("warn", h("p", {}, error.message))));
  return holder;
}
