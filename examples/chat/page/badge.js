const names = { websocket: "WebSocket", sse: "SSE" };

/** Tells how the page is connected, and when it tries again. */
export class Badge {
  #badge = document.querySelector("#badge");
  #word = document.querySelector("#badge [role=status]");
  #countdown = document.querySelector("#countdown");
  #retryNow = document.querySelector("#retry-now");
  #status;
  #timer;

  constructor(retryNow) {
    this.#retryNow.addEventListener("click", retryNow);
  }

  show(status) {
    const { state, transport, error } = status;
    this.#status = status;
    this.#badge.dataset.state = state;
    this.#badge.dataset.transport = transport ?? "";
    this.#badge.title = error?.message ?? "";
    const words = { connecting: "Connecting …", online: names[transport], waiting: "Offline", closed: "Closed" };
    if (this.#word.textContent !== words[state]) this.#word.textContent = words[state];
    this.#retryNow.hidden = state !== "waiting" && state !== "closed";
    this.#count();
  }

  /** The seconds are not in the part that screen readers announce. */
  #count() {
    clearTimeout(this.#timer);
    const { state, retryAt } = this.#status;
    const left = state === "waiting" && retryAt ? Math.ceil((retryAt - Date.now()) / 1000) : 0;
    this.#countdown.textContent = left > 0 ? `· ${left} s` : "";
    if (left > 0) this.#timer = setTimeout(() => this.#count(), 250);
  }
}
