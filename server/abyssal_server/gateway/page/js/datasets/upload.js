// Upload in pieces that can be resumed: the server says how far it is, and the rest is sent from there.

import { ApiError, request, send } from "../api.js";

const PIECE = 4 << 20;
const WAITS = [0.5, 1, 2, 4, 8, 8, 8];

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

/**
 * Send what is missing of a dataset's files.
 * files: Map of name to File; told(index, received) on every piece; control.paused stops between two pieces.
 */
export async function sendFiles(dataset, files, told, control) {
  for (const file of dataset.files) {
    const source = files.get(file.name);
    if (source && file.received < file.bytes) await sendOne(`/datasets/${dataset.id}/files/${file.index}`, source, file, told, control);
  }
}

async function sendOne(path, source, file, told, control) {
  let offset = file.received;
  let failed = 0;
  while (offset < file.bytes) {
    while (control.paused && !control.over) await pause(0.2);
    if (control.over) return;
    try {
      const response = await request("PATCH", path, {
        body: source.slice(offset, offset + PIECE),
        headers: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
      });
      offset = Number(response.headers.get("Upload-Offset"));
      failed = 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const right = Number(error.headers.get("Upload-Offset") ?? NaN);
      if (error.status === 409 && !Number.isNaN(right)) offset = right;
      else if (![0, 429, 500, 502, 503, 504].includes(error.status)) throw error;
      if (failed === WAITS.length) throw error;
      await pause(Number(error.headers.get("Retry-After") ?? 0) || WAITS[failed]);
      failed += 1;
      if (error.status === 0) offset = await reached(path, offset);
    }
    told(file.index, offset);
  }
}

/** How far the server is; what we believe when it does not answer yet. */
async function reached(path, believed) {
  try {
    return Number((await request("HEAD", path)).headers.get("Upload-Offset"));
  } catch {
    return believed;
  }
}

/** Say that everything was sent; returns the dataset, ready or with problems. */
export const complete = (dataset) => send("POST", `/datasets/${dataset.id}/complete`);

const SHEET = /\.(tsv|csv|txt)$/i;

/** The sample sheet among chosen files: the one text table with a column "sample". */
export async function findSheet(files) {
  for (const file of files.filter((one) => SHEET.test(one.name) && one.size < 16 << 20)) {
    const text = await file.text();
    if (text.split(/\r?\n/, 1)[0].replace(/^\uFEFF/, "").split(/[\t,;]/).includes("sample")) return { file, text };
  }
  return null;
}

/** Check a sheet against the names of the files beside it; nothing is stored. */
export async function checkSheet(text, names) {
  const query = new URLSearchParams(names.map((name) => ["file", name]));
  return send("POST", `/datasets/check-sheet?${query}`, { body: text, headers: { "Content-Type": "text/plain" } });
}
