// Training: the list of jobs, and one of them as it runs.

import { get, isAdmin, list, send } from "../api.js";
import { empty, h, note, say, stateBadge, table, tabs } from "../dom.js";
import { lasting, percent, plural, RUN_FORMATS, STATES, step, when } from "../words.js";
import { follow } from "./follow.js";

const ENDED = ["succeeded", "failed", "cancelled"];

export async function show(frame, id) {
  return id ? one(frame, id) : all(frame);
}

async function all(frame) {
  frame.title("Training");
  const jobs = await list("/jobs?kind=train");
  frame.view.append(h("p", { class: "lead" }, "Training turns a dataset into a model of its own: reads become variants, variants get names, unknown ones are grouped, and the model is tested on sequences it never saw."),
    h("div", { class: "bar" }, h("a", { class: "button main", href: "#/datasets" }, "Train on a dataset")),
    jobs.length ? table(plural(jobs.length, "training job"), ["Started", "Study", "State", "Progress", "Model"], jobs.map((job) => [
      h("a", { href: `#/training/${job.id}` }, when(job.created)), job.config.study ?? "", stateBadge(STATES[job.state]),
      job.progress.total ? `${job.progress.done} of ${plural(job.progress.total, "step")}` : "", modelLinks(job),
    ])) : empty("No training yet.", h("p", {}, "Upload a dataset, then start training from its page.")));
}

const modelLinks = (job) => job.models.map((model) => h("a", { href: `#/models/${model.digest}` }, `${model.name}, version ${model.version}`));

async function one(frame, id) {
  const job = await get(`/jobs/${id}`);
  frame.title(`Training: ${job.config.study ?? "study"}`);
  const parts = { state: h("div", {}), result: h("div", {}), log: h("pre", { class: "log", tabindex: "0", role: "region", "aria-label": "Log, newest lines last" }) };
  const logging = h("details", { open: !ENDED.includes(job.state) || job.state === "failed" }, h("summary", {}, "Log"), parts.log);
  let shown = "";
  const showJob = (now) => {
    if (shown && shown !== now.state) say(STATES[now.state][0]);
    const changed = shown !== now.state;
    shown = now.state;
    parts.state.replaceChildren(stateOf(now, act));
    if (changed && now.state === "succeeded") parts.result.replaceChildren(...results(now));
  };
  async function act(path) {
    try {
      showJob(await send("POST", `/jobs/${id}/${path}`));
      if (path === "retry") start();
    } catch (error) {
      parts.state.append(note("bad", h("p", {}, error.message)));
    }
  }
  let stop = () => {};
  function start() {
    stop();
    stop = follow(`/jobs/${id}/events`, { job: showJob, log: (text) => addLog(parts.log, text), lost: (words) => say(words) });
  }
  frame.view.append(parts.state, parts.result, logging);
  showJob(job);
  start();
  return () => stop();
}

const MOST_LETTERS = 60000;
function addLog(node, text) {
  const below = node.scrollHeight - node.scrollTop - node.clientHeight < 40;
  const all = node.textContent + text;
  node.textContent = all.length > MOST_LETTERS ? all.slice(all.indexOf("\n", all.length - MOST_LETTERS) + 1) : all;
  if (below) node.scrollTop = node.scrollHeight;
}

function stateOf(job, act) {
  const { done, total, rule, running } = job.progress;
  const active = !ENDED.includes(job.state);
  const now = [...new Set(running)].map(step).filter(Boolean);
  return h("div", {},
    h("p", {}, stateBadge(STATES[job.state]), h("span", { class: "soft" }, ` ${times(job)}`), job.attempt > 1 && h("span", { class: "soft" }, `, attempt ${job.attempt}`)),
    active && h("div", { class: "working" }, h("progress", { max: Math.max(1, total), ...(total ? { value: done } : {}), "aria-label": "Progress of the training" }),
      h("span", { class: "number" }, total ? `${done} of ${total} (${percent(done / total)})` : "preparing")),
    active && h("p", {}, job.cancel_requested ? "Stopping …" : now.length ? `Now: ${now.join("; ")}` : job.state === "queued" ? "Waits for a worker." : step(rule)),
    job.error && note("bad", h("p", {}, h("strong", {}, job.error.rule ? `It failed while: ${step(job.error.rule)}. ` : "It failed. "), job.error.detail)),
    h("p", { class: "soft small" }, "Dataset: ", h("a", { href: `#/datasets/${job.dataset}` }, "look at it"), `; model version ${job.version}; started by ${job.owner}${job.activate ? "; answers as soon as it is ready" : ""}`),
    isAdmin() && h("div", { class: "bar" },
      active && !job.cancel_requested && h("button", { type: "button", class: "danger", onclick: () => act("cancel") }, "Stop this training"),
      ["failed", "cancelled"].includes(job.state) && h("button", { type: "button", class: "main", onclick: () => act("retry") }, "Try again from where it stopped")));
}

function times(job) {
  if (job.finished) return `${when(job.finished)}, took ${lasting(job.started ?? job.created, job.finished)}`;
  return job.started ? `for ${lasting(job.started)}` : `since ${when(job.created)}`;
}

function results(job) {
  return job.models.map((model) => h("section", {},
    h("h2", {}, model.marker),
    note(model.activated ? "good" : "", h("p", {}, "Model ", h("a", { href: `#/models/${model.digest}` }, `${model.name}, version ${model.version}`),
      model.activated ? " answers from now on." : " is published. Administrators can let it answer on its page."), model.problem && h("p", {}, model.problem)),
    h("div", { class: "bar" }, h("a", { class: "button main", href: `#/community/job/${job.id}/${encodeURIComponent(model.marker)}` }, "See the community"),
      h("a", { class: "button", href: "#/" }, "Classify with it")),
    tabs(`Results of ${model.marker}`, [
      ["Report", () => h("iframe", { class: "report", title: `Report of ${model.marker}`, sandbox: "allow-scripts", loading: "lazy", src: `/jobs/${job.id}/report?marker=${encodeURIComponent(model.marker)}` })],
      ["Overview of the study", () => h("iframe", { class: "report", title: "Overview of the study", sandbox: "allow-scripts", loading: "lazy", src: `/jobs/${job.id}/report` })],
      ["Download", () => downloads(job, model.marker)],
    ]).node));
}

function downloads(job, marker) {
  return h("ul", {}, Object.entries(RUN_FORMATS).map(([name, [words, hint]]) => h("li", {},
    h("a", { href: `/jobs/${job.id}/exports?marker=${encodeURIComponent(marker)}&format=${name}`, download: "", "data-format": name }, words), hint && h("span", { class: "soft small" }, ` ${hint}`))));
}
