// The first view: sequences in, by paste, file or sample; then on to the results.

import { getOrNull, list, mayInfer, sendPatiently } from "../api.js";
import { choice, field, h, note, say, tick } from "../dom.js";
import { bytes, plural, when } from "../words.js";
import { forget, recent, remember } from "./recent.js";

const LARGE = 1 << 20;
const draft = { text: "" };

export async function show(frame) {
  frame.title("What lives in your samples?");
  const trouble = h("div", {});
  const text = h("textarea", {
    rows: 9, class: "mono", spellcheck: "false", autocapitalize: "off", value: draft.text,
    placeholder: ">my-sequence-1\nAGCTCCAATAGCGTATATTAAAGTTGTTGCGGTTAAAAAGC…", oninput: () => { draft.text = text.value; chosen = null; showFile(); },
  });
  let chosen = null;
  const fileLine = h("p", { class: "small", "aria-live": "polite" });
  const picker = h("input", {
    type: "file", id: "sequence-file", class: "unseen", tabindex: "-1", "aria-label": "File of sequences",
    accept: ".fasta,.fa,.fna,.fas,.fastq,.fq,.gz,.txt", onchange: () => takeFile(picker.files[0]),
  });
  const button = h("button", { class: "main", type: "submit" }, "Name these sequences");
  const align = tick("Check unsure ones by alignment too (slower)");
  const models = choice([["", "The model in use"]]);
  const modelField = field("Model", models, "Several models answer here; choose the one of your marker.");
  modelField.hidden = true;

  function takeFile(file) {
    if (!file) return;
    chosen = file;
    showFile();
  }
  function showFile() {
    fileLine.replaceChildren(...(chosen ? [`File: ${chosen.name} (${bytes(chosen.size)}) `,
      h("button", { class: "link", type: "button", onclick: () => { chosen = null; picker.value = ""; showFile(); } }, "Remove")] : []));
  }
  async function useSample() {
    const sample = await getOrNull("/page/sample/sequences.json");
    chosen = null;
    showFile();
    text.value = draft.text = sample.fasta;
    say("Sample sequences filled in");
    button.focus();
  }
  async function submit(event) {
    event.preventDefault();
    trouble.replaceChildren();
    if (!chosen && !text.value.trim()) {
      trouble.replaceChildren(note("bad", h("p", {}, "Paste sequences, choose a file, or try the sample first.")));
      text.focus();
      return;
    }
    button.disabled = true;
    button.textContent = "Sending …";
    try {
      location.hash = `#/results/${await ask({ file: chosen, text: text.value, model: models.value, align: align.box.checked })}`;
    } catch (error) {
      trouble.replaceChildren(refusal(error));
    } finally {
      button.disabled = false;
      button.textContent = "Name these sequences";
    }
  }

  const zone = h("div", { class: "drop" },
    h("label", { for: "sequences" }, "Sequences (FASTA or FASTQ)"),
    h("p", { class: "hint" }, "Paste them here, drop a file, or choose one; .gz is fine."), text, fileLine,
    h("div", { class: "bar" }, picker,
      h("button", { type: "button", onclick: () => picker.click() }, "Choose a file"),
      h("button", { type: "button", onclick: useSample }, "Try sample sequences")));
  text.id = "sequences";
  acceptDrops(zone, (files) => takeFile(files[0]));
  frame.view.append(
    h("p", { class: "lead" }, "Paste environmental-DNA sequences. Each gets a name as deep as the evidence carries, how sure that is, and a mark when your organism seems to be missing from the reference."),
    mayInfer() ? h("form", { onsubmit: submit }, zone, h("div", { class: "bar" }, button, align.node), modelField, trouble)
      : note("warn", h("p", {}, "Log in with a key to classify sequences here.")),
    ...recentList(), modelLine());
  offerModels(models, modelField);
}

/** Send sequences; returns the id of the job whose results can be shared. */
async function ask({ file, text, model, align }) {
  const parameters = new URLSearchParams();
  if (model) parameters.set("model", model);
  if (align) parameters.set("fallback", "true");
  const zipped = file?.name.endsWith(".gz");
  const plain = file ?? new Blob([text]);
  // Letters shrink to a quarter: more sequences fit under the server's limit, and they are there sooner.
  const packed = !zipped && plain.size > LARGE ? await new Response(plain.stream().pipeThrough(new CompressionStream("gzip"))).blob() : null;
  const response = await sendPatiently("POST", `/inference/classify?${parameters}`, {
    body: packed ?? plain, headers: { Prefer: "respond-async", "Content-Type": zipped || packed ? "application/gzip" : "text/plain" },
  });
  const job = await response.json();
  const first = file?.name ?? /^[>@](\S+)/.exec(text.trim())?.[1] ?? "";
  remember({ id: job.id, sequences: job.sequences, at: job.created, label: first });
  return job.id;
}

function refusal(error) {
  const rows = error.problem?.errors ?? [];
  return note("bad", h("p", {}, h("strong", {}, "These sequences were not accepted. "), error.message),
    rows.length > 1 && h("ul", {}, rows.map((row) => h("li", {}, row.detail))));
}

/** Let files be dropped on a node. */
export function acceptDrops(node, take) {
  node.addEventListener("dragover", (event) => { event.preventDefault(); node.classList.add("over"); });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("over");
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

function recentList() {
  const entries = recent();
  if (!entries.length) return [];
  const rows = h("ul", {}, entries.map((entry) => {
    const item = h("li", {}, h("a", { href: `#/results/${entry.id}` }, `${plural(entry.sequences, "sequence")}${entry.label ? `, ${entry.label}` : ""}`),
      h("span", { class: "soft small" }, ` ${when(entry.at)} `),
      h("button", { class: "link small", type: "button", "aria-label": `Forget ${entry.label || entry.id}`, onclick: () => { forget(entry.id); item.remove(); } }, "forget"));
    return item;
  }));
  return [h("h2", {}, "Your last results"), h("p", { class: "soft small" }, "Kept by this browser; the server keeps results for some days."), rows];
}

function modelLine() {
  const line = h("p", { class: "soft small" });
  getOrNull("/models/current").then((model) => {
    line.append("Answering now: ", h("a", { href: `#/models/${model.digest}` }, `${model.name}, version ${model.version}`), ` (marker ${model.marker}).`);
  }).catch((error) => line.append(`No model answers at the moment: ${error.message}`));
  return line;
}

async function offerModels(select, holder) {
  const current = (await list("/models").catch(() => [])).filter((model) => model.current);
  if (current.length < 2) return;
  select.append(...current.map((model) => h("option", { value: model.name }, `${model.name} (${model.marker})`)));
  holder.hidden = false;
}
