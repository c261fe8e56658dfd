// A job's server-sent events. The browser reconnects by itself and goes on after the last event it has seen.

/** calls: {job(now), log(text), lost(words)}; returns what ends it. */
export function follow(path, calls) {
  const source = new EventSource(path);
  let failed = 0;
  source.addEventListener("open", () => { failed = 0; });
  source.addEventListener("job", (event) => calls.job(JSON.parse(event.data)));
  source.addEventListener("log", (event) => calls.log(JSON.parse(event.data).text));
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    failed += 1;
    // The server ends every stream after some minutes; only a second failure in a row is one.
    if (source.readyState === EventSource.CLOSED) calls.lost("The connection is lost; load the page again");
    else if (failed === 2) calls.lost("The connection is lost; trying again");
  });
  return () => source.close();
}
