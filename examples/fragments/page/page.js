// What the attributes of htmx can't say.

const shown = 200; // lines, at most

// An EventSource comes back by itself after a cut, with Last-Event-ID. After an answer such as 503 it gives up, and the
// extension opens another at the URL of the attribute: that one has to continue where the last one ended, or lines would
// come twice.
const last = new Map(); // event IDs, by URL
htmx.createEventSource = (url) => {
  const to = new URL(url, location.href);
  if (last.has(url)) to.searchParams.set("since", last.get(url));
  const source = new EventSource(to);
  for (const name of ["tidewire.welcome", "tidewire.gap", "line"])
    source.addEventListener(name, (event) => last.set(url, event.lastEventId));
  return source;
};

const badge = document.getElementById("badge");
const failure = document.getElementById("failure");
const say = (state) => {
  badge.dataset.state = state;
  badge.textContent = state;
};

document.addEventListener("htmx:sseOpen", () => say("live"));
document.addEventListener("htmx:sseError", () => say("reconnecting"));
document.addEventListener("htmx:sseMessage", ({ target }) => {
  while (target.id === "lines" && target.children.length > shown) target.lastElementChild.remove();
});

for (const name of ["htmx:sendError", "htmx:responseError"])
  document.addEventListener(name, ({ target }) => {
    if (target.id === "form") failure.hidden = false;
  });
document.addEventListener("htmx:beforeRequest", () => {
  failure.hidden = true;
});
