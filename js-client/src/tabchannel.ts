import type { PushError } from "./error.ts";
import type { Frame } from "./frame.ts";
import type { Beginning, Step } from "./relay.ts";
import type { Status } from "./types.ts";

// What tabs say to each other on one BroadcastChannel, which all of them hear.

/**
 * From a tab: a frame of a client to its server, or one of ours. `beat`: it would be the client of a leader, or is one and lives. `bye`:
 * it ends. `wake`: is the server there? `reconnect`: as the client's. `cancel`: nobody waits for the answer to `message`.
 */
export interface FromTab {
  /** Which connection of a tab. */
  readonly from: string;
  /** Which leader; undefined: any. */
  readonly to: string | undefined;
  readonly frame: Frame;
}

/** The answer to what one tab has asked for one topic. */
export interface Answer extends Partial<Beginning> {
  readonly topic: string;
  /** The id of the request. */
  readonly request: number;
  /** The topic is followed for this request, and begins as it has asked. */
  readonly own?: boolean;
  readonly error?: Frame | undefined;
}

/** From the leader. */
export interface FromLeader {
  /** Which leader: when it began, in 13 digits, and something that no other has. */
  readonly leader: string;
  /** For which connection of a tab; undefined: for all. */
  readonly to?: string | undefined;
  readonly status?: Omit<Status, "error"> & { readonly error?: Frame | undefined };
  /** How many bytes wait in its connection. */
  readonly buffered?: number | undefined;
  /** What a server would say. */
  readonly frame?: string | undefined;
  readonly answer?: Answer;
  /** What `topic` says. */
  readonly topic?: string;
  readonly steps?: readonly Step[];
  /** The tab is no client of this leader any more. */
  readonly end?: boolean;
}

/** An error as a server says it. */
export const toFrame = ({ code, message, retry, after }: PushError): Frame => ({ code, reason: message, retry, after });
