/** A longer wait would end at once. */
const longest = 2 ** 31 - 1;

/** One thing that is to happen later. */
export class Timer {
  #id: ReturnType<typeof setTimeout> | undefined;

  /** In so many milliseconds, instead of what it was set to before. */
  set(wait: number, then: () => void): void {
    this.clear();
    this.#id = setTimeout(
      () => {
        this.#id = undefined;
        then();
      },
      Math.min(wait, longest),
    );
  }

  /** The same, unless it is set. */
  once(wait: number, then: () => void): void {
    if (this.#id === undefined) this.set(wait, then);
  }

  clear(): void {
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}

/** In milliseconds, by a clock that nobody sets. */
export const now = (): number => performance.now();
