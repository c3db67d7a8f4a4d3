const prefix = "tidewire.answers.";

/**
 * An answer: a state topic, whose keys are what was asked, the text, its status, and whether it was stopped. It is kept
 * over a reload of the page with its cursor, so that only the rest comes then.
 */
export class Answer {
  /** What came since the page was loaded, in characters of text and in changes of it; and how many were here before. */
  received = { characters: 0, pieces: 0, kept: 0 };
  /** Why it can't be followed. */
  problem = "";

  #values = new Map();
  #cursor;
  #subscription;
  #whole = false;
  #changed;

  /** `changed` is called after each change. */
  constructor(id, changed) {
    this.id = id;
    this.#changed = changed;
    this.#restore();
  }

  get question() {
    return this.#values.get("question") ?? "";
  }

  get text() {
    return this.#values.get("text") ?? "";
  }

  /** How it is with the answer: loading, missing, open, done, stopped or failed, and why it has failed. */
  get status() {
    if (!this.#whole) return { state: this.problem ? "missing" : "loading", reason: this.problem };
    if (!this.#values.has("question")) return { state: "missing", reason: "There is no such answer, or it is too long ago." };
    // The status of a stream whose writer has died goes by itself.
    const status = this.#values.get("text.status") ?? { state: "failed", reason: "its writer has gone" };
    return status.state === "done" && this.#values.has("stopped") ? { state: "stopped" } : status;
  }

  /** Follows the answer on a connection: from where it is, if anything is known of it. */
  follow(push) {
    const since = this.#subscription?.cursor ?? this.#cursor;
    this.#subscription?.close();
    this.#subscription = push.subscribe(
      `answers/${this.id}`,
      {
        state: (event) => this.#apply(event),
        error: (error) => {
          this.problem = error.message;
          this.#changed();
        },
      },
      { kind: "state", since },
    );
  }

  close() {
    this.#subscription.close();
  }

  /** Keeps the answer for when the page has been loaded again. */
  save() {
    const cursor = this.#subscription.cursor ?? this.#cursor;
    try {
      if (cursor) sessionStorage.setItem(prefix + this.id, JSON.stringify({ values: [...this.#values], cursor }));
    } catch {
      // It is full or forbidden: then all comes again.
    }
  }

  #restore() {
    try {
      const { values, cursor } = JSON.parse(sessionStorage.getItem(prefix + this.id));
      this.#values = new Map(values);
      this.#cursor = cursor;
      this.received.kept = this.text.length;
    } catch {
      // There is nothing.
    }
  }

  #apply({ type, changes }) {
    if (type === "reset") {
      this.#values.clear();
      this.received.kept = 0;
    }
    this.#whole = type !== "reset" && (this.#whole || type === "synced" || this.#cursor !== undefined);
    for (const { key, op, start, data } of changes) {
      if (op === "delete") this.#values.delete(key);
      else this.#values.set(key, op === "append" ? (this.#values.get(key) ?? "").slice(0, start) + data : data);
      if (key !== "text" || !data) continue;
      this.received.characters += data.length;
      this.received.pieces++;
    }
    if (type === "reset") this.#cursor = undefined;
    this.#changed();
  }
}
