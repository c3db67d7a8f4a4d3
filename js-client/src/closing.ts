import { PushError } from "./error.ts";

const codes: Readonly<Record<number, string>> = {
  1000: "closed",
  1009: "too_large",
  1011: "internal",
  1012: "draining",
  1013: "unavailable",
  4400: "bad_request",
  4401: "unauthenticated",
  4403: "forbidden",
  4429: "rate_limited",
  4503: "unavailable",
};

/**
 * What a close code means; an HTTP status counts as the close code 4000 above it. What is not in the table is the transport's
 * fault: the server says its own errors in a frame or a body besides.
 */
export const closing = (code: number, after?: number): PushError =>
  new PushError(
    codes[code] ?? "transport_failed",
    `closed with ${code}`,
    /^(100[02379]|440[013])$/.test(`${code}`) ? "never" : "later",
    after,
  );
