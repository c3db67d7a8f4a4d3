import type { PushError } from "./error.ts";
import type { TransportName } from "./types.ts";

/** A topic as a transport sees it. */
export interface Place {
  readonly topic: string;
  readonly cursor: string | undefined;
}

/** What a link tells its owner: never before it was returned, and after `close` only the answers to POSTs. */
export interface Hooks {
  /** The topics to follow. */
  wanted(): Place[];
  /** Bytes have arrived. */
  heard(): void;
  /** A frame has arrived, as JSON. Does not throw. */
  receive(json: string): void;
  /** The link has failed. The owner closes it. */
  down(failure: PushError): void;
  /** A better link is to be had. The owner closes this one and opens another at once. */
  restart(): void;
}

/** One connection. */
export interface Link {
  readonly name: TransportName;
  /** Whether its topics are those it was opened with. It then takes no frames but `send`. */
  readonly fixed: boolean;
  /** Whether the server has begun to answer. */
  opened: boolean;
  /** How much waits to be written. */
  buffered(): number;
  write(frame: object): void;
  /** `failure` says why, if it was not the client's wish; `age` how long ago it was welcomed, in milliseconds. */
  close(failure?: PushError, age?: number): void;
}

export type Transport = (hooks: Hooks) => Link;
