import { fullJitter } from "./backoff.ts";
import { PushError } from "./error.ts";
import { caught, ofResponse, toError } from "./failure.ts";
import { payload } from "./frame.ts";
import { notify } from "./notify.ts";
import { now } from "./timer.ts";
import type { Data, Options } from "./types.ts";

/** How far an upload is. */
export interface UploadProgress {
  /** What the server calls it, once it knows of it. With this and the same file, another call goes on where this one ended. */
  readonly url: string | undefined;
  /** How many bytes the server has. */
  readonly sent: number;
  readonly total: number;
  /** Why it waits before it tries again; undefined while it goes on. */
  readonly error: PushError | undefined;
}

export interface UploadOptions extends Pick<Options, "token" | "fetch" | "backoff"> {
  /**
   * The `url` of an earlier call's progress: sends what the server lacks of the same blob. If the server has forgotten it, the upload
   * begins again.
   */
  url?: string | undefined;
  /** What the server is to call the file. Default: the name of a `File`. */
  name?: string | undefined;
  /** Stops; the server keeps what it has for a while. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/** Pieces are as large as takes about a second to send, between these, in bytes. */
const least = 64 << 10;
const greatest = 8 << 20;
const first = 256 << 10;

/** Without an answer for so long, in milliseconds, a request has failed. */
const patience = 90_000;
/** No wait is longer. */
const longestWait = 300_000;

const offsetOf = ({ headers }: Response): number => Number(headers.get("Upload-Offset") ?? Number.NaN);
const isComplete = ({ headers }: Response): boolean => headers.get("Upload-Complete") === "?1";
const isForgotten = ({ status }: Response): boolean => status === 404 || status === 410;

/** Requests, in the name that the token gives, and waits; `signal` ends both. */
class Line {
  #bearer: string | undefined | null;
  #ask: "connect" | "refused" | undefined = "connect";
  #options: UploadOptions;
  #end = (): void => {};

  constructor(options: UploadOptions) {
    this.#options = options;
    options.signal?.addEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => this.#end();

  close(): void {
    this.#options.signal?.removeEventListener("abort", this.#abort);
  }

  check(): void {
    if (this.#options.signal?.aborted) throw new PushError("closed");
  }

  async send(method: string, url: string, more?: Record<string, string>, body?: Blob): Promise<Response> {
    const { token, fetch: request } = this.#options;
    try {
      if (this.#ask) this.#bearer = await token?.(this.#ask);
    } catch (cause) {
      throw caught(cause, "token_failed");
    }
    this.check();
    const again = this.#ask === "refused";
    this.#ask = undefined;
    const stop = new AbortController();
    this.#end = () => stop.abort();
    const deadline = setTimeout(this.#end, patience);
    const headers = { ...more, ...(this.#bearer && { Authorization: `Bearer ${this.#bearer}` }) };
    const init: RequestInit = { method, headers, cache: "no-store", redirect: "error", signal: stop.signal };
    if (body) init.body = body;
    let response: Response;
    try {
      response = await ((request ?? fetch) as typeof fetch)(url, init);
    } finally {
      clearTimeout(deadline);
    }
    if (response.status !== 401 || again || !token) return response;
    this.#ask = "refused";
    return this.send(method, url, more, body);
  }

  /** Waits, at least so long, and then no longer than until the page is online again. */
  async sleep(wait: number, atLeast: number): Promise<void> {
    this.check();
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      timer = setTimeout(resolve, Math.min(Math.max(wait, atLeast), longestWait));
      if (!atLeast) globalThis.addEventListener?.("online", () => resolve(), over);
    });
    clearTimeout(timer);
    over.abort();
  }
}

/**
 * Uploads a file to a route that takes resumable uploads, in pieces, and resolves to the data of the server's reply. What fails on
 * the way is tried again, from where the server is, until it succeeds, the server refuses for good, or `signal` is aborted. Rejects
 * with a {@link PushError}: `closed` after an abort, `conflict` if the server has begun another file by this `url`, `unreadable` if
 * the file has changed.
 */
export async function upload(to: string | URL, blob: Blob, options: UploadOptions = {}): Promise<Data | undefined> {
  const { onProgress, name = (blob as File).name, backoff = [500, 30_000] } = options;
  const { size: total } = blob;
  const line = new Line(options);
  const start = new URL(to, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  const headers: Record<string, string> = {
    "Upload-Complete": "?0",
    "Upload-Length": `${total}`,
    "Content-Type": blob.type || "application/octet-stream",
  };
  // RFC 8187 section 3.2.1 has fewer characters that stand for themselves than a URL.
  const percent = (char: string): string => `%${char.charCodeAt(0).toString(16)}`;
  if (name)
    headers["Content-Disposition"] = `inline; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, percent)}`;
  let { url } = options;
  let sent = 0;
  let known = false; // whether that is what the server has
  let size = first;
  let most = greatest;
  let failures = 0;
  let restarts = 0;

  const listeners = new Set(onProgress && [onProgress]);
  const tell = (error?: PushError): void => notify(listeners, { url, sent, total, error });

  /** The server has so many bytes. */
  const reached = (response: Response, offset = offsetOf(response)): undefined => {
    if (!(offset >= 0 && offset <= total)) throw new PushError("protocol_violation");
    if (offset > sent) failures = 0;
    sent = offset;
    known = true;
    const limit = /max-append-size=(\d+)/.exec(response.headers.get("Upload-Limit") ?? "");
    if (limit) most = Math.min(most, Number(limit[1]));
    tell();
  };

  const refusal = async (response: Response): Promise<PushError> => {
    const frame = await ofResponse(response);
    return toError(isComplete(response) ? { ...frame, retry: "never" } : frame);
  };

  /** The server has forgotten the upload. */
  const restart = (): undefined => {
    if (restarts++) throw new PushError("refused", "lost twice");
    url = undefined;
    sent = 0;
  };

  const create = async (): Promise<undefined> => {
    const response = await line.send("POST", start, headers);
    if (!response.ok) throw await refusal(response);
    const location = response.headers.get("Location");
    if (!location) throw new PushError("unsupported", "no Location");
    url = new URL(location, response.url || start).href;
    reached(response, 0);
  };

  /** Asks how much the server has; the answer is the last one if it has all. */
  const resume = async (at: string): Promise<Response | undefined> => {
    const head = await line.send("HEAD", at);
    const length = head.headers.get("Upload-Length");
    if (head.ok && length && Number(length) !== total) throw new PushError("conflict", `it has ${length} bytes`);
    if (head.ok && !isComplete(head)) return reached(head);
    // Only the answer to a GET says what is wrong, or what the reply is.
    const response = await line.send("GET", at);
    if (isComplete(response)) return response;
    if (head.ok) return new Response();
    if (!isForgotten(response)) throw await refusal(response);
    return restart();
  };

  const append = async (at: string): Promise<Response | undefined> => {
    const end = Math.min(total, sent + Math.min(size, most));
    const from = now();
    const response = await line.send(
      "PATCH",
      at,
      {
        "Upload-Offset": `${sent}`,
        "Upload-Complete": end === total ? "?1" : "?0",
        "Content-Type": "application/partial-upload",
      },
      blob.slice(sent, end),
    );
    if (isComplete(response)) return response;
    if (response.ok) {
      const took = now() - from;
      if (took < 500 && size <= most) size *= 2;
      if (took > 2000) size /= 2;
      return reached(response);
    }
    if (response.status === 409 && Math.abs(offsetOf(response) - sent) > 0) return reached(response);
    if (isForgotten(response)) return restart();
    if (response.status !== 413 || end - sent <= least) throw await refusal(response);
    most = (end - sent) >> 1;
    return undefined;
  };

  try {
    for (;;)
      try {
        line.check();
        const last = !url ? await create() : known ? await append(url) : await resume(url);
        if (!last) continue;
        if (!last.ok) throw await refusal(last);
        const reply = last.headers.get("Content-Type")?.startsWith("application/json") && (await last.json());
        sent = total;
        tell();
        return reply ? payload(reply) : undefined;
      } catch (cause) {
        line.check();
        const error = caught(cause, "transport_failed");
        if (error.retry === "never") throw error;
        await blob
          .slice(sent, sent + 1)
          .arrayBuffer()
          .catch((cause) => {
            throw Object.assign(new PushError("unreadable", cause.message, "never"), { cause });
          });
        known = false;
        size = Math.max(least, size / 2);
        tell(error);
        await line.sleep(fullJitter(failures++, ...backoff), error.after);
      }
  } finally {
    line.close();
  }
}

/** Has the server forget an upload, by the `url` of its progress. */
export async function discard(url: string, options: Pick<UploadOptions, "token" | "fetch"> = {}): Promise<void> {
  const response = await new Line(options).send("DELETE", url);
  if (!response.ok && !isForgotten(response)) throw toError(await ofResponse(response));
}
