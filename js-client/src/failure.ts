import { type ErrorCode, PushError } from "./error.ts";
import type { Frame } from "./frame.ts";

/** The error that a frame tells of, or something else in the form of one. */
export const toError = ({ code = "unknown", reason, retry, after }: Frame, id?: string): PushError =>
  new PushError(code, reason, retry, +after || 0, id);

/** What was thrown, with this code if it is no error of ours. */
export const caught = (cause: unknown, code: ErrorCode): PushError =>
  cause instanceof PushError ? cause : Object.assign(toError({ code, reason: (cause as Error)?.message }), { cause });

/** What close codes say, if no error frame came before them. All others are the transport's fault. */
const closeCodes: Record<number, ErrorCode> = {
  1000: "refused",
  1002: "refused",
  1003: "refused",
  1007: "refused",
  1009: "too_large",
  1011: "internal",
  1012: "draining",
  1013: "unavailable",
  4400: "bad_request",
  4401: "unauthenticated",
  4403: "forbidden",
  4408: "timeout",
  4409: "wrong_kind",
  4429: "rate_limited",
  4430: "slow_consumer",
  4431: "limit_reached",
};

/** How a WebSocket has ended; the reason may be a delay in milliseconds. */
export const ofClose = (close: { code: number; reason: string }): PushError =>
  toError({
    code: closeCodes[close.code] ?? "transport_failed",
    reason: `close code ${close.code}`,
    after: close.reason,
  });

/**
 * What an answer says that isn't the one hoped for. Only the server's own, which have a code, can end anything for good:
 * whatever is between, and `foreign`, says what it likes.
 */
export async function ofResponse(response: Response): Promise<Frame> {
  const { status, headers } = response;
  const body: Frame = await response.json().catch(() => undefined);
  const type = "error";
  const after = +(headers.get("Retry-After") ?? 0) * 1000;
  if (typeof body?.code === "string") return { after, ...body, type, status };
  const code = status >= 500 || status === 429 ? "unavailable" : "transport_failed";
  return { type, code, reason: `status ${status}`, after, status, foreign: true };
}
