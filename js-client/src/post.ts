import { type Frame, payload } from "./frame.ts";

// All bodies that a browser keeps alive may have 64 KiB together.
const mostKeptAlive = 1e4;

/** Sends a `send` frame by POST, beside an event stream; gives the frame that would have answered it. Never fails. */
export async function post(url: string, request: typeof fetch, frame: Frame): Promise<Frame> {
  const { topic, event, message, encoding } = frame as Record<"topic" | "event" | "message" | "encoding", string>;
  try {
    const body = payload(frame);
    const response = await request(`${url}/send?${new URLSearchParams({ topic, event, id: message })}`, {
      method: "POST",
      body,
      headers: { "Content-Type": encoding ? "application/octet-stream" : "text/plain" },
      keepalive: body.length < mostKeptAlive,
    });
    return { type: response.ok ? "reply" : "error", ...(await response.json()) };
  } catch {
    // Without an answer of the server's own, the message may have passed or not.
    return { type: "error", code: "unknown" };
  }
}
