// Small helpers around the DOM. Text always goes in as text, never as markup.

/** Make an element: h("a", {class: "x", href: "#/", onclick: f, hidden: true}, "text", child, null). */
export function h(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked") node[key] = value;
    else if (key.startsWith("--")) node.style.setProperty(key, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

let number = 0;
/** Return an id that no other element has. */
export const freshId = (stem) => `${stem}-${(number += 1)}`;

/** Tell screen readers something that others see. */
export function say(text) {
  const region = byId("say");
  region.textContent = "";
  setTimeout(() => { region.textContent = text; }, 60);
}

/** A label with its field below and a hint between. */
export function field(label, control, hint) {
  const id = control.id || (control.id = freshId("field"));
  const hintId = `${id}-hint`;
  if (hint) control.setAttribute("aria-describedby", hintId);
  return h("div", { class: "field" }, h("label", { for: id }, label),
    hint && h("p", { class: "hint", id: hintId }, hint), control);
}

/** A tick box with its words behind. */
export function tick(label, attributes = {}) {
  const box = h("input", { type: "checkbox", ...attributes });
  return { box, node: h("label", { class: "line" }, box, label) };
}

/** A select from [value, words] pairs. */
export function choice(pairs, attributes = {}) {
  const { value, ...rest } = attributes;
  const select = h("select", rest, pairs.map(([key, words]) => h("option", { value: key }, words)));
  if (value !== undefined) select.value = value;
  return select;
}

/** The state of a job or dataset in words and colour. */
export const stateBadge = ([words, kind]) => h("span", { class: `badge ${kind}` }, words);

/** A coloured remark; kind is "", "good", "warn" or "bad". */
export function note(kind, ...children) {
  return h("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : null }, ...children);
}

/** What to show where nothing is yet. */
export const empty = (title, ...more) => h("div", { class: "empty" }, h("p", {}, h("strong", {}, title)), ...more);

/** Tiles of a number and its name: [[name, value, small], …]. */
export const tiles = (values) => h("dl", { class: "cards" },
  values.map(([name, value, small]) => h("div", {}, h("dt", {}, name), h("dd", {}, value, small && h("small", {}, small)))));

/** Tabs: [[name, make], …] where make() returns a node; each is made when it is first looked at. */
export function tabs(label, pages, onshow = () => {}) {
  const made = new Map();
  const panel = h("div", { role: "tabpanel", id: freshId("panel"), tabindex: "-1" });
  const buttons = pages.map(([name], index) => h("button", {
    role: "tab", id: freshId("tab"), "aria-controls": panel.id, type: "button",
    onclick: () => select(index), onkeydown: (event) => move(event, index),
  }, name));
  function select(index) {
    buttons.forEach((button, place) => {
      button.setAttribute("aria-selected", String(place === index));
      button.tabIndex = place === index ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", buttons[index].id);
    if (!made.has(index)) made.set(index, pages[index][1]());
    panel.replaceChildren(made.get(index));
    onshow(pages[index][0]);
  }
  function move(event, index) {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const next = event.key === "Home" ? 0 : event.key === "End" ? pages.length - 1
      : event.key in steps ? (index + steps[event.key] + pages.length) % pages.length : null;
    if (next === null) return;
    event.preventDefault();
    select(next);
    buttons[next].focus();
  }
  select(0);
  return { node: h("div", {}, h("div", { class: "tabs", role: "tablist", "aria-label": label }, buttons), panel), select };
}

/** A plain table: names of columns, rows of nodes or texts, places of number columns. */
export function table(caption, columns, rows, numbers = []) {
  const kind = (place) => (numbers.includes(place) ? "number" : null);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: "plain" }, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((name, place) => h("th", { scope: "col", class: kind(place) }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, place) => h("td", { class: kind(place) }, cell)))))));
}

/** Call a function only when it was not asked for again for a while. */
export function later(call, milliseconds) {
  let timer = 0;
  return (...values) => { clearTimeout(timer); timer = setTimeout(() => call(...values), milliseconds); };
}
