// The community behind a model: who is where, what is unknown, where the samples come from.

import { getOrNull, list } from "../api.js";
import { choice, empty, field, h, tabs, tiles } from "../dom.js";
import { count, plural, when } from "../words.js";
import { abundance } from "./abundance.js";
import { clusterMap } from "./map.js";
import { putativeTaxa } from "./putative.js";
import { places } from "./places.js";

export async function show(frame, kind, id, marker) {
  frame.title("Community");
  const runs = (await list("/jobs?kind=train&state=succeeded")).flatMap((job) => job.models.map((model) => ({ job, model })));
  const study = await wanted(kind, id, marker, runs);
  if (runs.length) frame.view.append(chooser(runs, kind, id, marker, study));
  if (!study) {
    frame.view.append(empty(kind ? "The study of this model is not here." : "The study of the model that answers now is not here.",
      h("p", {}, "The community of a study (what lives in which sample, a map of variants, groups of unknowns) is shown for models that were trained on a dataset of this server, or published from the results of a run."),
      h("p", {}, h("a", { class: "button main", href: "#/datasets" }, "Go to the datasets"))));
    return;
  }
  frame.title(`Community: ${study.study}`);
  present(frame.view, study);
}

async function wanted(kind, id, marker, runs) {
  if (kind === "job") return getOrNull(`/jobs/${id}/study?marker=${encodeURIComponent(marker ?? "")}`);
  if (kind === "model") return getOrNull(`/models/${id}/study`);
  const current = await getOrNull("/models/current");
  return current && getOrNull(`/models/${current.digest}/study`);
}

function chooser(runs, kind, id, marker, study) {
  const value = kind === "job" ? `job/${id}/${marker}` : kind === "model" ? runs.filter(({ model }) => model.digest === id).map(({ job, model }) => `job/${job.id}/${model.marker}`)[0] ?? "" : "";
  const select = choice([["", `the model that answers now${!kind && !study ? " (study not here)" : ""}`], ...runs.map(({ job, model }) => [`job/${job.id}/${model.marker}`, `${job.config.study ?? model.name}, ${model.marker}, version ${model.version}, ${when(job.finished)}`])],
    { value, onchange: () => { location.hash = `#/community/${select.value}`; } });
  return field("Study", select);
}

function present(view, study) {
  const samples = study.samples.filter((sample) => !sample.control);
  const reads = study.samples.reduce((sum, sample) => sum + sample.reads, 0);
  const unknown = study.taxa.filter((taxon) => taxon.putative_taxon);
  const groups = new Set(unknown.map((taxon) => taxon.putative_taxon));
  view.append(h("p", { class: "soft" }, `Marker ${study.marker}`), tiles([
    ["Samples", count(samples.length)], ["Reads", count(reads)], ["Variants", count(study.taxa.reduce((sum, taxon) => sum + taxon.asvs, 0)), "distinct sequences (ASVs)"],
    ["Groups of unknowns", count(groups.size), "putative taxa"],
  ]));
  const pages = [
    ["Who lives where", () => abundance(study)],
    ["Map of variants", () => clusterMap(study)],
    ["Unknown groups", () => putativeTaxa(study)],
  ];
  if (study.samples.some((sample) => sample.latitude !== null && sample.longitude !== null)) pages.push(["Where samples were taken", () => places(study)]);
  if (!study.samples.length) view.append(empty("No sample of this study has reads left.", h("p", {}, `${plural(study.taxa.length, "taxon", "taxa")}`)));
  else view.append(tabs("Views of the community", pages).node);
}
