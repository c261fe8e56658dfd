// The answers in memory, a column a property, so that 100,000 sequences take tens of megabytes and filter at once.

const FIXED = 3;
const NAMES_OF_NONE = new Set(["", "Unassigned"]);
export const SHOW = {
  all: "All sequences", named: "With a name", new: "Likely new to the reference", unnamed: "Without a name",
  bad: "Not readable",
};

export class Answers {
  /** total: how many rows will come. */
  constructor(total) {
    this.size = 0;
    this.total = total;
    this.ids = new Array(total);
    this.lineage = new Int32Array(total);
    this.lineages = [];
    this.novel = new Int8Array(total).fill(-1);
    this.putative = new Array(total);
    this.nearest = new Array(total);
    this.identity = new Float32Array(total).fill(NaN);
    this.coverage = new Float32Array(total).fill(NaN);
    this.source = new Array(total);
    this.alternatives = new Map();
    this.errors = new Map();
    this.known = new Map();
  }

  /** Take the header line of the table. */
  begin(line) {
    const columns = line.split("\t");
    this.ranks = columns.slice(FIXED, columns.indexOf("novel_at")).filter((_, place) => place % 2 === 0);
    this.confidence = new Float32Array(this.total * this.ranks.length);
  }

  /** Take a line of the table. */
  add(line) {
    const cells = line.split("\t");
    const row = this.size;
    const depth = this.ranks.length;
    const after = FIXED + 2 * depth;
    for (let rank = 0; rank < depth; rank += 1) this.confidence[row * depth + rank] = Number(cells[FIXED + 2 * rank + 1]);
    this.ids[row] = cells[0];
    this.lineage[row] = this.#lineage(cells, after);
    if (cells[after]) this.novel[row] = this.ranks.indexOf(cells[after]);
    if (cells[after + 1]) this.alternatives.set(row, cells[after + 1].split("|"));
    this.putative[row] = cells[after + 2];
    this.nearest[row] = cells[after + 3];
    if (cells[after + 4]) this.identity[row] = Number(cells[after + 4]);
    if (cells[after + 5]) this.coverage[row] = Number(cells[after + 5]);
    this.source[row] = cells[after + 6];
    if (cells[after + 8]) this.errors.set(row, cells[after + 8]);
    this.size += 1;
  }

  /** Lineages are kept once: {labels, depth, taxon, name, path, text}. */
  #lineage(cells, after) {
    const labels = [];
    for (let place = FIXED; place < after; place += 2) labels.push(cells[place]);
    const key = `${cells[1]}\t${labels.join("\t")}`;
    let number = this.known.get(key);
    if (number === undefined) {
      const depth = acceptedDepth(labels, cells[1]);
      const accepted = labels.slice(0, depth + 1).filter(Boolean);
      number = this.lineages.length;
      this.lineages.push({
        labels, depth, taxon: depth < 0 ? "" : cells[1], name: accepted.at(-1) ?? "", path: accepted,
        text: labels.slice(0, depth + 1).join(" ").toLowerCase(),
      });
      this.known.set(key, number);
    }
    return number;
  }

  of(row) { return this.lineages[this.lineage[row]]; }
  sureOf(row) {
    const { depth } = this.of(row);
    return depth < 0 ? 0 : this.confidence[row * this.ranks.length + depth];
  }
  shareAt(row, rank) { return this.confidence[row * this.ranks.length + rank]; }

  /** Which kind of answer a row is: "bad", "new", "unnamed" or "named". */
  kind(row) {
    if (this.errors.has(row)) return "bad";
    if (this.of(row).depth < 0) return "unnamed";
    return this.novel[row] >= 0 ? "new" : "named";
  }

  isShown(row, show) {
    if (show === "all") return true;
    if (show === "new") return this.novel[row] >= 0 && !this.errors.has(row);
    if (show === "named") return this.of(row).depth >= 0;
    return this.kind(row) === show;
  }

  /**
   * Return the rows that pass, in order, as a Uint32Array.
   * filter: {show, text, rank, least, below} with below a list of accepted names from the top; sort: {by, down}.
   */
  choose(filter, sort) {
    const text = (filter.text ?? "").trim().toLowerCase();
    const hit = text ? this.lineages.map((one) => one.text.includes(text)) : null;
    const below = filter.below?.length ? this.lineages.map((one) => filter.below.every((name, place) => one.path[place] === name)) : null;
    const found = new Uint32Array(this.size);
    let n = 0;
    for (let row = 0; row < this.size; row += 1) {
      const lineage = this.lineage[row];
      if (below && !below[lineage]) continue;
      if (filter.rank >= 0 && this.lineages[lineage].depth < filter.rank) continue;
      if (filter.least > 0 && this.sureOf(row) < filter.least) continue;
      if (filter.show && !this.isShown(row, filter.show)) continue;
      if (filter.new && this.#newGroup(row) !== filter.new) continue;
      if (hit && !hit[lineage] && !this.#matches(row, text)) continue;
      found[n] = row;
      n += 1;
    }
    return this.#sorted(found.slice(0, n), sort);
  }

  #matches(row, text) {
    return this.ids[row].toLowerCase().includes(text) || this.nearest[row].toLowerCase().includes(text)
      || this.putative[row].toLowerCase().includes(text);
  }

  #newGroup(row) { return this.novel[row] >= 0 ? `${this.of(row).taxon}\t${this.novel[row]}` : ""; }

  #sorted(rows, { by, down }) {
    if (by === "order") return rows;
    const way = down ? -1 : 1;
    const keys = {
      id: (row) => this.ids[row], name: (row) => this.of(row).taxon, sure: (row) => this.sureOf(row),
      new: (row) => (this.novel[row] < 0 ? Number(this.kind(row) === "named") * 99 + 50 : this.novel[row]),
      near: (row) => (Number.isNaN(this.identity[row]) ? -1 : this.identity[row]), source: (row) => this.source[row],
    };
    const key = new Array(this.size);
    for (const row of rows) key[row] = keys[by](row);
    return rows.sort((a, b) => (key[a] < key[b] ? -way : key[a] > key[b] ? way : a - b));
  }

  /** Return the groups of likely new taxa: [{taxon, rank, rows, putative, identity}], largest first. */
  newGroups() {
    const groups = new Map();
    for (let row = 0; row < this.size; row += 1) {
      const key = this.errors.has(row) ? "" : this.#newGroup(row);
      if (!key) continue;
      const group = groups.get(key) ?? { key, taxon: this.of(row).taxon, rank: this.novel[row], rows: [], putative: new Set() };
      group.rows.push(row);
      if (this.putative[row]) group.putative.add(this.putative[row]);
      groups.set(key, group);
    }
    return [...groups.values()].sort((a, b) => b.rows.length - a.rows.length || (a.taxon < b.taxon ? -1 : 1));
  }

  counts() {
    const found = { named: 0, new: 0, unnamed: 0, bad: 0 };
    for (let row = 0; row < this.size; row += 1) {
      for (const show of ["named", "new", "unnamed", "bad"]) if (this.isShown(row, show)) found[show] += 1;
    }
    return found;
  }
}

/** Return the place of the deepest rank that is part of the answer, -1 for none. */
function acceptedDepth(labels, taxon) {
  if (NAMES_OF_NONE.has(taxon)) return -1;
  let joined = "";
  for (let rank = 0; rank < labels.length; rank += 1) {
    if (!labels[rank]) continue;
    joined += joined ? `; ${labels[rank]}` : labels[rank];
    if (joined === taxon) return rank;
  }
  return -1;
}

/** Read the table of a finished job; told(rows) is called now and then. */
export async function readAnswers(response, total, told) {
  const answers = new Answers(total);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  let first = true;
  let rested = performance.now();
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (left + (value ?? "")).split("\n");
    left = done ? "" : lines.pop();
    for (const line of lines) {
      if (first) { answers.begin(line); first = false; } else if (line && answers.size < total) answers.add(line);
    }
    if (done) return answers;
    if (performance.now() - rested > 40) {
      told(answers.size);
      // The page stays usable while a long table comes in.
      await new Promise((resolve) => { setTimeout(resolve); });
      rested = performance.now();
    }
  }
}
