// The table of results. Only rows in sight are in the document; their height is fixed, so the place of each is known.

import { count } from "../words.js";
import { h } from "../dom.js";
import { detail } from "./detail.js";
import { rowCells } from "./row.js";

const MORE = 8;
const LOW = 0.3;
const COLUMNS = [
  ["id", "Sequence"], ["name", "What it is"], ["sure", "How sure"], ["new", "New?"], ["near", "Closest reference"],
  ["source", "Named by"],
];

export class ResultsTable {
  /** onsort is told {by, down}. */
  constructor(answers, job, onsort) {
    this.answers = answers;
    this.job = job;
    this.rows = new Uint32Array(0);
    this.sort = { by: "order", down: false };
    this.onsort = onsort;
    this.active = 0;
    this.open = null;
    this.heads = COLUMNS.map(([key, words]) => h("th", { scope: "col", class: `c-${key}` },
      h("button", { type: "button", onclick: () => this.sortBy(key) }, words)));
    this.above = h("td", { class: "space", colspan: COLUMNS.length });
    this.below = h("td", { class: "space", colspan: COLUMNS.length });
    this.body = h("tbody", { class: "body" });
    this.table = h("table", { "aria-label": "Classified sequences" }, h("thead", {}, h("tr", { "aria-rowindex": 1 }, this.heads)),
      h("tbody", { "aria-hidden": "true" }, h("tr", {}, this.above)), this.body,
      h("tbody", { "aria-hidden": "true" }, h("tr", {}, this.below)));
    this.node = h("div", { class: "rows", tabindex: "0", role: "region", "aria-label": "Table of results; arrow keys move between rows" }, this.table);
    this.node.addEventListener("scroll", () => this.draw(), { passive: true });
    this.body.addEventListener("focusin", (event) => {
      const { place } = event.target.closest("tr").dataset;
      if (place !== undefined) this.active = Number(place);
    });
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.watch = new ResizeObserver(() => this.draw(true));
    this.watch.observe(this.node);
    this.grown = new ResizeObserver(() => { if (this.open && this.measure()) this.draw(true); });
  }

  stop() {
    this.watch.disconnect();
    this.grown.disconnect();
  }

  /** Show other rows, from the top. */
  show(rows) {
    this.rows = rows;
    this.active = 0;
    this.close();
    this.node.scrollTop = 0;
    this.table.setAttribute("aria-rowcount", rows.length + 1);
    this.draw(true);
  }

  sortBy(key) {
    const again = this.sort.by === key;
    const downFirst = key === "sure" || key === "near";
    if (again && this.sort.down !== downFirst) this.sort = { by: "order", down: false };
    else this.sort = { by: key, down: again ? !this.sort.down : downFirst };
    this.heads.forEach((head, place) => {
      if (COLUMNS[place][0] === this.sort.by) head.setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.onsort(this.sort);
  }

  get height() {
    this.rowHeight ??= parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"))
      * parseFloat(getComputedStyle(document.documentElement).fontSize);
    return this.rowHeight;
  }

  /** Pixels from the first row's top to the top of a row. */
  top(place) { return place * this.height + (this.open && place > this.open.place ? this.open.height : 0); }

  placeAt(y) {
    if (!this.open || y <= this.top(this.open.place) + this.height) return Math.floor(y / this.height);
    return Math.max(this.open.place, Math.floor((y - this.open.height) / this.height));
  }

  draw(always = false) {
    const view = this.node.clientHeight;
    const y = this.node.scrollTop;
    const from = Math.max(0, this.placeAt(y) - MORE);
    const to = Math.min(this.rows.length, this.placeAt(y + view) + 1 + MORE);
    if (!always && from === this.from && to === this.to) return;
    const held = document.activeElement?.classList.contains("row-button") && this.body.contains(document.activeElement);
    const kept = { from: this.from, to: this.to };
    this.from = from;
    this.to = to;
    const gone = this.active < from || this.active >= to;
    // Tab enters the table at a row in sight; a focused row that is scrolled away leaves the focus with the table.
    if (gone) this.active = Math.min(this.rows.length - 1, this.placeAt(y) + 1);
    if (always || this.open || !(from < kept.to && kept.from < to)) this.fill(from, to);
    else this.shift(kept, from, to);
    const end = this.top(this.rows.length);
    this.above.style.height = `${this.top(from)}px`;
    this.below.style.height = `${Math.max(0, end - this.top(to))}px`;
    if (held && gone) this.node.focus({ preventScroll: true });
    else if (held) this.focus(this.active, false);
  }

  /** Make all rows in sight anew. */
  fill(from, to) {
    const made = [];
    for (let place = from; place < to; place += 1) {
      made.push(this.row(place));
      if (this.open?.place === place) made.push(this.open.node);
    }
    if (!made.length) {
      made.push(h("tr", {}, h("td", { colspan: COLUMNS.length }, h("span", { class: "soft" }, "No sequence passes these filters."))));
    }
    this.body.replaceChildren(...made);
  }

  /** Keep the rows that stay in sight; make only those that come in. */
  shift(kept, from, to) {
    for (const node of [...this.body.children]) {
      const place = Number(node.dataset.place);
      if (place < from || place >= to) node.remove();
      else node.querySelector(".row-button").tabIndex = place === this.active ? 0 : -1;
    }
    const rows = (first, end) => Array.from({ length: Math.max(0, end - first) }, (_, number) => this.row(first + number));
    this.body.prepend(...rows(from, Math.min(kept.from, to)));
    this.body.append(...rows(Math.max(kept.to, from), to));
  }

  row(place) {
    const row = this.rows[place];
    const open = this.open?.place === place;
    const button = h("button", {
      class: "row-button", type: "button", "aria-expanded": String(open), tabindex: place === this.active ? "0" : "-1",
      title: this.answers.ids[row], onclick: () => { this.active = place; this.toggle(place); },
    }, this.answers.ids[row] || `(no name, number ${count(row + 1)})`);
    const cells = rowCells(this.answers, row);
    return h("tr", { "data-place": place, class: open ? "open" : null, "aria-rowindex": place + 2 },
      [button, ...cells].map((cell, column) => h("td", { class: `c-${COLUMNS[column][0]}` }, cell)));
  }

  toggle(place) {
    const same = this.open?.place === place;
    const before = this.top(place) - this.node.scrollTop;
    this.close();
    if (!same) {
      const node = h("tr", { class: "detail" }, h("td", { colspan: COLUMNS.length }, detail(this.answers, this.rows[place], this.job)));
      this.open = { place, node, height: 0 };
      this.grown.observe(node.firstChild.firstChild);
    }
    this.draw(true);
    if (this.open) {
      this.measure();
      this.draw(true);
    }
    // What opens low in the table is brought up, so that it is seen; else the row stays where it is.
    const low = this.open && before > LOW * this.node.clientHeight;
    this.node.scrollTop = this.top(place) - (low ? this.height : before);
    this.focus(place, false);
  }

  close() {
    this.grown?.disconnect();
    this.open = null;
  }

  /** Take the height of the open row's detail; returns whether it changed. */
  measure() {
    const { height } = this.open.node.getBoundingClientRect();
    if (!height || Math.abs(height - this.open.height) < 1) return false;
    this.open.height = height;
    return true;
  }

  focus(place, scroll = true) {
    const wanted = Math.max(0, Math.min(this.rows.length - 1, place));
    if (scroll) {
      const head = this.table.tHead.offsetHeight;
      const top = this.top(wanted);
      const room = this.node.clientHeight - head - this.height;
      if (top < this.node.scrollTop) this.node.scrollTop = top;
      else if (top > this.node.scrollTop + room) this.node.scrollTop = top - room;
      this.draw(true);
    }
    this.active = wanted;
    const button = this.body.querySelector(`tr[data-place="${this.active}"] .row-button`);
    for (const other of this.body.querySelectorAll('.row-button[tabindex="0"]')) other.tabIndex = -1;
    if (button) {
      button.tabIndex = 0;
      button.focus({ preventScroll: true });
    }
  }

  key(event) {
    if (!event.target.classList.contains("row-button")) return;
    const page = Math.max(1, Math.floor(this.node.clientHeight / this.height) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Escape" && this.open) {
      const { place } = this.open;
      this.toggle(place);
    } else if (event.key in steps) {
      this.focus(Number.isFinite(steps[event.key]) ? this.active + steps[event.key] : event.key === "Home" ? 0 : this.rows.length - 1);
    } else return;
    event.preventDefault();
  }
}
