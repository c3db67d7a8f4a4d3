import type { TransportName } from "./types.ts";

/** What a tab remembers: the transport to begin with, and until when. */
interface Memory {
  readonly transport: TransportName;
  readonly until: number;
}

/** How often in a row a transport may not open that has opened in this page: the server may be away. */
const patience = 2;

/** Whose turn it is: one of the transports, of which each has its turn when the one before it has failed. */
export class Turns {
  /** Whose turn it is. */
  at = 0;
  /** The tab has said where to begin, so that the better ones were tried lately. */
  readonly remembered: boolean;
  readonly #transports: readonly TransportName[];
  readonly #key: string;
  readonly #lasts: number;
  /** The one that has opened last, and hasn't soon died again and again. */
  #known: number | undefined;
  /** How often in a row it has failed. */
  #strikes = 0;

  /** Remembers under this URL, for so many milliseconds. */
  constructor(transports: readonly TransportName[], url: string, lasts: number) {
    this.#transports = transports;
    this.#key = `tidewire ${url}`;
    this.#lasts = lasts;
    const memory = this.#read();
    const known = memory && memory.until > Date.now() ? transports.indexOf(memory.transport) : 0;
    this.remembered = known > 0;
    this.at = Math.max(known, 0);
  }

  /** It has opened. */
  opened(which: number): void {
    this.#known = which;
  }

  /** It works. */
  proved(which: number): void {
    this.at = which;
    this.#strikes = 0;
    try {
      if (which) {
        const memory: Memory = { transport: this.#transports[which] as TransportName, until: Date.now() + this.#lasts };
        sessionStorage.setItem(this.#key, JSON.stringify(memory));
      } else sessionStorage.removeItem(this.#key);
    } catch {}
  }

  /** It has not opened, or has soon died; both by its own fault. */
  failed(which: number, opened: boolean): void {
    const allowed = opened ? 1 : which === this.#known ? patience : 0;
    if (++this.#strikes <= allowed) return;
    this.#strikes = 0;
    if (opened) this.#known = undefined;
    this.at = this.#after(which);
    // Polls are for where nothing streams.
    if (this.#transports[this.at] === "poll" && this.#known !== undefined) this.at = this.#after(this.at);
  }

  #after(which: number): number {
    return (which + 1) % this.#transports.length;
  }

  // Not every page has a storage, or may use it.
  #read(): Memory | undefined {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key) as string) ?? undefined;
    } catch {
      return undefined;
    }
  }
}
