/** Runs the application's code: what it throws is reported and goes no further. */
export function guard(call: () => void): void {
  try {
    call();
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
