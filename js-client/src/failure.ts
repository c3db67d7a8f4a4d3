import { type ErrorCode, PushError } from "./error.ts";
import type { Frame } from "./frame.ts";

/** The error that a frame tells of, or something else in the form of one. */
export const toError = ({ code = "unknown", reason, retry, after }: Frame, id?: string): PushError =>
  new PushError(code, reason, retry, +after || 0, id);

/**
 * What a close code says if no error frame came before it; an HTTP status counts as the close code 4000 above it. Codes
 * that the server does not use are the transport's fault.
 */
export const codeOf = (status: number | string): ErrorCode =>
  /100[02379]|440[0139]/.test(status as string)
    ? "refused"
    : /101[123]|4503/.test(status as string)
      ? "unavailable"
      : "transport_failed";
