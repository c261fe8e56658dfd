// Start a training job on a dataset.

import { get, send } from "../api.js";
import { choice, field, h, note, tick } from "../dom.js";

/** Return the form. */
export async function trainForm(dataset) {
  const { presets } = await get("/jobs/train/options");
  const markers = dataset.sheet?.markers ?? [];
  const fitting = presets.filter((preset) => preset.markers.some((marker) => markers.includes(marker)));
  const preset = choice([...presets.map((one) => [one.name, one.name]), ["", "none: I give the whole configuration below"]], { value: fitting[0]?.name ?? "" });
  const about = h("p", { class: "hint", "aria-live": "polite" });
  const study = h("input", { type: "text", pattern: "[A-Za-z0-9][A-Za-z0-9_.\\-]*", maxlength: "60", placeholder: "as in the preset" });
  const alpha = h("input", { type: "number", min: "0.001", max: "0.5", step: "any", placeholder: "0.05" });
  const own = h("textarea", { rows: 6, class: "mono", spellcheck: "false", placeholder: '{"train": {"alpha": 0.05}}' });
  const activate = tick("Let the new model answer as soon as it is ready", { checked: true });
  const trouble = h("div", {});
  const button = h("button", { type: "submit", class: "main" }, "Start training");
  const tell = () => { about.textContent = presets.find((one) => one.name === preset.value)?.description ?? ""; };
  preset.addEventListener("change", tell);
  tell();
  let key = "";

  async function submit(event) {
    event.preventDefault();
    trouble.replaceChildren();
    let config = {};
    try {
      config = own.value.trim() ? JSON.parse(own.value) : {};
    } catch (error) {
      trouble.replaceChildren(note("bad", h("p", {}, `The configuration is not JSON: ${error.message}`)));
      return;
    }
    if (alpha.value) config = { ...config, train: { ...config.train, alpha: Number(alpha.value) } };
    if (study.value) config.study = study.value;
    button.disabled = true;
    // The same key again if the answer was lost on the way: the same job, not a second one.
    key ||= crypto.getRandomValues(new Uint32Array(4)).join("-");
    try {
      const job = await send("POST", "/jobs/train", { json: { dataset: dataset.id, preset: preset.value || null, config, activate: activate.box.checked }, headers: { "Idempotency-Key": key } });
      location.hash = `#/training/${job.id}`;
    } catch (error) {
      if (error.status) key = "";
      trouble.replaceChildren(note("bad", h("p", {}, error.message),
        h("ul", {}, (Array.isArray(error.problem?.errors) ? error.problem.errors : []).map((one) => h("li", {}, h("code", {}, one.pointer), ` ${one.detail}`)))));
      button.disabled = false;
    }
  }
  return h("form", { onsubmit: submit },
    fitting.length || !presets.length ? null : note("warn", h("p", {}, `No preset is made for ${markers.join(", ")}.`)),
    field("Preset", preset, "Reference and settings that come with this server."), about, h("div", { class: "bar" }, activate.node),
    h("details", {}, h("summary", {}, "More settings"),
      field("Name of the study", study, "Letters, digits, points and dashes; the model is named after it."),
      field("Names allowed for taxa that are missing from the reference (0.05 is 5 %)", alpha, "Smaller is more careful: fewer wrong names, and fewer names."),
      field("Any other setting, as JSON", own, "Laid over the preset; file names are those of the dataset.")),
    h("div", { class: "bar" }, button), trouble);
}
