import type { PushError } from "./error.ts";
import type { Frame } from "./frame.ts";
import type { TransportName } from "./types.ts";

/** A topic as a transport sees it. */
export interface Place {
  readonly topic: string;
  readonly cursor: string | undefined;
}

/** What a link tells its owner: but for `places`, never before it was returned or after `close`. */
export interface Hooks {
  /** The topics to follow, for a link that can't be told later. It may leave some out of its welcome. */
  places(): Place[];
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
  /** The server has begun to answer, though not with a frame. */
  opened?: boolean;
  /** How much waits to be written. */
  buffered?(): number;
  /** Without it, the topics are those the link was opened with, and what is sent goes beside it. */
  write?(frame: Frame): void;
  /** `failure` says why, if it was not the client's wish; `age` how long ago it was welcomed, in milliseconds; 0 if it was not. */
  close(failure?: PushError, age?: number): void;
}

export type Transport = (hooks: Hooks) => Link;
