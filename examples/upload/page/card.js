import { discard, upload } from "/push/upload.mjs";
import { duration, element, percent, size } from "/format.js";
import { forget, save } from "/shelf.js";

/** The speed is that of the last so many milliseconds. */
const span = 4000;

/** One file on its way, and what the page shows of it. */
export class Card {
  element = element("li", "card");
  #status = element("p", "status");
  #speed = element("p", "speed");
  #bar = element("progress", "bar");
  #toggle = element("button", "toggle quiet");
  #cancel = element("button", "cancel quiet", "Cancel");
  #entry; // what is kept of it
  #route; // gives the path of now
  #stop;
  #marks = []; // [when, sent]

  constructor(entry, route) {
    this.#entry = entry;
    this.#route = route;
    const { file } = entry;
    const name = element("p", "name", file.name);
    name.title = file.name;
    this.#bar.max = file.size || 1;
    this.#bar.value = 0;
    this.#bar.setAttribute("aria-label", file.name);
    this.#toggle.type = this.#cancel.type = "button";
    this.#toggle.addEventListener("click", () => (this.#stop ? this.#pause() : this.start()));
    this.#cancel.addEventListener("click", () => this.#remove());
    const buttons = element("div", "buttons");
    buttons.append(this.#toggle, this.#cancel);
    this.element.append(name, element("p", "size", size(file.size)), buttons, this.#bar, this.#status, this.#speed);
    this.#show("paused", entry.sent ? `Paused at ${percent(entry.sent, file.size)}` : "Paused");
    this.#bar.value = entry.sent ?? 0;
  }

  /** Begins, or goes on. */
  async start() {
    const stop = new AbortController();
    this.#stop = stop;
    this.#marks = [];
    this.#keep({ paused: false });
    this.#show("sending", "Starting");
    try {
      const { url, file } = this.#entry;
      const route = this.#route();
      const reply = await upload(route, file, {
        url: url && Object.assign(new URL(url), { pathname: route }).href, // the slow network has a path of its own
        signal: stop.signal,
        onProgress: (progress) => this.#progress(progress),
      });
      this.#bar.value = this.#bar.max;
      this.#show("done", "Done");
      this.#speed.textContent = `SHA-256 ${reply.sha256}`;
      this.#speed.title = reply.sha256;
      forget(this.#entry.id);
    } catch (error) {
      if (error.code === "closed") return; // somebody else has shown why
      this.#show("failed", error.message);
    } finally {
      if (this.#stop === stop) this.#stop = undefined;
    }
  }

  /** Goes on by the path of now. */
  restart() {
    if (!this.#stop) return;
    this.#stop.abort();
    this.start();
  }

  #progress({ url, sent, total, error }) {
    if (url !== this.#entry.url || sent !== this.#entry.sent) this.#keep({ url, sent });
    this.#bar.value = total ? sent : 1;
    if (error) {
      this.#marks = [];
      this.#speed.textContent = "";
      this.#show("waiting", `Waiting for the server, at ${percent(sent, total)}`);
      return;
    }
    const now = performance.now();
    this.#marks = [...this.#marks.filter(([at]) => now - at < span), [now, sent]];
    const [first, from] = this.#marks[0];
    const rate = ((sent - from) / (now - first)) * 1000;
    this.#show("sending", `${percent(sent, total)} of ${size(total)}`);
    this.#speed.textContent = rate > 0 ? `${size(rate)}/s, ${duration((total - sent) / rate)} left` : "";
  }

  #pause() {
    this.#stop.abort();
    this.#stop = undefined;
    this.#keep({ paused: true });
    this.#show("paused", `Paused at ${percent(this.#entry.sent ?? 0, this.#entry.file.size)}`);
  }

  #remove() {
    const { state } = this.element.dataset;
    this.#stop?.abort();
    this.element.remove();
    forget(this.#entry.id);
    if (this.#entry.url && state !== "done") discard(this.#entry.url).catch(() => {}); // it expires
  }

  #keep(changes) {
    Object.assign(this.#entry, changes);
    save(this.#entry);
  }

  #show(state, text) {
    this.element.dataset.state = state;
    this.#status.textContent = text;
    const ended = state === "done";
    this.#toggle.hidden = ended;
    this.#toggle.textContent = { paused: "Resume", failed: "Try again" }[state] ?? "Pause";
    this.#cancel.textContent = ended ? "Remove" : "Cancel";
    if (state !== "sending") this.#speed.textContent = "";
  }
}
