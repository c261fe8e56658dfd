// A new dataset: choose files, see at once whether the sheet is right, upload.

import { send } from "../api.js";
import { field, h, note, say } from "../dom.js";
import { bytes, plural } from "../words.js";
import { acceptDrops } from "../classify/ask.js";
import { problemList, sheetView } from "./problems.js";
import { progressList } from "./progress.js";
import { checkSheet, complete, findSheet, sendFiles } from "./upload.js";

const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

/** Fill a view; done(dataset) is called when everything is there. Returns what ends it. */
export function newDataset(view, done) {
  let files = [];
  const control = { paused: false, over: false };
  const name = h("input", { type: "text", required: true, maxlength: "200", placeholder: "for example: Iberian margin, spring 2024" });
  const picker = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-label": "Files of the dataset", id: "dataset-files",
    onchange: () => { add([...picker.files]); picker.value = ""; } });
  const chosen = h("div", {});
  const sheet = h("div", {});
  const trouble = h("div", {});
  const start = h("button", { type: "submit", class: "main" }, "Upload");

  async function add(more) {
    files = [...files.filter((old) => !more.some((one) => one.name === old.name)), ...more];
    const size = files.reduce((sum, file) => sum + file.size, 0);
    chosen.replaceChildren(h("p", {}, `${plural(files.length, "file")} chosen, ${bytes(size)}: ${files.slice(0, 6).map((file) => file.name).join(", ")}${files.length > 6 ? " …" : ""} `,
      h("button", { type: "button", class: "link", onclick: () => { files = []; chosen.replaceChildren(); sheet.replaceChildren(); } }, "Clear")));
    await lookAtSheet();
  }

  async function lookAtSheet() {
    const found = await findSheet(files);
    if (!found) {
      sheet.replaceChildren(files.some((file) => ARCHIVE.test(file.name)) ? note("", h("p", {}, "The sample sheet is looked for in the archive after the upload."))
        : note("warn", h("p", {}, "There is no sample sheet among these files yet: a table (.tsv or .csv) with the columns sample, marker and r1.")));
      return;
    }
    const others = files.filter((file) => file !== found.file);
    const archives = others.some((file) => ARCHIVE.test(file.name));
    try {
      const checked = await checkSheet(found.text, archives ? [] : others.map((file) => file.name));
      const summary = checked.sheet ?? checked;
      sheet.replaceChildren(...(checked.problems.length ? [problemList(checked.problems), sheetView(found.text, checked.problems)]
        : [note("good", h("p", {}, `The sample sheet is right: ${plural(summary.samples ?? 0, "sample")}, of these ${plural(summary.controls ?? 0, "control")}.`))]));
      say(checked.problems.length ? `${plural(checked.problems.length, "thing")} to correct in the sample sheet` : "The sample sheet is right");
    } catch (error) {
      sheet.replaceChildren(note("bad", h("p", {}, error.message)));
    }
  }

  async function submit(event) {
    event.preventDefault();
    trouble.replaceChildren();
    if (!files.length) {
      trouble.replaceChildren(note("bad", h("p", {}, "Choose the reads and the sample sheet first.")));
      return;
    }
    start.disabled = true;
    try {
      const dataset = await send("POST", "/datasets", { json: { name: name.value.trim(), files: files.map((file) => ({ name: file.name, bytes: file.size })) } });
      const progress = progressList(dataset, control);
      view.replaceChildren(progress.node, trouble);
      await sendFiles(dataset, new Map(files.map((file) => [file.name, file])), progress.told, control);
      if (control.over) return;
      done(await complete(dataset));
    } catch (error) {
      start.disabled = false;
      trouble.replaceChildren(note("bad", h("p", {}, error.message), (error.problem?.errors ?? []).map((one) => h("p", { class: "small" }, one.detail)),
        h("p", {}, "What was sent is kept; you can go on from the list of datasets.")));
    }
  }

  const zone = h("div", { class: "drop" }, h("p", {}, h("strong", {}, "Reads and sample sheet")),
    h("p", { class: "hint" }, "Drop FASTQ files (.fastq.gz) and the sample sheet here, or an archive (.zip, .tar, .tar.gz) with both."), picker,
    h("button", { type: "button", onclick: () => picker.click() }, "Choose files"), chosen);
  acceptDrops(zone, add);
  view.append(h("form", { onsubmit: submit }, field("Name", name, "So that you and others know it again."), zone, sheet, h("div", { class: "bar" }, start), trouble), sheetHelp());
  return () => { control.over = true; };
}

function sheetHelp() {
  const columns = [["sample", "name of the sample"], ["marker", "amplified region, for example 18S-V4-Zingone"], ["r1, r2", "names of the two FASTQ files; r2 may be left out"],
    ["control", "empty, or the kind of control, for example extraction"], ["latitude, longitude, depth_m", "where it was taken; shown on the map"]];
  return h("details", {}, h("summary", {}, "What a sample sheet looks like"),
    h("dl", { class: "facts" }, columns.map(([name, words]) => [h("dt", {}, h("code", {}, name)), h("dd", {}, words)])),
    h("pre", { tabindex: "0" }, "sample\tmarker\tr1\tr2\tlatitude\tlongitude\tdepth_m\nshelf\t18S-V4-Zingone\tshelf_R1.fastq.gz\tshelf_R2.fastq.gz\t41.2\t-9.5\t150\n"));
}
