import { type Attempt, provenAfter, type Watcher } from "./attempt.ts";
import type { Frame } from "./frame.ts";
import { Timer } from "./timer.ts";

/** How long after a lesser transport has proved itself the better ones are tried, in milliseconds. */
const firstRest = 1_000;

/** What trials are made with. */
export interface Laboratory {
  try(which: number, watcher: Watcher): Attempt;
  /** It is closed, unless it is taken. */
  won(trial: Attempt, welcome: Frame): void;
}

/**
 * Tries the better transports beside the one that serves, one after the other, and rests before the next time: twice as long each
 * time. One that lives long enough takes over.
 */
export class Trials implements Watcher {
  readonly #laboratory: Laboratory;
  readonly #timeout: number;
  readonly #probe: number;
  readonly #timer = new Timer();
  #trial: Attempt | undefined;
  #rest: number;
  /** Those before this one are better. */
  #serving = 0;

  /** `lately`: they were tried before the page was reloaded. */
  constructor(lately: boolean, options: { connectTimeout: number; probe: number }, laboratory: Laboratory) {
    this.#laboratory = laboratory;
    this.#timeout = options.connectTimeout;
    this.#probe = options.probe;
    this.#rest = lately ? options.probe : firstRest;
  }

  /** This transport serves. */
  begin(serving: number): void {
    this.#serving = serving;
    this.#timer.set(this.#rest, () => this.#try(0));
    this.#rest = Math.max(this.#rest * 2, this.#probe);
  }

  end(): void {
    this.#timer.clear();
    this.#trial?.close();
    this.#trial = undefined;
  }

  #try(which: number): void {
    this.end();
    if (which < this.#serving) {
      this.#timer.set(this.#timeout, () => this.#try(which + 1));
      this.#trial = this.#laboratory.try(which, this);
    } else this.begin(which);
  }

  heard(trial: Attempt, frame?: Frame): void {
    if (frame?.type !== "welcome") return;
    trial.write({ type: "ping" });
    this.#timer.set(provenAfter, () => {
      this.#trial = undefined;
      this.#laboratory.won(trial, frame);
    });
  }

  ended({ which }: Attempt): void {
    this.#try(which + 1);
  }
}
