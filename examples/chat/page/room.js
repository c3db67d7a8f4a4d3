import { newId } from "/own.js";

const most = 1000; // messages that are kept here
const recent = 50; // that a room begins with
const typingEvery = 2000; // milliseconds; what the others see of it lasts three seconds
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
  #entered = Date.now();
  #left = false;
  #saidTyping = 0;

  /** `changed` is called after each change, with the message if there is a new one. */
  constructor(name, connection, changed) {
    this.name = name;
    this.topic = `chat/${name}`;
    this.#connection = connection;
    this.#changed = changed;
  }

  /** Follows the room on the connection's client of now: from its last messages, or from where another one has come to. */
  follow() {
    if (!this.#left) this.#subscribe(this.#subscription?.cursor);
  }

  /** Shows a message at once, and sends it. */
  async send(name, text) {
    const message = { id: newId(), time: Date.now(), name, text };
    this.outbox.push(message);
    this.#saidTyping = 0; // the server takes it back with the message
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

  /** Tells the others that something is being written. */
  typing() {
    if (Date.now() - this.#saidTyping < typingEvery) return;
    this.#saidTyping = Date.now();
    this.#connection.push.send(this.topic, true, { event: "typing" }).catch(() => {}); // it's of no use later
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

  #subscribe(since) {
    this.#subscription?.close();
    if (!since) this.messages = []; // they come again
    const subscription = this.#connection.push.subscribe(
      this.topic,
      {
        message: (message) => this.#receive(message),
        gap: () => this.#beginAgain(),
        error: (error) => this.notify(`This room can't be followed: ${error.message}.`),
      },
      { since, recent },
    );
    this.#subscription = subscription;
    subscription.ready.then(
      () => {
        this.loaded = true;
        this.#changed(this);
      },
      () => {}, // its handler is told why
    );
  }

  #receive({ id, time, json }) {
    const message = { id, time, ...json() };
    if (this.messages.length >= most) this.messages = this.messages.slice(-most / 2);
    this.messages.push(message);
    this.#arrived(new Set([id]));
    this.#changed(this, time > this.#entered ? message : undefined);
  }

  /** Begins with the last messages again, since some can't be had any more. */
  #beginAgain() {
    this.outbox = this.outbox.filter(({ state }) => state !== "sent"); // stored, but longer ago
    this.#subscribe();
    this.notify("Some messages were missed. These are the last ones.");
  }

  #arrived(ids) {
    this.outbox = this.outbox.filter(({ id }) => !ids.has(id));
  }
}
