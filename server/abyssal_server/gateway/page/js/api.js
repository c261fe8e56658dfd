// Calls of the REST interface: errors as problem documents, the login with its token against forged requests.

const TRIES = 4;

/** A refusal, in words for people; problem is the whole document. */
export class ApiError extends Error {
  constructor(status, problem, headers) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
    this.headers = headers;
  }
}

export const session = { open: false, caller: { id: "", role: null, known: false }, csrf_token: null };
const watchers = new Set();

/** Be told when somebody logs in or out; returns a function that ends it. */
export function onSession(call) {
  watchers.add(call);
  return () => watchers.delete(call);
}

export const mayInfer = () => ["infer", "admin"].includes(session.caller.role);
export const isAdmin = () => session.caller.role === "admin";

function take(found) {
  Object.assign(session, found);
  watchers.forEach((call) => call(session));
  return session;
}

export const readSession = async () => take(await get("/session"));
export const logIn = async (key) => take(await send("POST", "/session", { json: { key } }));
export async function logOut() {
  await send("DELETE", "/session");
  return readSession();
}

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

/** Make a request and return the response; raises ApiError for everything but 2xx. */
export async function request(method, path, { json, body, headers = {}, signal } = {}) {
  const sent = { method, headers: { ...headers }, signal, credentials: "same-origin" };
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    sent.headers["Content-Type"] = "application/json";
  } else if (body !== undefined) sent.body = body;
  if (method !== "GET" && method !== "HEAD" && session.csrf_token) sent.headers["X-CSRF-Token"] = session.csrf_token;
  let response;
  try {
    response = await fetch(path, sent);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: "The server does not answer. Is it still running?" }, new Headers());
  }
  if (response.ok) return response;
  let problem = { title: `The server answered ${response.status}.` };
  if ((response.headers.get("Content-Type") ?? "").includes("json")) problem = await response.json();
  throw new ApiError(response.status, problem, response.headers);
}

async function parsed(response) {
  return response.status === 204 ? null : response.json();
}

export const send = async (method, path, options) => parsed(await request(method, path, options));

/** Read JSON; a busy server is asked again when it says so. */
export async function get(path, options = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await parsed(await request("GET", path, options));
    } catch (error) {
      if (!(error instanceof ApiError) || ![429, 503].includes(error.status) || tried === TRIES) throw error;
      await pause(Math.min(5, Number(error.headers.get("Retry-After") ?? 1) || 1));
    }
  }
}

/** Read JSON, or null where there is nothing. */
export async function getOrNull(path) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Read all pages of a list, some at most. */
export async function list(path, most = 1000) {
  const items = [];
  let next = "";
  do {
    const mark = path.includes("?") ? "&" : "?";
    const page = await get(`${path}${mark}limit=200${next ? `&after=${encodeURIComponent(next)}` : ""}`);
    items.push(...page.items);
    next = page.next;
  } while (next && items.length < most);
  return items;
}

/** Send something that the server may be too busy for. */
export async function sendPatiently(method, path, options) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await request(method, path, options);
    } catch (error) {
      const again = error instanceof ApiError && [0, 429, 502, 503, 504].includes(error.status);
      if (!again || tried === TRIES) throw error;
      await pause(Math.min(8, Number(error.headers.get("Retry-After") ?? 0) || 0.5 * 2 ** tried));
    }
  }
}
