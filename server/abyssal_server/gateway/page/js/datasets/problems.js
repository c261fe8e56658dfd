// What is wrong with a sample sheet: said in words, and shown at the row and column.

import { h } from "../dom.js";
import { plural } from "../words.js";

const MOST_ROWS = 60;
const MOST_PROBLEMS = 200;

/** The problems as a list. */
export function problemList(problems) {
  return h("div", { class: "note bad", role: "alert" },
    h("p", {}, h("strong", {}, `${plural(problems.length, "thing")} to correct`)),
    h("ul", {}, problems.slice(0, MOST_PROBLEMS).map((one) => h("li", {}, h("strong", {}, place(one)), one.detail))),
    problems.length > MOST_PROBLEMS && h("p", {}, `… and ${problems.length - MOST_PROBLEMS} more.`));
}

const place = ({ file, row, column }) => `${[file, row && `row ${row}`, column && `column ${column}`].filter(Boolean).join(", ")}: `;

/** The sheet as a table with each problem at its cell; text is the file, rows count the header as 1. */
export function sheetView(text, problems) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  while (lines.length && !lines.at(-1)) lines.pop();
  const mark = (lines[0] ?? "").includes("\t") ? "\t" : (lines[0] ?? "").includes(";") ? ";" : ",";
  const columns = (lines[0] ?? "").split(mark);
  const at = new Map();
  for (const one of problems) {
    const key = `${one.row ?? 1}\t${columns.indexOf(one.column ?? "")}`;
    at.set(key, [...(at.get(key) ?? []), one.detail]);
  }
  const wrong = new Set(problems.map((one) => one.row ?? 1));
  const shown = lines.map((_, index) => index + 1).filter((row) => row > 1 && (row <= MOST_ROWS || wrong.has(row))).slice(0, 3 * MOST_ROWS);
  const cell = (name, row, place, words) => {
    const why = at.get(`${row}\t${place}`);
    return h(name, { class: why ? "wrong" : null, scope: name === "th" ? "col" : null }, words, why && h("span", { class: "why" }, why.join(" ")));
  };
  const line = (row) => {
    const cells = lines[row - 1].split(mark);
    const whole = at.get(`${row}\t-1`);
    return h("tr", {}, h("td", { class: whole ? "wrong" : "line" }, String(row), whole && h("span", { class: "why" }, whole.join(" "))),
      columns.map((_, place) => cell("td", row, place, cells[place] ?? "")));
  };
  return h("div", { class: "scroll sheet", tabindex: "0", role: "region", "aria-label": "Your sample sheet" },
    h("table", { class: "plain" }, h("caption", {}, `Your sample sheet, ${plural(lines.length - 1, "row")}; what to correct is marked`),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "row", at.get("1\t-1") && h("span", { class: "why" }, at.get("1\t-1").join(" "))),
        columns.map((name, place) => cell("th", 1, place, name)))),
      h("tbody", {}, shown.map(line))));
}
