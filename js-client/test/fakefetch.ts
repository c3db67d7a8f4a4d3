import type { Frame } from "../src/frame.ts";
import { cursorAt } from "./cursors.ts";

/** One request to the fake server. */
export class FakeRequest {
  readonly url: URL;
  readonly init: RequestInit;
  readonly response: Promise<Response>;
  #resolve!: (response: Response) => void;
  #reject!: (error: unknown) => void;
  #stream!: ReadableStreamDefaultController<Uint8Array>;

  constructor(url: string, init: RequestInit = {}) {
    this.url = new URL(url);
    this.init = init;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    init.signal?.addEventListener("abort", this.fail);
  }

  get aborted(): boolean {
    return this.init.signal?.aborted ?? false;
  }

  get topics(): string[] {
    return this.url.searchParams.getAll("topic");
  }

  respond(body: string | null, init: ResponseInit): void {
    this.init.signal?.removeEventListener("abort", this.fail);
    this.#resolve(new Response(body, init));
  }

  json(status: number, body: object, headers: Record<string, string> = {}): void {
    this.respond(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
  }

  readonly fail = (): void => {
    this.#reject(new TypeError("network"));
    try {
      this.#stream?.error(new TypeError("network"));
    } catch {}
  };

  /** Begins the stream. */
  open(type = "text/event-stream"): void {
    const start = (stream: ReadableStreamDefaultController<Uint8Array>): void => {
      this.#stream = stream;
    };
    this.#resolve(new Response(new ReadableStream({ start }), { headers: { "Content-Type": type } }));
  }

  write(text: string): void {
    this.#stream.enqueue(new TextEncoder().encode(text));
  }

  say(frame: object): void {
    this.write(`event: tidewire\nid: x\ndata: ${JSON.stringify(frame)}\n\n`);
  }

  end(): void {
    this.#stream.close();
  }

  #answers(cursors: Record<string, string>): object[] {
    return this.topics.map((topic) => ({
      topic,
      from: "now",
      cursor: Object.hasOwn(cursors, topic) ? cursors[topic] : cursorAt(0, topic),
    }));
  }

  welcome(cursors: Record<string, string> = {}): void {
    this.open();
    const topics = this.#answers(cursors);
    this.say({ type: "welcome", protocol: "tidewire.v1", session: "s", heartbeat: 15_000, topics });
  }

  /** Answers a poll. */
  answer(cursor: string, frames: object[] = [], topics = this.#answers({})): void {
    this.json(200, { topics, frames, cursor });
  }
}

/** A fetch whose other end is the test. */
export function fakeFetch(): { fetch: typeof fetch; requests: FakeRequest[]; last(): FakeRequest } {
  const requests: FakeRequest[] = [];
  return {
    requests,
    last: () => requests.at(-1) as FakeRequest,
    fetch: (async (url: string, init?: RequestInit) => {
      const request = new FakeRequest(url, init);
      requests.push(request);
      return request.response;
    }) as typeof fetch,
  };
}

export type { Frame };
