// A job's server-sent events. The browser reconnects by itself and goes on after the last event it has seen.

/** calls: {job(now), log(text), lost(words)}; returns what ends it. */
export function follow(path, calls) {
  const source = new EventSource(path);
  let warned = false;
  source.addEventListener("job", (event) => { warned = false; calls.job(JSON.parse(event.data)); });
  source.addEventListener("log", (event) => calls.log(JSON.parse(event.data).text));
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    if (!warned) calls.lost("The connection is lost; trying again");
    warned = true;
  });
  return () => source.close();
}
