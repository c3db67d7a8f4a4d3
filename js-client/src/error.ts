/** Whether trying again may help: not at all, at once, or after a while. */
export type Retry = "never" | "now" | "later";

/** The server's codes, and those that only the client knows. */
export type ErrorCode =
  | "bad_request"
  | "unauthenticated"
  | "forbidden"
  | "conflict"
  | "too_large"
  | "unsupported"
  | "wrong_kind"
  | "rate_limited"
  | "limit_reached"
  | "timeout"
  | "slow_consumer"
  | "draining"
  | "unavailable"
  | "not_replicated"
  | "internal"
  /** The server ended the connection for good and gave no code. */
  | "refused"
  /** The server broke the protocol; the client has left and resumes. */
  | "protocol_violation"
  /** The transport was refused or cut. */
  | "transport_failed"
  /** The transport did not open in time. */
  | "transport_timeout"
  /** The transport opened, but something on the way holds the bytes back. */
  | "transport_buffered"
  /** Nothing was heard for too long. */
  | "transport_silent"
  /** The option `token` threw. */
  | "token_failed"
  /** The option `load` threw. */
  | "load_failed"
  /** Messages were missed, in a loop over a subscription. */
  | "gap"
  /** It may or may not have happened: sending again with the same id is safe. */
  | "unknown"
  /** This client, or this subscription, is closed. */
  | "closed"
  | (string & {});

/** Of a code that comes without. */
const retries: Record<string, Retry> = {
  bad_request: "never",
  unauthenticated: "never",
  forbidden: "never",
  conflict: "never",
  too_large: "never",
  unsupported: "never",
  wrong_kind: "never",
  refused: "never",
  closed: "never",
  slow_consumer: "now",
};

/** The one error of this library. What caused it, if that was an exception, is its `cause`. */
export class PushError extends Error {
  declare readonly code: ErrorCode;
  declare readonly retry: Retry;
  /** The server's own delay before a retry, in milliseconds; 0 if it gave none. */
  declare readonly after: number;
  /** The id of the message that was to be sent; undefined for other errors. */
  declare readonly id: string | undefined;

  constructor(code: ErrorCode, reason: string = code, retry: Retry = retries[code] ?? "later", after = 0, id?: string) {
    super(reason);
    Object.assign(this, { name: "PushError", code, retry, after, id });
  }
}
