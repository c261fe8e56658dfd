// What stands below an opened row: every rank, and the sequence beside its closest reference.

import { getOrNull, request } from "../api.js";
import { h, note, say } from "../dom.js";
import { percent, plural, SOURCES, sureness } from "../words.js";
import { errorWords } from "./row.js";

const LINE = 60;

/** Return the node; the alignment comes in by itself. */
export function detail(answers, row, job) {
  const error = answers.errors.get(row);
  if (error) return h("div", {}, h("p", {}, h("strong", {}, "This sequence could not be read: "), `${errorWords(error)}.`));
  const reference = h("section", { "aria-label": "Closest reference" }, h("h3", {}, "Closest reference"), facts(answers, row));
  align(answers, row, job, reference);
  return h("div", { class: "grid" },
    h("section", { "aria-label": "Ranks" }, h("h3", {}, "How sure at each rank"), ranks(answers, row), ...remarks(answers, row)), reference);
}

function ranks(answers, row) {
  const { labels, depth } = answers.of(row);
  return h("ul", { class: "ranks" }, labels.map((label, rank) => label && h("li", { class: rank <= depth ? "yes" : "no" },
    h("span", { class: "soft" }, answers.ranks[rank]),
    h("span", { class: "what", "--share": answers.shareAt(row, rank) }, label,
      rank > depth && h("span", { class: "unseen" }, " (best guess, not sure enough)")),
    h("span", { class: "number" }, sureness(answers.shareAt(row, rank))))));
}

function remarks(answers, row) {
  const made = [];
  const { depth, labels } = answers.of(row);
  if (depth < labels.length - 1) made.push(h("p", { class: "soft small" }, "Names in italics are best guesses that are not sure enough to be given."));
  const novel = answers.novel[row];
  if (novel >= 0) made.push(h("p", { class: "small" }, h("span", { class: "badge new" }, `new ${answers.ranks[novel]}?`), ` The reference seems to hold nothing of the same ${answers.ranks[novel]}.`));
  if (answers.putative[row]) made.push(h("p", { class: "small" }, "Grouped with other unknown sequences as ", h("strong", {}, answers.putative[row]), "."));
  const also = answers.alternatives.get(row);
  if (also) made.push(h("p", { class: "small" }, `These share the very same sequence here: ${also.join(", ")}.`));
  const [, how] = SOURCES[answers.source[row]] ?? [];
  if (how) made.push(h("p", { class: "soft small" }, `${how}.`));
  return made;
}

function facts(answers, row) {
  if (!answers.nearest[row]) return h("p", { class: "soft" }, "None is near.");
  const pairs = [["Accession", answers.nearest[row]]];
  if (!Number.isNaN(answers.identity[row])) pairs.push(["Identity", percent(answers.identity[row], 1)]);
  if (!Number.isNaN(answers.coverage[row])) pairs.push(["Aligned part", percent(answers.coverage[row])]);
  return h("dl", { class: "facts" }, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

async function align(answers, row, job, holder) {
  const waiting = h("p", { class: "soft small" }, "Aligning …");
  holder.append(waiting);
  try {
    const line = await (await request("GET", `/inference/jobs/${job.id}/results?format=jsonl&offset=${row}&limit=1`)).text();
    const { sequence } = JSON.parse(line);
    const found = answers.nearest[row] && job.model
      ? await getOrNull(`/models/${job.model.digest}/references/${encodeURIComponent(answers.nearest[row])}?sequence=${sequence}`) : null;
    waiting.replaceWith(...alignment(found), sequenceLine(sequence));
  } catch (error) {
    waiting.replaceWith(note("warn", h("p", {}, `The alignment is not to be had: ${error.message}`)));
  }
}

function alignment(found) {
  if (!found) return [h("p", { class: "soft small" }, "The sequence of this reference is not stored here, so there is no alignment to show.")];
  const made = [];
  if (found.lineage?.length) made.push(h("p", { class: "small" }, found.lineage.join(" › ")));
  if (!found.alignment) return made;
  const { query, match, reference, strand, identity } = found.alignment;
  const differ = [...match].filter((mark) => mark !== "|").length;
  const lines = [];
  for (let from = 0; from < query.length; from += LINE) {
    const part = (text) => marked(text.slice(from, from + LINE), match.slice(from, from + LINE));
    lines.push("yours      ", ...part(query), "\n           ", match.slice(from, from + LINE).replaceAll("-", " ").replaceAll(".", " "),
      "\nreference  ", ...part(reference), from + LINE < query.length ? "\n\n" : "");
  }
  made.push(h("pre", { class: "alignment", tabindex: "0", role: "region",
    "aria-label": `Alignment: ${plural(differ, "difference")} in ${match.length} places` }, lines),
  h("p", { class: "soft small" }, `${plural(differ, "difference")} in ${match.length} places (${percent(identity, 1)} identical)${strand === "-" ? "; your sequence is shown reversed" : ""}.`));
  return made;
}

/** Put marks around the letters that differ. */
function marked(text, match) {
  const made = [];
  for (const run of match.matchAll(/\|+|[^|]+/g)) {
    const part = text.slice(run.index, run.index + run[0].length);
    made.push(run[0][0] === "|" ? part : h("mark", {}, part));
  }
  return made;
}

function sequenceLine(sequence) {
  return h("p", {}, h("button", { type: "button", onclick: async () => {
    await navigator.clipboard?.writeText(sequence);
    say("Sequence copied");
  } }, "Copy the sequence"), h("span", { class: "soft small" }, ` ${sequence.length} letters`));
}

