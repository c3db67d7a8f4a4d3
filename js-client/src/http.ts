import type { PushError } from "./error.ts";
import { caught, ofResponse, toError } from "./failure.ts";
import type { Frame } from "./frame.ts";
import type { Options, TokenReason } from "./types.ts";

/** The longest URL in characters, and the most topics in one, that all that is between can be trusted to let through. */
const longestURL = 2_000;
const mostTopics = 50;

/** Requests to the routes below one URL, in the name that the page's token gives. */
export interface Http {
  /** There is a token to ask for. */
  readonly authenticates: boolean;
  /** The next request asks for the token anew, and says why. */
  renew(why: TokenReason): void;
  /** Where a route is. Throws if the URL is none. */
  url(route: string, query: URLSearchParams | undefined, scheme: "http" | "ws"): string;
  /** The answer, of this content type. Any other answer throws an error, which has the topics that it may tell of. */
  get(route: string, query: URLSearchParams, type: string, signal: AbortSignal): Promise<Response>;
  /** The answer to a POST, as a frame; throws if none came from the server. */
  post(route: string, query: Record<string, string>, init?: RequestInit): Promise<Frame>;
  /** A ticket for one connection; none if there is no token. */
  ticket(): Promise<string | undefined>;
}

/** Where routes are, below a URL that may be relative to the page, and may have a query, which they all get. */
function locate(base: string | URL, route: string, query: URLSearchParams | undefined, scheme: "http" | "ws"): string {
  const url = new URL(base, globalThis.document?.baseURI ?? globalThis.location?.href);
  url.protocol = url.protocol.replace(/^(http|ws)/, scheme);
  url.pathname = url.pathname.replace(/\/?$/, `/${route}`);
  for (const [name, value] of query ?? []) url.searchParams.append(name, value);
  url.hash = "";
  return url.href;
}

export function createHttp(base: string | URL, { token, fetch: request }: Options): Http {
  let why: TokenReason = "connect";
  let asking: Promise<Record<string, string>> | undefined;

  const ask = async (): Promise<Record<string, string>> => {
    try {
      const bearer = await token?.(why);
      return bearer ? { Authorization: `Bearer ${bearer}` } : {};
    } catch (cause) {
      throw caught(cause, "token_failed");
    }
  };
  const authorization = (): Promise<Record<string, string>> | undefined => {
    asking ??= token && ask();
    return asking;
  };

  // Nothing is stored, and a redirect would lead away from the server, or around in circles.
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const headers = authorization() && (await authorization());
    const make = (request ?? fetch) as typeof fetch;
    return make(url, { cache: "no-store", redirect: "error", ...init, ...(headers && { headers }) });
  };

  const refusal = (frame: Frame): PushError => Object.assign(toError(frame), { topics: frame.topics });

  const http: Http = {
    authenticates: !!token,
    url: (...where) => locate(base, ...where),
    renew(reason) {
      why = reason;
      asking = undefined;
    },

    async get(route, query, type, signal) {
      signal.throwIfAborted();
      const url = http.url(route, query, "http");
      const short =
        url.length < longestURL && query.getAll("topic").length + query.getAll("state").length <= mostTopics;
      const response = await (short
        ? send(url, { signal })
        : send(http.url(route, undefined, "http"), { signal, method: "POST", body: query }));
      if (response.ok && response.headers.get("Content-Type")?.startsWith(type)) return response;
      throw refusal(await ofResponse(response));
    },

    async post(route, query, init) {
      const url = http.url(route, new URLSearchParams(query), "http");
      for (let again = false; ; again = true) {
        const response = await send(url, { method: "POST", ...init });
        const { headers, ok } = response;
        if (ok && headers.get("Content-Type")?.startsWith("application/json"))
          return { ...(await response.json()), type: "reply" };
        const frame = await ofResponse(response);
        if (again || !token || frame.code !== "unauthenticated") return frame;
        http.renew("refused");
      }
    },

    async ticket() {
      if (!(await authorization())?.Authorization) return undefined;
      const { ticket, ...failure } = await http.post("ticket", {});
      if (ticket) return ticket;
      // A server that gives no tickets takes the token from the other transports.
      throw refusal(failure.status === 404 ? { code: "transport_failed", reason: "no tickets" } : failure);
    },
  };
  return http;
}
