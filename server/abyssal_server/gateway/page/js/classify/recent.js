// The last classifications of this browser, so that a closed tab is not a lost result. Only ids and counts are kept.

const KEY = "abyssal-recent";
const MOST = 8;

/** Return [{id, sequences, at, label}], newest first. */
export function recent() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => /^[0-9a-f]{32}$/.test(one?.id)) : [];
  } catch {
    return [];
  }
}

export function remember(entry) {
  keep([entry, ...recent().filter((one) => one.id !== entry.id)].slice(0, MOST));
}

export function forget(id) {
  keep(recent().filter((one) => one.id !== id));
}

function keep(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // A browser that keeps nothing still classifies.
  }
}
