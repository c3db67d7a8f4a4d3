/** What becomes of the page, as far as a connection is concerned. */
export interface PageEvents {
  /** It may be kept as it is, for a while or for ever, with half a connection. */
  sleep(): void;
  /** It is shown, or goes on. `changed`: with another network, perhaps. */
  wake(changed: boolean): void;
}

/** Which events say so. Never `unload`: it would keep the page out of the back/forward cache. */
const events: Record<string, (page: PageEvents, event: Event) => void> = {
  pagehide: (page) => page.sleep(),
  freeze: (page) => page.sleep(),
  // Without `persisted` it is shown for the first time.
  pageshow: (page, event) => {
    if ((event as PageTransitionEvent).persisted) page.wake(true);
  },
  resume: (page) => page.wake(true),
  online: (page) => page.wake(true),
  visibilitychange: (page) => {
    if (!document.hidden) page.wake(false);
  },
};

/** Tells of the page until `signal` is aborted. Elsewhere than in a page there is nothing to tell. */
export function watchPage(page: PageEvents, signal: AbortSignal): void {
  // What happens to the document passes the window when it is captured.
  for (const [type, tell] of Object.entries(events))
    globalThis.addEventListener?.(type, (event) => tell(page, event), { capture: true, signal });
}
