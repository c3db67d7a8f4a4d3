/**
 * Watches the page, or the worker, until `signal` is aborted. `wake`: the network or the page is back, so there is no reason
 * to wait any longer. `sleep`: the page is put aside and may come back as it was, which would leave a connection half open.
 * Never by `unload`: it would keep the page out of the back/forward cache.
 */
export function watchPage(wake: () => void, sleep: () => void, signal: AbortSignal): void {
  // What happens to the document passes the window when it is captured.
  for (const type of ["online", "pagehide", "pageshow", "freeze", "resume", "visibilitychange"])
    globalThis.addEventListener?.(
      type,
      () => {
        if (/hide|freeze/.test(type)) sleep();
        else if (type < "v" || !document.hidden) wake();
      },
      { capture: true, signal },
    );
}
