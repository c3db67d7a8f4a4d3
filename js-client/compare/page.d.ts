// What the page of each program has: the same for all libraries.

/** A line of a chat, or a notification: `id` grows. */
interface Line {
  readonly id: number;
  readonly text: string;
}

/** Shows a line below the others. */
declare function show(line: Line): void;
/** Removes all lines: some are missing. */
declare function clear(): void;
/** Says that something could not be sent. */
declare function failed(text: string, error: unknown): void;
/** Shows a price; without one, removes it. */
declare function draw(symbol: string, price?: number): void;
/** Asks the page's own server for a token, which is good for some minutes. */
declare function getToken(): Promise<string>;
/** Says how much of a file the server has. */
declare function progress(part: number): void;
