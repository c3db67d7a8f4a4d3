import { type Attempt, type Make, provenAfter, type Watcher } from "./attempt.ts";
import { fullJitter } from "./backoff.ts";
import { PushError } from "./error.ts";
import type { Frame } from "./frame.ts";
import type { Http } from "./http.ts";
import { notify } from "./notify.ts";
import { now, Timer } from "./timer.ts";
import type { Topic } from "./topic.ts";
import { longestWait } from "./topics.ts";
import { Trials } from "./trials.ts";
import type { Turns } from "./turns.ts";
import type { Status, TransportName } from "./types.ts";

// All times are in milliseconds.
/** How long the silence of one transport is borne before the next one is tried beside it. */
const headStart = 3_000;
/** What a heartbeat may be late by. */
const heartbeatSlack = 10_000;
/** How long a link has to show that it lives when the page is awake again. */
const pingTimeout = 2_000;
/** A link that is cut after less silence than this was not cut because of it. */
const leastSilence = 2_000;
/** By how much two silences may differ that are taken for the same. */
const similar = 500;
/** The least time from one attempt to the next that a waking page asks for. */
const leastPause = 1_000;

/** The options that a connection heeds, all given. */
export interface Settings {
  readonly transports: readonly TransportName[];
  readonly backoff: readonly [least: number, greatest: number];
  readonly connectTimeout: number;
  readonly probe: number;
}

/** What makes use of a connection, and is told of it. */
export interface User {
  /** The topics to open a link with. */
  topics(): Topic[];
  /** A link serves, and what it has said first. */
  serves(attempt: Attempt, welcome: Frame): void;
  /** Nothing needs a link. */
  idle(): void;
  /** A frame of the link that serves. */
  heard(frame: Frame): void;
  /** There is no link now. */
  lost(): void;
  /** These topics were refused, and so there is no link. */
  refused(topics: readonly Frame[]): void;
  /** There will be no link. */
  closed(error: PushError): void;
}

/** How the client is connected: `status.state` says what it is at, and each method what leads from there to elsewhere. */
export class Connection implements Watcher {
  status: Status = { state: "idle", since: Date.now() };
  readonly listeners = new Set<(status: Status) => void>();
  /** The link that serves. */
  serving: Attempt | undefined;
  readonly #options: Settings;
  readonly #http: Http;
  readonly #turns: Turns;
  readonly #user: User;
  readonly #make: Make;
  /** What may come to serve: the first one that is welcomed does. */
  readonly #attempts = new Set<Attempt>();
  readonly #trials: Trials;
  /** Of the attempts, of the silence, or of the wait: only one of them is on. */
  readonly #timer = new Timer();
  readonly #proof = new Timer();
  readonly #expiry = new Timer();
  readonly #pulse = new Timer();
  /** How long a link may be silent: what is between cuts it after about twice that, as two cuts in a row have shown. */
  quiet = Number.POSITIVE_INFINITY;
  /** How long the last link that was cut had been silent. */
  #silence = 0;
  #heartbeat = 0;
  /** How often in a row there was no proof; when the last attempt began, or the last ping left. */
  #failures = 0;
  #started = Number.NEGATIVE_INFINITY;
  #pinged: number | undefined;
  /** The server has refused the token: another refusal is the last. */
  #refused = false;

  constructor(options: Settings, http: Http, turns: Turns, user: User, make: Make) {
    this.#options = options;
    this.#http = http;
    this.#turns = turns;
    this.#user = user;
    this.#make = make;
    this.#trials = new Trials(turns.remembered, options, {
      try: (which, watcher) => {
        http.renew("connect");
        return make(which, user.topics(), watcher);
      },
      won: (trial, welcome) => this.#adopt(trial, welcome),
    });
  }

  // A listener may do anything, even close and reconnect: what its caller does next must bear that.
  #change(next: Omit<Status, "since">): void {
    this.status = { since: Date.now(), ...next };
    notify(this.listeners, this.status);
  }

  /** What is sent goes by POST: beside a stream, or where one would have nothing to tell. */
  get posts(): boolean {
    const { serving, status } = this;
    return serving
      ? !serving.duplex
      : status.state === "idle" && this.#options.transports[this.#turns.at] !== "websocket";
  }

  /** There is something to carry. */
  open(): void {
    if (this.status.state === "idle") this.#start();
  }

  /** There are topics that the stream wasn't opened with. */
  reopen(): void {
    if (this.serving) this.#start();
  }

  /** Tries now instead of waiting. */
  reconnect(): void {
    if (this.serving) this.wake(true);
    else if (this.status.state !== "connecting") this.#start();
  }

  #start(): void {
    this.#leave();
    this.#started = now();
    this.#http.renew(this.#refused ? "refused" : "connect");
    this.#launch(this.#turns.at);
  }

  /** Tries one of the transports, and after a while the next one beside it. */
  #launch(which: number): void {
    const { transports, connectTimeout } = this.#options;
    const topics = this.#user.topics();
    const useful = transports[which] === "websocket" || topics[0];
    if (!useful && !this.#attempts.size) {
      this.#change({ state: "idle" });
      this.#user.idle();
      return;
    }
    if (useful) this.#attempts.add(this.#make(which, topics, this));
    const next = useful && which + 1 < transports.length;
    if (next) this.#timer.set(Math.min(headStart, connectTimeout), () => this.#launch(which + 1));
    else this.#timer.set(connectTimeout, () => this.#timeout());
    if (this.status.state !== "online" && this.status.state !== "connecting") this.#change({ state: "connecting" });
  }

  #timeout(): void {
    const last = [...this.#attempts].at(-1) as Attempt;
    this.#down(last, toTimeout(last));
  }

  /** The link that serves ends if this time brings nothing. */
  #expect(within: number): void {
    this.#pulse.set(this.quiet, () => this.#ping());
    this.#timer.set(within, () => this.serving?.fail(new PushError("transport_silent")));
  }

  heard(attempt: Attempt, frame?: Frame): void {
    if (attempt === this.serving) {
      this.#expect(this.#heartbeat + heartbeatSlack);
      if (frame?.type === "pong" && this.status.latency === undefined)
        this.#change({ ...this.status, latency: now() - (this.#pinged as number) });
      if (frame) this.#user.heard(frame);
    } else if (frame?.type === "welcome") this.#serve(attempt, frame);
  }

  /** A trial of a better transport has won. */
  #adopt(trial: Attempt, welcome: Frame): void {
    this.#turns.proved(trial.which);
    if (trial.duplex) {
      this.#leave();
      trial.watcher = this;
      this.#serve(trial, welcome);
    } else {
      // The topics of a stream have gone on meanwhile, so it is reopened.
      trial.close();
      this.#start();
    }
  }

  /** The attempt has won. */
  #serve(attempt: Attempt, welcome: Frame): void {
    const { transport, which, duplex, begun } = attempt;
    this.#attempts.delete(attempt);
    this.#leave(false);
    this.serving = attempt;
    this.#turns.opened(which);
    this.#heartbeat = Math.min(Math.max(+welcome.heartbeat || 0, 1_000), 600_000);
    this.#expect(this.#heartbeat + heartbeatSlack);
    this.#proof.set(provenAfter, () => {
      this.#failures = 0;
      this.#refused = false;
      this.#turns.proved(which);
      if (which) this.#trials.begin(which);
    });
    this.#refreshIn(welcome.expires, welcome.session);
    this.#ping();
    this.#user.serves(attempt, welcome);
    if (this.serving !== attempt) return;
    this.#change({
      state: "online",
      transport,
      session: welcome.session,
      latency: duplex ? undefined : now() - begun,
    });
  }

  #ping(): void {
    this.#pinged = now();
    this.serving?.write({ type: "ping" });
  }

  /** Brings a new token before the identity ends, in so many seconds. */
  #refreshIn(expires: unknown, session: string): void {
    if (!this.#http.authenticates || typeof expires !== "number") return;
    this.#expiry.set(Math.max(expires * 1_000 - 30_000, expires * 500), () => {
      const { serving } = this;
      this.#http.renew("refresh");
      this.#http.post("refresh", { session }).then(
        (answer) => {
          if (serving === this.serving) this.#refreshIn(answer.expires, session);
        },
        () => {}, // then the identity ends, and the next attempt asks for a token
      );
    });
  }

  ended(attempt: Attempt, error: PushError): void {
    this.#attempts.delete(attempt);
    const others = [...this.#attempts];
    if (attempt === this.serving || !others[0]) this.#down(attempt, error);
    // Others may still be welcomed. The last one's successor needs no more patience.
    else if (others.every(({ which }) => which < attempt.which) && attempt.which + 1 < this.#options.transports.length)
      this.#launch(attempt.which + 1);
  }

  /** Ends what there is. `lost`: and nothing serves. */
  #leave(lost = true): void {
    for (const timer of [this.#timer, this.#proof, this.#expiry, this.#pulse]) timer.clear();
    for (const attempt of this.#attempts) attempt.close();
    this.#attempts.clear();
    this.#trials.end();
    this.serving?.close();
    this.serving = undefined;
    if (lost) this.#user.lost();
  }

  /** There was a link, or the last hope of one, until this attempt ended. */
  #down(attempt: Attempt, error: PushError & { topics?: Frame[] }): void {
    this.#leave();
    const silence = now() - (attempt.heard as number);
    if (silence > leastSilence && error.code === "transport_failed") {
      if (Math.abs(silence - this.#silence) < similar) this.quiet = silence / 2;
      this.#silence = silence;
    }
    const refused = error.code === "unauthenticated" && this.#http.authenticates && !this.#refused;
    if (error.topics) this.#user.refused(error.topics);
    if (this.serving || this.status.state === "closed") return;
    if (error.topics ? !this.#user.topics()[0] : refused) {
      // Either nothing is left to open a link for, or another token may do.
      this.#refused = refused;
      this.#start();
    } else if (error.retry === "never" && !error.topics) this.close(error);
    else this.#wait(attempt, error);
  }

  #wait({ which, age, welcomed }: Attempt, error: PushError): void {
    if (/^transport/.test(error.code) && age < provenAfter) this.#turns.failed(which, welcomed !== undefined);
    const soon = error.retry === "now" && !this.#failures;
    const backoff = fullJitter(this.#failures++, ...this.#options.backoff);
    // A server that names a delay is believed, if that is longer.
    const wait = soon ? 0 : Math.max(backoff, Math.min(error.after, longestWait));
    this.#timer.set(wait, () => this.#start());
    this.#change({ state: "waiting", error, retryAt: Date.now() + wait });
  }

  /** The page may be kept as it is now, which would leave a link half open. */
  sleep(): void {
    if (/idle|closed/.test(this.status.state)) return;
    this.#leave();
    this.#change({ state: "waiting" });
  }

  /** The page is awake, perhaps in another network: is the link alive? */
  wake(changed: boolean): void {
    const { serving } = this;
    const { state, error, retryAt } = this.status;
    const pause = now() - this.#started;
    if (serving?.duplex) {
      this.#ping();
      this.#expect(pingTimeout);
    } else if (serving) {
      // A stream can't be asked, but it is soon reopened.
      if (changed || now() - (serving.heard as number) > this.#heartbeat) this.#start();
    } else if (state === "connecting" ? changed && pause > leastPause : state === "waiting") {
      // Who sleeps has no time to wait for. A server that has named one is not asked before.
      if (retryAt === undefined || (!error?.after && pause > leastPause)) this.#start();
    }
  }

  /** Ends it for good, or until `reconnect`. */
  close(error: PushError): void {
    if (this.status.state === "closed") return;
    this.#leave();
    this.#failures = 0;
    this.#refused = false;
    this.#change({ state: "closed", error });
    if (this.status.error === error) this.#user.closed(error);
  }
}

const toTimeout = ({ heard }: Attempt): PushError =>
  new PushError(heard === undefined ? "transport_timeout" : "transport_buffered");
