import { check, longestFrame } from "./frame.ts";

/**
 * Reads an event stream to its end, as in WHATWG HTML, "Interpreting an event stream", cut at any byte; calls `hear` with
 * the data of each event, and without anything when it begins and whenever bytes have come. The names and ids of events
 * are for other clients: what they say stands in the data, too. Throws when a line or an event gets too long.
 */
export async function readEvents(body: ReadableStream<Uint8Array>, hear: (data?: string) => void): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder(); // drops a byte order mark, and keeps half a character for the next piece
  let rest = "";
  let data = "";
  while (true) {
    hear();
    const { done, value } = await reader.read();
    if (done) return;
    const text = rest + decoder.decode(value, { stream: true });
    const lines = text.split(/\r\n?|\n/);
    rest = lines.pop() as string;
    // The next piece may begin with the other half of this end of a line: let it be the end of a comment.
    if (/\r$/.test(text)) rest = ":\r";
    for (const line of lines) {
      const value = line.replace(/^data(: ?|$)/, "\n");
      if (value !== line) data += value;
      if (line) continue;
      if (data) hear(data.slice(1));
      data = "";
    }
    check(rest.length + data.length < longestFrame);
  }
}
