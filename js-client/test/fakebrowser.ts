import { AsyncLocalStorage } from "node:async_hooks";
import { vi } from "vitest";

const pages = new AsyncLocalStorage<Page>();
/** The page whose code runs. */
const current = (): Page => pages.getStore() as Page;

/** A tab of the fake browser: it can be frozen, crash, or be closed, with all that runs in it. */
export class Page {
  state: "runs" | "frozen" | "gone" = "runs";
  readonly events = new EventTarget();
  readonly #late: (() => void)[] = [];
  readonly #whenGone = new Set<() => void>();

  /** Runs something of the page, as soon as it can run at all. */
  do<T>(task: () => T): void {
    if (this.state === "runs") pages.run(this, task);
    else if (this.state === "frozen") this.#late.push(() => this.do(task));
  }

  /** Runs something of the page now. */
  run<T>(task: () => T): T {
    return pages.run(this, task);
  }

  whenGone(then: () => void): void {
    this.#whenGone.add(then);
  }

  async freeze(tell = true): Promise<void> {
    if (tell) this.do(() => this.events.dispatchEvent(new Event("freeze")));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    this.state = "frozen";
  }

  thaw(): void {
    if (this.state !== "frozen") return;
    this.state = "runs";
    this.do(() => this.events.dispatchEvent(new Event("resume")));
    for (const task of this.#late.splice(0)) task();
  }

  async close(): Promise<void> {
    this.do(() => this.events.dispatchEvent(new Event("pagehide")));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    this.crash();
  }

  crash(): void {
    this.state = "gone";
    for (const then of this.#whenGone) then();
  }
}

/** What gets lost between pages. */
let loses = (_message: unknown): boolean => false;
/** How long something takes between pages, in milliseconds. What one says to another keeps its order. */
let latency = (): number => 1;

class FakeBroadcastChannel {
  static open = new Set<FakeBroadcastChannel>();
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly name: string;
  readonly #page = current();
  readonly #arrived = new WeakMap<FakeBroadcastChannel, number>();

  constructor(name: string) {
    this.name = name;
    FakeBroadcastChannel.open.add(this);
    this.#page.whenGone(() => this.close());
  }

  postMessage(value: unknown): void {
    if (this.#page.state === "gone") return;
    if (!FakeBroadcastChannel.open.has(this)) throw new DOMException("closed", "InvalidStateError");
    for (const other of FakeBroadcastChannel.open) {
      if (other === this || other.name !== this.name || loses(value)) continue;
      const data = structuredClone(value);
      const at = Math.max(this.#arrived.get(other) ?? 0, performance.now() + latency());
      this.#arrived.set(other, at);
      outside(() => other.#page.do(() => FakeBroadcastChannel.open.has(other) && other.onmessage?.({ data })), at);
    }
  }

  close(): void {
    FakeBroadcastChannel.open.delete(this);
  }
}

/** Does it at that time, as by `performance.now()`, whatever page runs then. */
export function outside(task: () => void, at: number): void {
  unbound.setTimeout(task, Math.max(0, at - performance.now()));
}

interface Request {
  readonly page: Page;
  readonly hold: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
}

class FakeLocks {
  /** Locks can't be had here. */
  refuses = false;
  readonly #held = new Map<string, Request>();
  readonly #waiting = new Map<string, Request[]>();

  request(name: string, options: { steal?: boolean; signal?: AbortSignal }, hold: () => unknown): Promise<unknown> {
    if (options.steal && options.signal) throw new TypeError("NotSupportedError");
    if (this.refuses) return Promise.reject(new DOMException("no locks here", "SecurityError"));
    const page = current();
    return new Promise((resolve, reject) => {
      const request: Request = { page, hold, resolve, reject, signal: options.signal };
      if (options.signal?.aborted) return reject(new DOMException("aborted", "AbortError"));
      const waiting = this.#waiting.get(name) ?? [];
      this.#waiting.set(name, waiting);
      const leave = (): void => {
        const at = waiting.indexOf(request);
        if (at >= 0) waiting.splice(at, 1);
        if (this.#held.get(name) === request) this.#release(name, request);
      };
      page.whenGone(leave);
      options.signal?.addEventListener("abort", () => {
        if (waiting.includes(request)) reject(new DOMException("aborted", "AbortError"));
        if (this.#held.get(name) !== request) leave();
      });
      if (options.steal) {
        const robbed = this.#held.get(name);
        this.#held.delete(name);
        robbed?.page.do(() => robbed.reject(new DOMException("stolen", "AbortError")));
        waiting.unshift(request);
      } else waiting.push(request);
      this.#grant(name);
    });
  }

  #release(name: string, request: Request): void {
    if (this.#held.get(name) !== request) return;
    this.#held.delete(name);
    this.#grant(name);
  }

  #grant(name: string): void {
    outside(() => {
      const waiting = this.#waiting.get(name);
      const next = waiting?.[0];
      if (this.#held.has(name) || !next) return;
      // A frozen page doesn't take it.
      waiting.shift();
      this.#held.set(name, next);
      next.page.do(async () => {
        if (this.#held.get(name) !== next) return;
        next.resolve(await next.hold());
        this.#release(name, next);
      });
    }, performance.now() + latency());
  }
}

let unbound: Pick<typeof globalThis, "setTimeout" | "setInterval">;

/** A browser that has what tabs need. Its clock is virtual. Call it in each test. */
export function fakeBrowser(): {
  locks: FakeLocks;
  delays(time: () => number): void;
  loses(what: (message: unknown) => boolean): void;
} {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"],
    now: 1e12,
  });
  unbound = { setTimeout, setInterval };
  // One that is due while its page is frozen can still be cleared.
  const set = new Set<unknown>();
  const bind =
    (real: (task: () => void, wait?: number) => unknown, again: boolean) => (task: () => void, wait?: number) => {
      const page = pages.getStore();
      if (!page) return real(task, wait);
      if (page.state === "gone") return undefined;
      const timer = real(() => page.do(() => set.has(timer) && (again || set.delete(timer)) && task()), wait);
      set.add(timer);
      page.whenGone(() => clear(timer));
      return timer;
    };
  const { clearTimeout: free } = globalThis;
  const clear = (timer: unknown): void => {
    set.delete(timer);
    free(timer as Parameters<typeof free>[0]);
  };
  const locks = new FakeLocks();
  latency = () => 1;
  loses = () => false;
  FakeBroadcastChannel.open.clear();
  vi.stubGlobal("setTimeout", bind(unbound.setTimeout, false));
  vi.stubGlobal("setInterval", bind(unbound.setInterval, true));
  vi.stubGlobal("clearTimeout", clear);
  vi.stubGlobal("clearInterval", clear);
  vi.stubGlobal("BroadcastChannel", FakeBroadcastChannel);
  vi.stubGlobal("navigator", { locks });
  vi.stubGlobal("location", { href: "https://example.com/page" });
  vi.stubGlobal("addEventListener", (type: string, listener: EventListener, options: AddEventListenerOptions) =>
    pages.getStore()?.events.addEventListener(type, listener, options),
  );
  return {
    locks,
    delays(time) {
      latency = time;
    },
    loses(what) {
      loses = what;
    },
  };
}

export { current };
