import type { PushError } from "./error.ts";
import type { Frame } from "./frame.ts";
import { type Audience, type Beginning, type Place, type Step, same } from "./relay.ts";
import { type Answer, toFrame } from "./tabchannel.ts";
import type { Subscription } from "./types.ts";

/** How many things that a topic says are kept for one that catches up. */
const mostKept = 1_000;

/** The socket, as its seats see it. */
export interface Hall {
  /** Tells the tab. */
  hear(frame: string): void;
  /** Tells the leader. */
  tell(frame: Frame): void;
  /** Follows a topic by a connection of the tab's own, as long as it takes. */
  catchUp(entry: Frame, audience: Audience): Subscription;
  caughtUp(audience: Audience): void;
  /** The seat is empty. */
  left(seat: Seat): void;
  /** Something is missing: the tab comes again, from where its topics are. */
  end(): void;
}

/**
 * A topic that the tab has asked for: makes of what the leader says of it what the tab has asked for, without a seam.
 *
 * What the leader says of a topic is a chain: each step begins at the place where the one before it has ended. So a topic that has come
 * to one of these places, by whatever way, has everything up to there, and goes on with the chain. One that asked for no place
 * begins where the chain is. Any other follows the topic beside the chain, by a connection of the tab's own, and keeps the steps that are
 * said meanwhile; when it has come to a place in the chain it is given the steps from there on, and the connection is closed. It does come
 * to one: there is one after each message of a log, and after each batch of a state's changes; and when the topic rests, both end
 * at the same.
 *
 * A step that doesn't begin where the topic is means that something is missing, which a channel doesn't do, but a page that was
 * asleep. Then the socket ends, and the tab asks again, from its cursor.
 */
export class Seat implements Audience {
  readonly topic: string;
  /** The request's id. */
  readonly request: number;
  /** What to answer the tab. */
  readonly answer: Promise<Frame>;
  readonly #hall: Hall;
  readonly #entry: Frame;
  #settle!: (answer: Frame) => void;
  /** What is for the tab when it was answered. */
  #waiting: string[] | undefined = [];
  #cursor: string | undefined;
  /** All up to the cursor was said, and nothing beyond it. */
  #whole = true;
  /** The leader follows the topic for this request. */
  #own = false;
  #joined = false;
  /** The chain, as far as it is kept: a place, and the steps from there. */
  #chain: (Place & Partial<Step>)[] = [];
  #subscription: Subscription | undefined;

  constructor(hall: Hall, entry: Frame, request: number) {
    this.topic = entry.topic;
    this.request = request;
    this.#hall = hall;
    this.#entry = entry;
    this.answer = new Promise((done) => {
      this.#settle = done;
    });
  }

  /** The tab was answered. */
  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const frame of waiting) this.#hall.hear(frame);
  }

  leave(): void {
    this.#settle({ topic: this.topic });
    this.#subscription?.close();
    this.#hall.caughtUp(this);
    this.#hall.left(this);
  }

  /** Takes the leader's answer. */
  take({ error, own = false, cursor, whole = false, resumed = false, epoch }: Answer): void {
    const { topic, since, recent, kind } = this.#entry;
    if (error) {
      this.#settle({ topic, error });
      this.leave();
      return;
    }
    const anywhere = since === undefined && !recent && !kind;
    const here = since !== undefined && whole && same(since, cursor);
    this.#own = own;
    this.#joined = own || anywhere || here;
    this.#chain = [{ cursor, whole, epoch }];
    if (this.#joined) this.begins({ cursor, whole, epoch, resumed: own ? resumed : here });
    else this.#subscription = this.#hall.catchUp(this.#entry, this);
  }

  /** The leader says more. */
  follow(steps: readonly Step[]): void {
    if (this.#joined) for (const step of steps) this.#go(step);
    else if (this.#chain[0]) {
      this.#chain = [...this.#chain, ...steps].slice(-mostKept);
      this.#meet();
    }
  }

  #go({ before, cursor, gap, frame }: Step): void {
    // After a gap each tab begins as it has asked to.
    if (!same(before, this.#cursor) || (gap && !this.#own)) this.#hall.end();
    else this.#say(frame, cursor);
  }

  #say(frame: string, cursor: string | undefined): void {
    this.#cursor = cursor;
    if (this.#waiting) this.#waiting.push(frame);
    else this.#hall.hear(frame);
  }

  /** Goes on with the chain if the topic has come to a place of it. */
  #meet(): void {
    const here = this.#chain.findIndex(({ whole, cursor }) => whole && cursor && same(cursor, this.#cursor));
    if (here < 0 || !this.#whole) return;
    const [place, ...steps] = this.#chain.slice(here);
    this.#joined = true;
    this.#chain = [];
    this.#cursor = place?.cursor;
    this.#subscription?.close();
    this.#hall.caughtUp(this);
    for (const step of steps) this.#go(step as Step);
  }

  // What is told beside the chain.
  begins({ cursor, resumed, epoch }: Beginning): void {
    const { topic, kind } = this.#entry;
    this.#cursor = cursor;
    this.#settle({ topic, kind, epoch, cursor, from: resumed ? "cursor" : "now" });
    if (!this.#joined) this.#meet();
  }

  said(steps: Step[]): void {
    for (const { frame, cursor, whole } of steps) {
      if (this.#joined) return;
      this.#say(frame, cursor);
      this.#whole = whole;
      this.#meet();
    }
  }

  refused(error: PushError): void {
    const { topic } = this;
    this.#settle({ topic, error: toFrame(error) });
    this.leave();
    this.#hall.tell({ type: "unsubscribe", topics: [topic] });
    if (!this.#waiting) this.#hall.end();
  }
}
