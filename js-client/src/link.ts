import type { PushError } from "./error.ts";

/** What a link tells. */
export interface Listener {
  /** A frame has arrived, as JSON; or anything else that shows life, without. */
  hear(json?: unknown): void;
  /** It has ended, which `close` doesn't tell. */
  ended(error: PushError): void;
}

/** One connection. */
export interface Link {
  /** Takes a frame as JSON. Absent where the topics are those that it was opened with, and all else goes by requests. */
  readonly send?: (json: string) => void;
  /** How many bytes wait to be written. */
  readonly buffered: number;
  /** Nothing is heard of it any more. */
  close(): void;
}
