// The frame of the page: which view an address shows, the menu, the login.

import { ApiError, onSession, readSession } from "./api.js";
import { byId, h, note, say } from "./dom.js";
import { showCaller, showLogin } from "./login.js";

const VIEWS = {
  "": ["classify", () => import("./classify/ask.js")],
  results: ["classify", () => import("./classify/results.js")],
  community: ["community", () => import("./community/view.js")],
  datasets: ["datasets", () => import("./datasets/view.js")],
  training: ["training", () => import("./jobs/view.js")],
  models: ["models", () => import("./models/view.js")],
  audit: ["audit", () => import("./audit/view.js")],
};

let leave = () => {};
let shown = 0;

async function show() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/").map(decodeURIComponent);
  const [menu, load] = VIEWS[name] ?? VIEWS[""];
  const mine = (shown += 1);
  leave();
  leave = () => {};
  for (const link of byId("nav").querySelectorAll("a")) {
    if (link.dataset.view === menu) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = h("div", {});
  const frame = {
    view,
    query: new URLSearchParams(query),
    title: (words) => {
      byId("title").textContent = words;
      document.title = `${words} · Abyssal`;
    },
  };
  try {
    const module = await load();
    const ended = await module.show(frame, ...rest);
    if (mine !== shown) ended?.();
    else leave = ended ?? (() => {});
  } catch (error) {
    view.replaceChildren(problem(error));
  }
  if (mine !== shown) return;
  byId("view").replaceChildren(view);
  if (mine > 1) {
    window.scrollTo(0, 0);
    byId("title").focus({ preventScroll: true });
    say(byId("title").textContent);
  }
}

function problem(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 401 || error.status === 403) {
    return note("warn", h("p", {}, "You need a key to see this. ", error.message),
      h("button", { type: "button", onclick: showLogin }, "Log in"));
  }
  return note("bad", h("p", {}, error.status === 404 ? "This is not here (any more). " : "", error.message));
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("content").focus();
});
window.addEventListener("hashchange", show);
onSession(() => { if (shown) show(); });
readSession().catch(() => {}).finally(() => {
  showCaller();
  if (!shown) show();
});
