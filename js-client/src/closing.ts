import { PushError } from "./error.ts";

/**
 * What a close code says if no error frame came before it; an HTTP status counts as the close code 4000 above it. Codes
 * that the server does not use are the transport's fault. `after` is the server's delay in milliseconds, as text.
 */
export function closing(code: number, after: unknown): PushError {
  const [, final, busy] = /^(100[02379]|440[013])|^(101[123]|4503)/.exec(`${code}`) ?? [];
  return new PushError(
    final ? "refused" : busy ? "unavailable" : "transport_failed",
    `${code}`,
    final ? "never" : "later",
    +(after as string) || 0,
  );
}
