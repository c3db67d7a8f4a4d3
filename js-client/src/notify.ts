/** Calls them all: what one of them throws is reported and goes no further. */
export function notify<A, B>(listeners: Set<(a: A, b: B) => unknown>, a: A, b?: B): void {
  for (const listener of [...listeners])
    try {
      if (listeners.has(listener)) listener(a, b as B);
    } catch (error) {
      (globalThis.reportError ?? console.error)(error);
    }
}
