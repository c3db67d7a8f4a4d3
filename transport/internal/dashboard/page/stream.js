// The event stream of the page, which it opens again as long as it is shown.
const patience = 6000; // without a snapshot, in milliseconds
const pause = 3000; // before another try
const hiddenFor = 60_000; // after which a page that nobody sees lets go

/** Follows the stream: `on.history`, `on.snapshot`, and `on.state` with "live", "reconnecting" or "refused", and why. */
export function follow(on) {
  let source;
  let watch;
  let again;
  let hide;

  const close = () => {
    source?.close();
    source = undefined;
    clearTimeout(watch);
    clearTimeout(again);
  };
  const retry = () => {
    close();
    again = setTimeout(open, pause);
  };
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => {
      on.state("reconnecting");
      retry();
    }, patience);
  };

  /** Finds out why the server has no stream. */
  async function ask() {
    try {
      const { status } = await fetch("events", { method: "HEAD", cache: "no-store" });
      if (status === 401 || status === 403) return "signed out";
      if (status === 503) return "too many pages are open";
    } catch {}
  }

  function open() {
    close();
    source = new EventSource("events");
    const mine = source;
    source.addEventListener("history", ({ data }) => on.history(JSON.parse(data)));
    source.addEventListener("snapshot", ({ data }) => {
      alive();
      on.state("live");
      on.snapshot(JSON.parse(data));
    });
    source.addEventListener("error", async () => {
      on.state("reconnecting");
      if (mine.readyState !== EventSource.CLOSED) return; // the browser tries again
      const why = await ask();
      if (mine !== source) return;
      if (why) on.state("refused", why);
      retry();
    });
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hide);
    if (document.hidden) hide = setTimeout(close, hiddenFor);
    else if (!source) open();
  });
  open();
}
