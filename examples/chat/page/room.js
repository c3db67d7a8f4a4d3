import { newId } from "/own.js";

const most = 1000; // messages that are kept here
const longestPause = 15_000;
const reasons = { timeout: "there is no connection", unknown: "the server gave no answer" };

/** One room: its messages, and those on their way to it. */
export class Room {
  /** In the order of the topic, which is the same for everybody. Another array after each reload. */
  messages = [];
  /** What was written here and isn't among the messages yet. */
  outbox = [];
  /** How many messages of others came unseen. */
  unread = 0;
  /** What is being written. */
  draft = "";
  /** What the reader should know, such as that messages were missed. */
  notice = "";
  loaded = false;

  #connection;
  #changed;
  #subscription;
  #cursor;
  #left = false;

  /** `changed` is called after each change, with the message if there is a new one. */
  constructor(name, connection, changed) {
    this.name = name;
    this.topic = `chat/${name}`;
    this.#connection = connection;
    this.#changed = changed;
  }

  /** Loads the history, as often as it takes. */
  async load() {
    for (let failures = 0; !this.#left; failures++) {
      try {
        const response = await fetch(`/room/${this.name}/messages`);
        if (!response.ok) throw new Error(`status ${response.status}`);
        const { messages, cursor } = await response.json();
        this.#cursor = cursor;
        this.messages = messages;
        this.#arrived(new Set(messages.map(({ id }) => id)));
        this.outbox = this.outbox.filter(({ state }) => state !== "sent"); // stored, but longer ago
        this.loaded = true;
        if (failures) this.notice = "";
        this.#changed(this);
        return;
      } catch {
        this.notice ||= "The history can't be loaded yet.";
        this.#changed(this);
        await new Promise((done) => setTimeout(done, Math.min(1000 * 2 ** failures, longestPause)));
      }
    }
  }

  /**
   * Follows the room from where it is: from right after the history, so that nothing is lost or doubled between the two,
   * or from where another connection has come to.
   */
  follow() {
    if (this.#left) return;
    const since = this.#subscription?.cursor ?? this.#cursor;
    this.#subscription?.close();
    this.#subscription = this.#connection.push.subscribe(
      this.topic,
      {
        message: (message) => this.#receive(message),
        gap: () => this.#reload(),
        error: (error) => this.notify(`This room can't be followed: ${error.message}.`),
      },
      { since },
    );
  }

  /** Goes on with the connection's new client. A room that is being loaded will find it by itself. */
  move() {
    if (this.#subscription) this.follow();
  }

  /** Shows a message at once, and sends it. */
  async send(name, text) {
    const message = { id: newId(), time: Date.now(), name, text };
    this.outbox.push(message);
    await this.#deliver(message);
  }

  /** Sends what failed once more. It may have been stored the first time, and isn't stored twice. */
  async retry(message) {
    await this.#deliver(message);
  }

  discard(message) {
    this.outbox = this.outbox.filter((other) => other !== message);
    this.#changed(this);
  }

  notify(notice) {
    this.notice = notice;
    this.#changed(this);
  }

  leave() {
    this.#left = true;
    this.#subscription?.close();
  }

  async #deliver(message) {
    const { push } = this.#connection;
    const { id, name, text } = message;
    message.state = "sending";
    this.#changed(this);
    try {
      await push.send(this.topic, { name, text }, { id });
      message.state = "sent";
    } catch (error) {
      if (push !== this.#connection.push) return this.#deliver(message); // it was closed for another
      message.state = "failed";
      message.reason = reasons[error.code] ?? error.message;
    }
    this.#changed(this);
  }

  #receive({ id, time, json }) {
    const message = { id, time, ...json() };
    if (this.messages.length >= most) this.messages = this.messages.slice(-most / 2);
    this.messages.push(message);
    this.#arrived(new Set([id]));
    this.#changed(this, message);
  }

  async #reload() {
    this.#subscription.close();
    this.#subscription = undefined;
    this.notify("Some messages were missed. Loading the history again …");
    await this.load();
    this.follow();
    this.notify("Some messages were missed. This is the newest history there is.");
  }

  #arrived(ids) {
    this.outbox = this.outbox.filter(({ id }) => !ids.has(id));
  }
}
