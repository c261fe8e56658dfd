// Numbers, times and the service's terms in plain words.

const whole = new Intl.NumberFormat("en");
export const count = (value) => whole.format(value);
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

/** A share that is never rounded to certainty. */
export const sureness = (share) => (share > 0.994 ? "> 99 %" : share < 0.006 ? "< 1 %" : percent(share));

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let place = 0;
  let left = value;
  while (left >= 1000 && place < units.length - 1) { left /= 1000; place += 1; }
  return `${place ? left.toFixed(left < 10 ? 1 : 0) : left} ${units[place]}`;
}

export const when = (iso) => (iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "");

export function lasting(from, to) {
  const seconds = Math.max(0, Math.round((new Date(to ?? Date.now()) - new Date(from)) / 1000));
  return seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export const SOURCES = {
  model: ["model", "Named by the model"],
  cache: ["model", "Named by the model; the same sequence was asked before"],
  fallback: ["alignment", "Named by aligning it with the reference"],
  rejected: ["none", "The sequence could not be read"],
};

export const FORMATS = {
  tsv: ["Table (TSV)", "for spreadsheets and R"],
  jsonl: ["JSON lines", "one record a sequence, for programs"],
  qiime2: ["QIIME 2 taxonomy", "for qiime tools import"],
  biom: ["BIOM table", "for phyloseq, QIIME 2 and others"],
  sintax: ["SINTAX", "as usearch and vsearch write it"],
  kraken: ["Kraken report", "for Pavian, MultiQC and others"],
  krona: ["Krona text", "for ktImportText"],
  dwca: ["Darwin Core archive", "for GBIF and OBIS"],
};

/** Exports of a training run. */
export const RUN_FORMATS = {
  classification: ["Names of your variants (TSV)", "with confidence at each rank"], tsv: ["Count table (TSV)", "reads of each variant in each sample"],
  biom: ["BIOM table", "counts and lineages"], taxonomy: ["QIIME 2 taxonomy", ""], metadata: ["QIIME 2 metadata", "of the samples"],
  sequences: ["Sequences (FASTA)", "of your variants"], phyloseq: ["phyloseq (zip)", "for R"], dwc: ["Darwin Core archive", "for GBIF and OBIS"],
  krona: ["Krona texts (zip)", ""], sintax: ["SINTAX", ""], kraken: ["Kraken report", ""],
};

export const STATES = {
  queued: ["Waiting", "info"], running: ["Running", "info"], publishing: ["Publishing the model", "info"],
  succeeded: ["Finished", "good"], failed: ["Failed", "bad"], cancelled: ["Stopped", "warn"],
  uploading: ["Upload not finished", "warn"], ready: ["Ready", "good"], invalid: ["Needs correction", "bad"],
};

/** What a step of the workflow does. */
export const STEPS = {
  check_libraries: "Checking your files", build_reference: "Preparing the reference", fetch_encoder: "Getting the encoder",
  trim_primers: "Removing primers", merge_pairs: "Joining read pairs", filter_reads: "Removing poor reads",
  denoise: "Separating real variants from errors", remove_chimeras: "Removing chimeras",
  map_back: "Counting the reads of each variant", count_asvs: "Making the count table",
  embed_asvs: "Describing your variants", embed_reference: "Describing the reference", fit_gate: "Learning what is on target",
  cluster: "Grouping unknown variants", train: "Training the model", classify_asvs: "Naming your variants",
  evaluate: "Testing the model on sequences it never saw", diversity: "Comparing your samples",
  export: "Writing files for other programs", multiqc: "Summarising quality", report: "Writing the report",
  package: "Packing the model", provenance: "Noting where everything came from", study_report: "Writing the overview",
  all: "Finishing",
};
export const step = (rule) => STEPS[rule] ?? (rule ? rule.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase()) : "");
