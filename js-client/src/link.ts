import type { Frame } from "./frame.ts";

/** One connection, in the shape of a WebSocket, which is one. */
export interface Link {
  /** A frame has arrived, as JSON; or anything else that shows life, without data. */
  onmessage?: ((event: { data?: string | undefined }) => void) | null;
  /** It has ended, which `close` doesn't tell. `reason` may be a delay in milliseconds. */
  onclose?: ((event: { code: number; reason: string }) => void) | null;
  /** How much waits to be written. */
  readonly bufferedAmount?: number;
  /** Takes a frame as JSON; gives its answer if that comes beside the link. */
  send(frame: string): Promise<Frame> | undefined;
  close(): void;
}
