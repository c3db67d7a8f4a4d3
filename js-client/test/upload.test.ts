import { expect, test, vi } from "vitest";
import type { PushError } from "../src/error.ts";
import { discard, type UploadOptions, type UploadProgress, upload } from "../src/upload.ts";
import { type FakeRequest, fakeFetch } from "./fakefetch.ts";
import { pass, settle, virtualTime } from "./setup.ts";

virtualTime();

const to = "https://example.com/uploads";
const at = `${to}?upload=A`;
const mega = 1 << 20;

/** How many calls haven't ended. */
let running = 0;

/** A server of one upload, which a test can make fail. */
class Server {
  readonly at = fakeFetch();
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  exists = false;
  complete = false;
  result: object = { data: "done" };
  limit = "";
  /** What happens instead of the next answers, to a request whose body has arrived or not. */
  readonly next: ((request: FakeRequest) => boolean)[] = [];
  readonly log: string[] = [];
  #told = 0;

  /** Answers all requests until the client waits, or has ended; or until a request that `stops`. */
  async serve(stops: (request: FakeRequest) => boolean = () => false): Promise<void> {
    for (;;) {
      await settle();
      const request = this.at.requests[this.#told];
      if (request && stops(request)) return;
      if (request) {
        this.#told++;
        await this.#answer(request);
      } else if (vi.getTimerCount() || !running) return;
      else await new Promise(setImmediate); // it reads a blob, or an answer
    }
  }

  async #answer(request: FakeRequest): Promise<void> {
    const { method, headers, body } = request.init as { method: string; headers: Record<string, string>; body?: Blob };
    this.log.push(`${method} ${headers["Upload-Offset"] ?? ""}+${body?.size ?? ""}`.trim());
    if (this.next.shift()?.(request)) return;
    if (method === "POST") {
      this.exists = true;
      this.bytes = new Uint8Array();
      return request.respond(null, { status: 201, headers: { Location: "?upload=A", ...this.#state() } });
    }
    if (!this.exists) return request.json(404, { code: "bad_request", retry: "never" });
    if (method === "PATCH") {
      if (Number(headers["Upload-Offset"]) !== this.bytes.length || this.complete)
        return request.json(409, { code: "conflict", retry: "never" }, this.#state());
      await this.take(request);
    }
    if (this.complete && method !== "HEAD") return request.json(200, this.result, this.#state());
    request.respond(null, { status: 204, headers: this.#state() });
  }

  /** Comparing this way is quick. */
  has(bytes: Uint8Array): boolean {
    return bytes.length === this.bytes.length && bytes.every((byte, i) => byte === this.bytes[i]);
  }

  async take(request: FakeRequest, least = 0): Promise<void> {
    const { headers, body } = request.init as { headers: Record<string, string>; body: Blob };
    const piece = await body.slice(0, least || body.size).arrayBuffer();
    this.bytes = new Uint8Array(await new Blob([this.bytes, piece]).arrayBuffer());
    this.complete = !least && headers["Upload-Complete"] === "?1";
  }

  #state(): Record<string, string> {
    return {
      "Upload-Offset": `${this.bytes.length}`,
      "Upload-Complete": this.complete ? "?1" : "?0",
      ...(this.limit && { "Upload-Limit": this.limit }),
    };
  }
}

const bytes = (size: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length: size }, (_, i) => (i * 31) % 251);
const file = (size: number): File => new File([bytes(size)], "a (1)'s.bin", { type: "text/x" });

/** An upload under way, and all that it says. */
function begin(server: Server, size: number, options: UploadOptions = {}, blob: Blob = file(size)) {
  const steps: UploadProgress[] = [];
  let settled: unknown;
  const stop = new AbortController();
  const result = upload(to, blob, {
    fetch: server.at.fetch as NonNullable<UploadOptions["fetch"]>,
    onProgress: (step) => void steps.push(step),
    signal: stop.signal,
    ...options,
  });
  running++;
  result
    .then(
      (value) => {
        settled = { value };
      },
      (error) => {
        settled = error;
      },
    )
    .finally(() => running--);
  return { steps, stop, result, settled: () => settled as { value: unknown } & PushError };
}

const lost = (request: FakeRequest): boolean => {
  request.fail();
  return true;
};
const status =
  (code: number, body?: object) =>
  (request: FakeRequest): boolean => {
    if (body) request.json(code, body);
    else request.respond("<html>", { status: code });
    return true;
  };

test("a file goes in pieces, and the reply comes back", async () => {
  const server = new Server();
  const { steps, settled } = begin(server, mega);
  await server.serve();
  expect(settled()).toEqual({ value: "done" });
  expect(server.has(bytes(mega))).toBe(true);
  expect(server.log).toEqual([
    "POST +",
    `PATCH 0+${mega / 4}`,
    `PATCH ${mega / 4}+${mega / 2}`,
    `PATCH ${mega * 0.75}+${mega / 4}`,
  ]);
  expect(server.at.requests[0]?.init.headers).toEqual({
    "Content-Disposition": "inline; filename*=UTF-8''a%20%281%29%27s.bin",
    "Content-Type": "text/x",
    "Upload-Complete": "?0",
    "Upload-Length": `${mega}`,
  });
  expect(steps.map(({ sent }) => sent)).toEqual([0, mega / 4, mega * 0.75, mega]);
  expect(steps[0]).toEqual({ url: at, sent: 0, total: mega, error: undefined });
});

test("an empty file is one", async () => {
  const server = new Server();
  const { settled } = begin(server, 0);
  await server.serve();
  expect(settled()).toEqual({ value: "done" });
  expect(server.log).toEqual(["POST +", "PATCH 0+0"]);
});

test("pieces keep to the server's limit, and shrink where a proxy refuses them", async () => {
  const server = new Server();
  server.limit = "max-size=99999999, max-append-size=200000";
  const { settled } = begin(server, 500_000);
  server.next.push(() => false, status(413));
  await server.serve();
  expect(settled()).toEqual({ value: "done" });
  expect(server.log.slice(1, 4)).toEqual(["PATCH 0+200000", "PATCH 0+100000", "PATCH 100000+100000"]);
});

test("a proxy that refuses the smallest piece is told of, and asked again", async () => {
  const server = new Server();
  const { steps, stop } = begin(server, 100_000);
  server.next.push(() => false, ...Array.from({ length: 9 }, () => status(413)));
  await server.serve();
  expect(steps.at(-1)?.error?.code).toBe("transport_failed");
  stop.abort();
  await settle();
});

test("a lost piece goes on from what the server has of it", async () => {
  const server = new Server();
  const { settled, steps } = begin(server, 400_000);
  server.next.push(
    () => false,
    (request) => {
      void server.take(request, 1000).then(() => request.fail());
      return true;
    },
  );
  await server.serve();
  expect(steps.at(-1)).toMatchObject({ sent: 0, error: { code: "transport_failed" } });
  await pass(30_000);
  await server.serve();
  expect(server.log.slice(2, 4)).toEqual(["HEAD +", `PATCH 1000+${mega / 8}`]);
  expect(settled()).toEqual({ value: "done" });
  expect(server.has(bytes(400_000))).toBe(true);
});

test("a lost answer to the last piece is asked for", async () => {
  const server = new Server();
  const { settled } = begin(server, 1000);
  server.next.push(
    () => false,
    (request) => {
      void server.take(request).then(() => request.fail());
      return true;
    },
  );
  await server.serve();
  await pass(30_000);
  await server.serve();
  expect(server.log).toEqual(["POST +", "PATCH 0+1000", "HEAD +", "GET +"]);
  expect(settled()).toEqual({ value: "done" });
});

test("where the server is at another offset, it goes on from there", async () => {
  const server = new Server();
  const { settled } = begin(server, 1000);
  server.next.push((request) => {
    server.exists = true;
    request.respond(null, { status: 201, headers: { Location: at } });
    server.bytes = bytes(400);
    return true;
  });
  await server.serve();
  expect(server.log.slice(1)).toEqual(["PATCH 0+1000", "PATCH 400+600"]);
  expect(settled()).toEqual({ value: "done" });
});

test("it stops when it is aborted, and another call goes on", async () => {
  const server = new Server();
  const first = begin(server, mega);
  await server.serve(({ init }) => (init.headers as Record<string, string>)["Upload-Offset"] === `${mega / 4}`);
  first.stop.abort();
  await settle();
  expect(first.settled()).toMatchObject({ code: "closed", retry: "never" });
  expect(server.at.last().aborted).toBe(true);
  const rest = begin(server, mega, { url: first.steps.at(-1)?.url });
  server.next.push(lost); // the one that was aborted
  await server.serve();
  expect(server.log.slice(3, 5)).toEqual(["HEAD +", `PATCH ${mega / 4}+${mega / 4}`]);
  expect(rest.settled()).toEqual({ value: "done" });
  expect(server.has(bytes(mega))).toBe(true);
});

test("it stops while it waits, and before it begins", async () => {
  const server = new Server();
  const { stop, settled } = begin(server, 10);
  server.next.push(lost);
  await server.serve();
  stop.abort();
  await settle();
  expect(settled()).toMatchObject({ code: "closed" });
  expect(vi.getTimerCount()).toBe(0);
  const { settled: other } = begin(server, 10, { signal: AbortSignal.abort() });
  await settle();
  expect(other()).toMatchObject({ code: "closed" });
  expect(server.at.requests.length).toBe(1);
});

test("what the server has forgotten begins again, once", async () => {
  const server = new Server();
  const { settled } = begin(server, 1000, { url: at });
  await server.serve();
  expect(server.log).toEqual(["HEAD +", "GET +", "POST +", "PATCH 0+1000"]);
  expect(settled()).toEqual({ value: "done" });

  const forgetful = new Server();
  const second = begin(forgetful, mega);
  const forget = (): boolean => {
    forgetful.exists = false;
    return false;
  };
  forgetful.next.push(
    () => false,
    forget,
    () => false,
    forget,
  );
  await forgetful.serve();
  expect(second.settled()).toMatchObject({ code: "refused", retry: "never" });
});

test("another file isn't sent", async () => {
  const server = new Server();
  server.next.push((request) => {
    request.respond(null, { status: 204, headers: { "Upload-Offset": "5", "Upload-Length": "11" } });
    return true;
  });
  const { settled } = begin(server, 10, { url: at });
  await server.serve();
  expect(settled()).toMatchObject({ code: "conflict", retry: "never" });
});

for (const [name, answer, code] of [
  ["that may not", status(403, { code: "forbidden", retry: "never" }), "forbidden"],
  ["that is too large", status(413, { code: "too_large", retry: "never" }), "too_large"],
  ["of a server without uploads", status(200), "unsupported"],
] as const)
  test(`a file ${name} ends at once`, async () => {
    const server = new Server();
    server.next.push(answer);
    const { settled } = begin(server, 10);
    await server.serve();
    expect(settled()).toMatchObject({ code, retry: "never" });
  });

test("a file that was refused when all was there ends, whatever the code", async () => {
  const server = new Server();
  server.next.push(
    () => false,
    (request) => {
      request.json(503, { code: "unavailable", retry: "later" }, { "Upload-Complete": "?1" });
      return true;
    },
  );
  const { settled } = begin(server, 10);
  await server.serve();
  expect(settled()).toMatchObject({ code: "unavailable", retry: "never" });
});

test("it waits as long as the server says, and goes on at once when the page is online again", async () => {
  const listen = vi.fn();
  vi.stubGlobal("addEventListener", listen);
  const server = new Server();
  const { steps, settled } = begin(server, 10);
  server.next.push((request) => {
    request.json(503, { code: "draining", retry: "later" }, { "Retry-After": "40" });
    return true;
  });
  await server.serve();
  expect(steps.at(-1)?.error).toMatchObject({ code: "draining", after: 40_000 });
  await pass(39_000);
  expect(server.at.requests.length).toBe(1);
  server.next.push(lost);
  await pass(1000);
  await server.serve();
  expect(server.at.requests.length).toBe(2);
  expect(listen).toHaveBeenCalledTimes(1);
  const [type, online, { signal }] = listen.mock.calls[0] as [string, () => void, { signal: AbortSignal }];
  expect([type, signal.aborted]).toEqual(["online", false]);
  online();
  await server.serve();
  expect(settled()).toEqual({ value: "done" });
  expect(signal.aborted).toBe(true);
  vi.unstubAllGlobals();
});

test("a request without an answer is given up", async () => {
  const server = new Server();
  const { settled } = begin(server, 10);
  server.next.push(() => true);
  await server.serve();
  await pass(89_000);
  expect(server.at.last().aborted).toBe(false);
  await pass(60_000);
  await server.serve();
  expect(settled()).toEqual({ value: "done" });
});

test("attempts are bounded while the server is away", async () => {
  const server = new Server();
  const { stop } = begin(server, 10);
  server.next.push(...Array.from({ length: 1000 }, () => lost));
  for (let i = 0; i < 60; i++) {
    await server.serve();
    await pass(1000);
  }
  expect(server.at.requests.length).toBeLessThan(15);
  stop.abort();
  await settle();
});

test("the token goes with each request, and is asked for again when it is refused", async () => {
  const server = new Server();
  const asked: string[] = [];
  const refusal = { code: "unauthenticated", retry: "never" };
  const token = (why: string): string => `${asked.push(why)}`;
  server.next.push(() => false, status(401, refusal));
  const { settled } = begin(server, 10, { token });
  await server.serve();
  expect(settled()).toEqual({ value: "done" });
  expect(asked).toEqual(["connect", "refused"]);
  const tokens = server.at.requests.map(({ init }) => (init.headers as Record<string, string>).Authorization);
  expect(tokens).toEqual(["Bearer 1", "Bearer 1", "Bearer 2"]);

  server.next.push(status(401, refusal), status(401, refusal));
  const second = begin(server, 10, { token });
  await server.serve();
  expect(second.settled()).toMatchObject({ code: "unauthenticated" });
});

test("a file that can't be read any more ends the upload", async () => {
  const server = new Server();
  const blob = file(10);
  blob.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")) }) as never;
  server.next.push(lost);
  const { settled } = begin(server, 10, {}, blob);
  await server.serve();
  expect(settled()).toMatchObject({ code: "unreadable", retry: "never", message: "gone" });
});

test("a handler that throws is reported, and stops nothing", async () => {
  const reported: unknown[] = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  const server = new Server();
  const onProgress = (): void => {
    throw new Error("mine");
  };
  const { settled } = begin(server, 10, { onProgress });
  await server.serve();
  vi.unstubAllGlobals();
  expect(settled()).toEqual({ value: "done" });
  expect(reported.length).toBeGreaterThan(0);
});

test("discard has the server forget it", async () => {
  const server = new Server();
  const fetch = server.at.fetch as NonNullable<UploadOptions["fetch"]>;
  const gone = discard(at, { fetch }).finally(() => running--);
  running++;
  server.next.push(status(404, { code: "bad_request" }));
  await server.serve();
  await gone;
  running++;
  const failed = discard(at, { fetch })
    .catch((error) => error.code)
    .finally(() => running--);
  server.next.push(status(403, { code: "forbidden", retry: "never" }));
  await server.serve();
  expect(await failed).toBe("forbidden");
  expect(server.log).toEqual(["DELETE +", "DELETE +"]);
});
