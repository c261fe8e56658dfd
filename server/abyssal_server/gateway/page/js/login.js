// Who is logged in, and the dialog to do so. The key is exchanged for a cookie that scripts cannot read.

import { isAdmin, logIn, logOut, onSession, session } from "./api.js";
import { byId, field, h, note, say } from "./dom.js";

const ROLES = { read: "may look", infer: "may classify", admin: "administrator" };

/** Show who is logged in, in the head of the page. */
export function showCaller() {
  const { caller } = session;
  const known = Boolean(session.csrf_token);
  byId("who").replaceChildren(
    ...(known ? [h("span", {}, isAdmin() ? "Administrator" : `${caller.id} (${ROLES[caller.role] ?? ""})`)] : []),
    ...(known && isAdmin() ? [h("a", { href: "#/audit" }, "Audit log")] : []),
    known ? h("button", { type: "button", onclick: logOut }, "Log out")
      : h("button", { type: "button", onclick: showLogin }, "Log in"),
  );
}

/** Ask for a key. */
export function showLogin() {
  const key = h("input", { type: "password", autocomplete: "current-password", required: true });
  const trouble = h("div", {});
  const dialog = h("dialog", { "aria-labelledby": "login-title" },
    h("form", { method: "dialog", onsubmit: submit },
      h("h2", { id: "login-title" }, "Log in"),
      h("p", { class: "soft small" }, session.open
        ? "Everybody may classify and upload here. The administrator's token is needed to train models and to choose which one answers."
        : "Whoever runs this server hands out the keys."),
      field("Key or administrator's token", key), trouble,
      h("div", { class: "bar" }, h("button", { class: "main", type: "submit" }, "Log in"),
        h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  async function submit(event) {
    event.preventDefault();
    trouble.replaceChildren();
    try {
      await logIn(key.value);
      dialog.close();
      say("Logged in");
    } catch (error) {
      trouble.replaceChildren(note("bad", h("p", {}, error.message)));
      key.select();
    }
  }
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

onSession(showCaller);
