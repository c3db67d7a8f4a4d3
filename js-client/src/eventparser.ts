/**
 * Takes an event stream apart, as in WHATWG HTML, "Interpreting an event stream", cut at any byte; calls `emit` with the
 * data of each event. Names and ids of events are for other clients: everything they say stands in the data, too. Throws
 * when a line or an event is longer than `limit`. Looks at each character once, however the stream is cut.
 */
export function eventParser(emit: (data: string) => void, limit: number): (bytes: Uint8Array) => void {
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
      const field = /^data(?:: ?|$)/.exec(line);
      if (field) data += `${line.slice(field[0].length)}\n`;
      if (rest.length + data.length > limit) throw new RangeError("the event is too long");
      if (line || !data) continue;
      emit(data.slice(0, -1));
      data = "";
    }
    if (rest.length > limit) throw ...
  };
}
