// Datasets: the list, and one of them with its files, its sheet and what to mend.

import { get, isAdmin, list, mayInfer, send } from "../api.js";
import { empty, h, note, say, stateBadge, table, tiles } from "../dom.js";
import { bytes, plural, STATES, when } from "../words.js";
import { trainForm } from "../jobs/start.js";
import { newDataset } from "./create.js";
import { continueUpload } from "./continue.js";
import { problemList } from "./problems.js";

export async function show(frame, id) {
  if (id === "new") return create(frame);
  return id ? one(frame, id) : all(frame);
}

async function all(frame) {
  frame.title("Datasets");
  const found = await list("/datasets");
  const add = mayInfer() && h("a", { class: "button main", href: "#/datasets/new" }, "Upload a dataset");
  frame.view.append(h("p", { class: "lead" }, "A dataset is the reads of a cruise or project and a sample sheet that says which file is which sample. A model is trained on it."),
    h("div", { class: "bar" }, add),
    found.length ? h("ul", { class: "cells" }, found.map(cell))
      : empty("No dataset yet.", h("p", {}, "Upload FASTQ files and a sample sheet to begin.")));
}

const cell = (dataset) => h("li", {}, h("h3", {}, h("a", { href: `#/datasets/${dataset.id}` }, dataset.name)),
  h("p", {}, stateBadge(STATES[dataset.state])),
  h("p", { class: "soft small" }, `${plural(dataset.files.length, "file")}, ${bytes(dataset.bytes)}, ${when(dataset.created)}`),
  dataset.sheet && h("p", { class: "soft small" }, sheetWords(dataset.sheet)));

const sheetWords = (sheet) => `${plural(sheet.samples, "sample")}, of these ${plural(sheet.controls, "control")}; ${plural(sheet.libraries, "library", "libraries")}; ${sheet.markers.join(", ")}`;

function create(frame) {
  frame.title("Upload a dataset");
  if (!mayInfer()) {
    frame.view.append(note("warn", h("p", {}, "Log in with a key to upload.")));
    return null;
  }
  return newDataset(frame.view, (dataset) => { location.hash = `#/datasets/${dataset.id}`; });
}

async function one(frame, id) {
  const dataset = await get(`/datasets/${id}`);
  frame.title(dataset.name);
  const again = () => { frame.view.replaceChildren(); return one(frame, id); };
  const [words, kind] = STATES[dataset.state];
  frame.view.append(h("p", {}, stateBadge([words, kind]), h("span", { class: "soft small" }, ` uploaded by ${dataset.owner}, ${when(dataset.created)}`)));
  if (dataset.sheet) {
    frame.view.append(tiles([["Samples", dataset.sheet.samples], ["Controls", dataset.sheet.controls], ["Libraries", dataset.sheet.libraries], ["Markers", dataset.sheet.markers.length, dataset.sheet.markers.join(", ")]]));
  }
  if (dataset.problems.length) frame.view.append(problemList(dataset.problems));
  if (dataset.state !== "ready" && mayInfer()) frame.view.append(continueUpload(dataset, again));
  if (dataset.state === "ready") {
    frame.view.append(h("h2", {}, "Train a model on it"),
      isAdmin() ? await trainForm(dataset)
        : note("", h("p", {}, "Only administrators start training. Log in with the administrator's token (the server prints it when it starts), or ask yours.")));
  }
  frame.view.append(h("h2", {}, "Files"), fileTable(dataset), removal(dataset));
  return null;
}

function fileTable(dataset) {
  const files = dataset.contents.length ? dataset.contents.map((file) => [file.name, bytes(file.bytes), "complete"])
    : dataset.files.map((file) => [file.name, bytes(file.bytes), file.received === file.bytes ? "complete" : `${bytes(file.received)} received`]);
  return table(`${plural(files.length, "file")}, ${bytes(dataset.bytes)}`, ["File", "Size", "State"], files, [1]);
}

function removal(dataset) {
  const trouble = h("div", {});
  return h("div", {}, trouble, h("div", { class: "bar" }, h("button", { type: "button", class: "danger", onclick: async () => {
    if (!confirm(`Delete the dataset “${dataset.name}” and its files?`)) return;
    try {
      await send("DELETE", `/datasets/${dataset.id}`);
      say("Dataset deleted");
      location.hash = "#/datasets";
    } catch (error) {
      trouble.replaceChildren(note("bad", h("p", {}, error.message)));
    }
  } }, "Delete this dataset")));
}
