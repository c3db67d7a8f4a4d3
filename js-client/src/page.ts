/** What the page, or the worker, tells of its own life. */
export interface Watcher {
  /** The network or the page is back: no reason to wait any longer. */
  wake(): void;
  /** The page is put aside, and may come back as it was. Connections would be left half open. */
  sleep(): void;
}

/** Watches until `signal` is aborted. Never by `unload`, which would keep the page out of the back/forward cache. */
export function watchPage({ wake, sleep }: Watcher, signal: AbortSignal): void {
  const { document } = globalThis;
  const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => void): void =>
    target?.addEventListener?.(type, listener, { signal });
  const scope = globalThis as unknown as EventTarget;
  on(scope, "online", wake);
  on(scope, "pageshow", wake);
  on(scope, "pagehide", (event) => (event as PageTransitionEvent).persisted && sleep());
  on(document, "resume", wake);
  on(document, "freeze", sleep);
  on(document, "visibilitychange", () => document.hidden || wake());
}
