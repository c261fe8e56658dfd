// Results of a classification, at an address that can be shared: waiting, then table, lineages and what is new.

import { get, request, send } from "../api.js";
import { choice, empty, field, h, later, note, say, tabs, tiles } from "../dom.js";
import { count, FORMATS, percent, plural } from "../words.js";
import { lineages } from "./lineages.js";
import { novelties } from "./novel.js";
import { readAnswers, SHOW } from "./store.js";
import { ResultsTable } from "./table.js";

const ENDED = ["succeeded", "failed", "cancelled"];

export async function show(frame, id) {
  frame.title("Your results");
  const life = { over: false };
  let table = null;
  follow(frame, id, life).then((made) => {
    table = made;
    if (life.over) table?.stop();
  });
  return () => {
    life.over = true;
    table?.stop();
  };
}

/** Wait for the job, then show its answers; returns the table. */
async function follow(frame, id, life) {
  try {
    const job = await finished(frame, id, life);
    if (life.over) return null;
    if (job.state !== "succeeded") {
      frame.view.replaceChildren(note("bad", h("p", {}, job.state === "cancelled" ? "This classification was stopped." : `This classification failed: ${job.error?.detail ?? ""}`)),
        h("a", { class: "button main", href: "#/" }, "Classify again"));
      return null;
    }
    const bar = h("progress", { max: Math.max(1, job.sequences), value: 0, "aria-label": "Reading the results" });
    frame.view.replaceChildren(h("div", { class: "working" }, h("span", {}, "Reading the results …"), bar));
    const response = await request("GET", `/inference/jobs/${id}/results?format=tsv`);
    const answers = await readAnswers(response, job.sequences, (rows) => { bar.value = rows; });
    return life.over ? null : present(frame, job, answers);
  } catch (error) {
    frame.view.replaceChildren(error.status === 404
      ? empty("These results are not here (any more).", h("p", {}, "Results are kept for some days. ", h("a", { href: "#/" }, "Classify again")))
      : note("bad", h("p", {}, error.message)));
    return null;
  }
}

async function finished(frame, id, life) {
  const bar = h("progress", { "aria-label": "Naming your sequences" });
  const words = h("span", {}, "Waiting for the model …");
  const stop = h("button", { type: "button", onclick: () => send("POST", `/inference/jobs/${id}/cancel`).catch((error) => { words.textContent = error.message; }) }, "Stop");
  let wait = 120;
  for (let shown = false; ;) {
    const job = await get(`/inference/jobs/${id}`);
    if (ENDED.includes(job.state) || life.over) return job;
    if (!shown) { frame.view.replaceChildren(h("div", { class: "working" }, words, bar, stop)); shown = true; }
    if (job.progress.total && job.state === "running") {
      bar.max = job.progress.total;
      bar.value = job.progress.done;
      words.textContent = `Naming ${count(job.progress.done)} of ${plural(job.progress.total, "sequence")}`;
    }
    await new Promise((resolve) => { setTimeout(resolve, wait); });
    wait = Math.min(1000, wait * 1.4);
  }
}

function present(frame, job, answers) {
  if (!answers.size) {
    frame.view.replaceChildren(empty("There were no sequences in it.", h("p", {}, h("a", { href: "#/" }, "Classify others"))));
    return null;
  }
  const filter = { show: "all", text: "", rank: -1, least: 0, below: [], new: "" };
  const counts = answers.counts();
  const shown = h("p", { class: "soft small", role: "status" });
  const table = new ResultsTable(answers, job, () => refresh());
  const controls = filters(answers, counts, filter, () => refresh());
  const chips = h("div", { class: "chips" });

  function refresh() {
    const rows = answers.choose(filter, table.sort);
    table.show(rows);
    shown.textContent = rows.length === answers.size ? `${plural(rows.length, "sequence")}` : `${count(rows.length)} of ${plural(answers.size, "sequence")}`;
    chips.replaceChildren(...chip(filter.below.length && `Within ${filter.below.at(-1)}`, () => { filter.below = []; refresh(); }),
      ...chip(filter.new && `Likely new ${answers.ranks[filter.new.split("\t")[1]]} in ${filter.new.split("\t")[0].split("; ").at(-1) || "no named group"}`, () => { filter.new = ""; refresh(); }));
  }
  const only = (change) => {
    Object.assign(filter, { show: "all", text: "", rank: -1, least: 0, below: [], new: "" }, change);
    controls.reset(filter);
    refresh();
    views.select(0);
  };
  const views = tabs("Views of the results", [
    ["Table", () => h("div", {}, controls.node, h("div", { class: "bar" }, shown, chips), table.node, legend(answers))],
    ["Lineages", () => lineages(answers, (below) => only({ below }))],
    ["New and unnamed", () => novelties(answers, only)],
  ], () => table.draw(true));
  frame.view.replaceChildren(head(job), summary(answers, counts), views.node);
  refresh();
  say(`${plural(answers.size, "sequence")} classified, ${count(counts.named)} with a name`);
  return table;
}

function head(job) {
  const model = job.model
    ? [" by ", h("a", { href: `#/models/${job.model.digest}` }, `${job.model.name}, version ${job.model.version}`), ` (${job.model.marker})`] : [];
  return h("div", { class: "bar ends" }, h("p", { class: "soft" }, plural(job.sequences, "sequence"), " named", model),
    h("div", { class: "bar" }, h("button", { type: "button", onclick: share }, "Copy link"), downloads(job), h("a", { class: "button", href: "#/" }, "Classify others")));
}

async function share(event) {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Link copied";
    say("Link copied; whoever can reach this server can open it");
  } catch {
    prompt("Copy this link", location.href);
  }
}

/** The formats, as links that download. */
function downloads(job) {
  const links = h("div", { hidden: true, id: "downloads" }, h("ul", {}, job.formats.map((name) => {
    const [words, hint] = FORMATS[name] ?? [name, ""];
    return h("li", {}, h("a", { href: `/inference/jobs/${job.id}/results?format=${name}`, download: "", "data-format": name }, words, hint && h("small", {}, hint)));
  })));
  const button = h("button", { type: "button", class: "main", "aria-expanded": "false", "aria-controls": "downloads", onclick: () => turn(links.hidden) }, "Download ▾");
  const menu = h("div", { class: "menu" }, button, links);
  function turn(open) {
    links.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) links.querySelector("a").focus();
  }
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape" && !links.hidden) { turn(false); button.focus(); } });
  menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) turn(false); });
  return menu;
}

function summary(answers, counts) {
  const deep = answers.ranks.length - 1;
  let deepest = 0;
  for (let row = 0; row < answers.size; row += 1) if (answers.of(row).depth === deep) deepest += 1;
  const share = (value) => percent(value / answers.size);
  return tiles([
    ["With a name", count(counts.named), share(counts.named)],
    [`Named to ${answers.ranks[deep]}`, count(deepest), share(deepest)],
    ["Likely new", count(counts.new), "not in the reference"],
    ["Without a name", count(counts.unnamed), share(counts.unnamed)],
    ...(counts.bad ? [["Not readable", count(counts.bad), "see the table"]] : []),
  ]);
}

/** The search and choice fields above the table. */
function filters(answers, counts, filter, changed) {
  const search = h("input", { type: "search", placeholder: "name, sequence or accession" });
  search.addEventListener("input", later(() => { filter.text = search.value; changed(); }, 120));
  const shows = Object.entries(SHOW).filter(([key]) => key === "all" || counts[key]);
  const kinds = choice(shows.map(([key, words]) => [key, key === "all" ? words : `${words} (${count(counts[key])})`]), { onchange: () => { filter.show = kinds.value; changed(); } });
  const ranks = choice([["-1", "any rank"], ...answers.ranks.map((rank, place) => [String(place), `${rank} or deeper`])], { onchange: () => { filter.rank = Number(ranks.value); changed(); } });
  const least = choice([["0", "any"], ["0.5", "50 % or more"], ["0.8", "80 % or more"], ["0.9", "90 % or more"], ["0.95", "95 % or more"]], { onchange: () => { filter.least = Number(least.value); changed(); } });
  const labelled = (words, control) => { const made = field(words, control); made.className = ""; return made; };
  return {
    node: h("div", { class: "filters", role: "search", "aria-label": "Filter the results" }, labelled("Search", search), labelled("Show", kinds), labelled("Named to", ranks), labelled("How sure", least)),
    reset(now) {
      search.value = now.text;
      kinds.value = now.show;
      ranks.value = String(now.rank);
      least.value = String(now.least);
    },
  };
}

function chip(words, remove) {
  return words ? [h("span", { class: "chip" }, `${words} `, h("button", { type: "button", class: "link", "aria-label": `Remove the filter ${words}`, onclick: remove }, "remove"))] : [];
}

function legend(answers) {
  const bars = (kind) => h("span", { class: "bars", "aria-hidden": "true" }, h("i", { class: kind, style: "height:100%" }));
  return h("p", { class: "legend" }, `Bars: one for each rank from ${answers.ranks[0]} to ${answers.ranks.at(-1)}, as high as the name there is sure.`,
    h("span", {}, bars("yes"), "part of the name"), h("span", {}, bars("no"), "best guess only"),
    h("span", {}, "Click a sequence to see its alignment."));
}
