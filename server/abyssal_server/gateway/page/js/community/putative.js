// Groups of unknowns: each with its nearest relative and the samples it was found in.

import { empty, h, table } from "../dom.js";
import { count, percent, plural } from "../words.js";

const MOST = 200;

/** Return the node. */
export function putativeTaxa(study) {
  const found = [...study.putative_taxa].sort((a, b) => Number(b.reads) - Number(a.reads));
  if (!found.length) return empty("No group of unknowns.", h("p", {}, "Every variant is explained by the reference."));
  return h("div", {}, h("p", {}, "Variants that the reference does not explain, grouped by similarity. The name of a group stays the same in later studies of the same marker, so that you can look for it again."),
    table(`${plural(found.length, "group")}${found.length > MOST ? `; the ${MOST} with most reads` : ""}`, ["Group", "Likely a new", "Nearest relative", "Alike", "Reads", "Variants", "Samples", "Found again in subsamples"], found.slice(0, MOST).map((one) => [
      h("span", { title: one.sentence }, one.putative_taxon), one.novel_rank ? h("span", { class: "badge new" }, one.novel_rank) : "",
      h("span", { title: one.nearest_lineage }, one.nearest_lineage.split("; ").at(-1) || one.nearest_id), one.nearest_identity ? percent(Number(one.nearest_identity), 1) : "",
      count(Number(one.reads)), count(Number(one.size)), where(one), one.stability && one.stability !== "nan" ? percent(Number(one.stability)) : "",
    ]), [3, 4, 5, 7]));
}

function where(one) {
  const names = Object.keys(one).filter((key) => key.startsWith("sample:") && Number(one[key]) > 0).map((key) => key.slice("sample:".length));
  return names.length > 4 ? plural(names.length, "sample") : names.join(", ");
}
