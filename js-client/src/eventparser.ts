import { check, longestFrame } from "./frame.ts";

/**
 * Takes an event stream apart, as in WHATWG HTML, "Interpreting an event stream", cut at any byte; calls `emit` with the
 * data of each event. The names and ids of events are for other clients: what they say stands in the data, too. Throws
 * when a line or an event gets too long. Looks at each character once, however the stream is cut.
 */
export function eventParser(emit: (data: string) => void): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder(); // drops a byte order mark, and keeps half a character for the next piece
  let afterCR = false;
  let rest = "";
  let data = "";
  return (bytes) => {
    const text = decoder.decode(bytes, { stream: true });
    if (!text) return;
    const lines = (afterCR ? text.replace(/^\n/, "") : text).split(/\r\n?|\n/);
    afterCR = text.endsWith("\r");
    lines[0] = rest + lines[0];
    rest = lines.pop() as string;
    for (const line of lines) {
      const field = /^data(?:: ?(.*))?$/s.exec(line);
      if (field) data += `\n${field[1] ?? ""}`;
      if (line) continue;
      if (data) emit(data.slice(1));
      data = "";
    }
    check(rest.length + data.length < longestFrame);
  };
}
