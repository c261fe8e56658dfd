// A dataset that is not ready: go on with its upload, or replace what has to be corrected.

import { get, send } from "../api.js";
import { h, note } from "../dom.js";
import { plural } from "../words.js";
import { acceptDrops } from "../classify/ask.js";
import { sheetView } from "./problems.js";
import { progressList } from "./progress.js";
import { complete, findSheet, sendFiles } from "./upload.js";

/** Return the node; again() shows the dataset anew. */
export function continueUpload(dataset, again) {
  const control = { paused: false, over: false };
  const missing = dataset.files.filter((file) => file.received < file.bytes);
  const trouble = h("div", {});
  const picker = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", id: "more-files", "aria-label": "Files to send", onchange: () => { take([...picker.files]); picker.value = ""; } });
  const zone = h("div", { class: "drop" },
    h("p", {}, h("strong", {}, missing.length ? `${plural(missing.length, "file")} not whole yet. ` : "Correct it here. "),
      missing.length ? "Choose the same files again; only what is missing is sent." : "Choose the corrected sample sheet or the missing files; files of the same name are replaced."),
    picker, h("button", { type: "button", class: "main", onclick: () => picker.click() }, missing.length ? "Choose the files again" : "Choose corrected files"));
  acceptDrops(zone, take);

  async function take(files) {
    trouble.replaceChildren();
    try {
      for (const file of files) {
        const there = dataset.files.find((one) => one.name === file.name);
        // A file that is half there goes on; every other one is new or replaces the one of its name.
        if (there && there.bytes === file.size && there.received < there.bytes) continue;
        await send("POST", `/datasets/${dataset.id}/files`, { json: { name: file.name, bytes: file.size } });
      }
      const now = await get(`/datasets/${dataset.id}`);
      const progress = progressList(now, control);
      zone.replaceWith(progress.node);
      await sendFiles(now, new Map(files.map((file) => [file.name, file])), progress.told, control);
      const left = (await get(`/datasets/${dataset.id}`)).files.some((file) => file.received < file.bytes);
      if (!left) {
        const checked = await complete(dataset);
        const sheet = checked.problems.length ? await findSheet(files) : null;
        await again();
        if (sheet) document.getElementById("view").append(sheetView(sheet.text, checked.problems));
      } else await again();
    } catch (error) {
      trouble.replaceChildren(note("bad", h("p", {}, error.message)));
    }
  }
  const ready = !missing.length && dataset.state === "uploading";
  return h("div", {}, zone, ready && h("div", { class: "bar" }, h("button", { type: "button", onclick: () => complete(dataset).then(again).catch((error) => trouble.replaceChildren(note("bad", h("p", {}, error.message)))) }, "Check this dataset")), trouble);
}
