// The part of Markdown that model cards use, as nodes: headings, paragraphs, lists, tables, emphasis, code.

import { h } from "../dom.js";

/** Return nodes; headings start one level below the page's. */
export function markdown(text) {
  const lines = text.split("\n");
  const nodes = [];
  for (let at = 0; at < lines.length;) {
    const taken = [block, tableBlock, listBlock, paragraph].reduce((found, make) => found || make(lines, at), null);
    if (taken.node) nodes.push(taken.node);
    at = taken.next;
  }
  return nodes;
}

function block(lines, at) {
  const line = lines[at];
  if (!line.trim()) return { node: null, next: at + 1 };
  const head = /^(#{1,5}) (.*)/.exec(line);
  if (head) return { node: h(`h${Math.min(6, head[1].length + 1)}`, {}, inline(head[2])), next: at + 1 };
  if (!line.startsWith("```")) return null;
  let end = at + 1;
  while (end < lines.length && !lines[end].startsWith("```")) end += 1;
  return { node: h("pre", { tabindex: "0" }, lines.slice(at + 1, end).join("\n")), next: end + 1 };
}

function tableBlock(lines, at) {
  if (!lines[at].startsWith("|") || !/^\|[\s:|-]+\|?$/.test(lines[at + 1] ?? "")) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].startsWith("|")) end += 1;
  const cells = (line) => line.replace(/^\||\|\s*$/g, "").split("|").map((cell) => cell.trim());
  const columns = cells(lines[at]);
  const named = columns.some(Boolean);
  const rows = lines.slice(at + 2, end).map(cells);
  const numbers = columns.map((_, place) => rows.every((row) => /^-?\d+(\.\d+)?$/.test(row[place] ?? "")));
  const body = rows.map((row) => h("tr", {}, row.map((cell, place) => (named || place
    ? h("td", { class: numbers[place] ? "number" : null }, inline(cell)) : h("th", { scope: "row" }, inline(cell))))));
  return {
    node: h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": named ? columns.join(", ") : "Facts" },
      h("table", { class: "plain" }, named && h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, inline(name))))), h("tbody", {}, body))),
    next: end,
  };
}

function listBlock(lines, at) {
  if (!/^[-*] /.test(lines[at])) return null;
  const items = [];
  let end = at;
  for (; end < lines.length && (/^[-*] /.test(lines[end]) || /^ {2,}\S/.test(lines[end])); end += 1) {
    if (/^[-*] /.test(lines[end])) items.push(lines[end].slice(2));
    else items[items.length - 1] += ` ${lines[end].trim()}`;
  }
  return { node: h("ul", {}, items.map((item) => h("li", {}, inline(item)))), next: end };
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !/^(#{1,5} |\||[-*] |```)/.test(lines[end])) end += 1;
  return { node: h("p", {}, inline(lines.slice(at, end).join(" "))), next: end };
}

function inline(text) {
  return [...text.matchAll(/`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|([^`*]+|[`*])/g)].map(([, code, strong, soft, plain]) => (
    code ? h("code", {}, code) : strong ? h("strong", {}, strong) : soft ? h("em", {}, soft) : plain));
}
