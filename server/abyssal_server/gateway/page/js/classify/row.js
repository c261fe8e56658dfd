// The cells of one row of results, in words and small bars.

import { h } from "../dom.js";
import { percent, SOURCES, sureness } from "../words.js";

/** Return what stands beside the sequence's name. */
export function rowCells(answers, row) {
  return [nameCell(answers, row), sureCell(answers, row), badge(answers, row), nearCell(answers, row), sourceCell(answers, row)];
}

function nameCell(answers, row) {
  const error = answers.errors.get(row);
  const { depth, path, name } = answers.of(row);
  if (error) return two("No answer", errorWords(error));
  if (depth < 0) return two("No name", "nothing in the reference is near enough");
  const above = path.slice(0, -1).join(" › ");
  const cell = two(name, `${answers.ranks[depth]}${above ? ` · ${above}` : ""}`);
  if (answers.novel[row] >= 0) {
    cell.classList.add("new");
    cell.append(h("small", { class: "narrow", "aria-hidden": "true" }, newWords(answers, row)));
  }
  return cell;
}

const newWords = (answers, row) => `new ${answers.ranks[answers.novel[row]]}?`;

const two = (strong, small) => h("span", { class: "two", title: `${strong}: ${small}` }, h("b", {}, strong), h("small", {}, small));

/** The words behind a code like "TOO_SHORT: 5 letters". */
export const errorWords = (error) => error.slice(error.indexOf(": ") + 2);

function sureCell(answers, row) {
  if (answers.errors.has(row)) return "";
  const { labels, depth } = answers.of(row);
  const spoken = [];
  const bars = labels.map((label, rank) => {
    if (!label) return null;
    const share = answers.shareAt(row, rank);
    spoken.push(`${answers.ranks[rank]} ${sureness(share)}${rank > depth ? " (not sure enough)" : ""}`);
    return h("i", { class: rank <= depth ? "yes" : null, style: `height:${Math.round(100 * share)}%` });
  });
  return h("span", { class: "sure" },
    h("span", { class: "bars", role: "img", "aria-label": spoken.join(", ") || "no rank", title: spoken.join("\n") }, bars),
    h("span", {}, depth < 0 ? "" : sureness(answers.sureOf(row))));
}

/** The mark of novelty, in words. */
export function badge(answers, row) {
  if (answers.errors.has(row)) return h("span", { class: "badge bad" }, "not readable");
  const novel = answers.novel[row];
  if (novel >= 0) {
    return h("span", { class: "badge new", title: `The reference seems to hold nothing of the same ${answers.ranks[novel]}` }, newWords(answers, row));
  }
  return answers.of(row).depth < 0 ? h("span", { class: "badge" }, "no name") : "";
}

function nearCell(answers, row) {
  if (!answers.nearest[row]) return "";
  const identity = answers.identity[row];
  return two(Number.isNaN(identity) ? "not aligned" : `${percent(identity, 1)} alike`, answers.nearest[row]);
}

function sourceCell(answers, row) {
  const [word, hint] = SOURCES[answers.source[row]] ?? [answers.source[row], ""];
  return h("span", { title: hint, class: "soft" }, word);
}
