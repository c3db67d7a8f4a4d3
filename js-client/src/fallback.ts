import { longestTimer } from "./frame.ts";
import type { Link, Transport } from "./transport.ts";

/** A link that has lived this long after its welcome, in milliseconds, has proved that it works. */
export const provenAfter = 5_000;

/**
 * A transport made of transports, the preferred one first. It moves on when one fails, and only for failures of the
 * transport itself: at the first that has not even opened, at the second that opens and soon dies. While another one
 * serves, the preferred one is tried beside it, first soon and then each `probe` ms, and takes over when it is welcomed.
 */
export function fallback(transports: readonly Transport[], probe: number): Transport {
  let at = 0;
  let failures = 0;

  return (hooks) => {
    const [preferred] = transports as [Transport];
    let trial: Link | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const tryPreferred = (): void => {
      trial?.close();
      timer = setTimeout(tryPreferred, Math.min(probe, longestTimer));
      trial = preferred({
        ...hooks,
        receive(json) {
          if (!/"welcome"/.test(json)) return;
          at = failures = 0;
          hooks.restart();
        },
        down() {},
      });
    };
    const link = (transports[at] as Transport)(hooks);
    const { close } = link;
    // A link that can't be told topics later can't be tried without them.
    if (at && !link.write) timer = setTimeout(tryPreferred, provenAfter);
    link.close = (failure, age = 0) => {
      clearTimeout(timer);
      trial?.close();
      close();
      if (age > provenAfter) failures = 0;
      else if (/^transport/.test(`${failure?.code}`) && ++failures > (age && 1)) {
        at = (at + 1) % transports.length;
        failures = 0;
      }
    };
    return link;
  };
}
