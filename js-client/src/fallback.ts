import type { PushError } from "./error.ts";
import type { Link, Transport } from "./transport.ts";

/** A link that has lived this long after its welcome, in milliseconds, has proved that it works. */
export const provenAfter = 5_000;

/**
 * A transport made of transports, the preferred one first. It moves on when one fails, and only for failures of the
 * transport itself: at the first if it never worked, at the second if it opens and soon dies, at the third if it worked
 * before. While another one serves, the preferred one is tried beside it and takes over when it is welcomed.
 */
export function fallback(transports: readonly Transport[], probe: number): Transport {
  const worked = new Set<Transport>();
  const preferred = transports[0] as Transport;
  let at = 0;
  let failures = 0;

  const open: Transport["open"] = (hooks) => {
    let active = transports[at] as Transport;
    let candidate: Link | undefined;
    let welcomedAt: number | undefined;
    let timer: ReturnType<typeof setInterval> | undefined;

    const start = (transport: Transport): Link =>
      transport.open({
        place: hooks.place,
        wanted: () => (transport === active ? hooks.wanted() : []),
        heard: () => transport === active && hooks.heard(),
        frame(frame) {
          if (frame.type === "welcome") {
            if (transport !== active) takeOver(transport);
            welcomedAt = performance.now();
            if (transport !== preferred) {
              clearInterval(timer);
              timer = setInterval(tryPreferred, probe);
              if (worked.has(preferred)) tryPreferred();
            }
          }
          if (transport === active) hooks.frame(frame);
        },
        down(failure) {
          if (transport === active) {
            end(failure);
            hooks.down(failure);
          } else {
            candidate = undefined;
            worked.delete(transport);
          }
        },
      });

    const tryPreferred = (): void => {
      candidate?.close();
      candidate = start(preferred);
    };

    const takeOver = (transport: Transport): void => {
      clearInterval(timer);
      link.close();
      link = candidate as Link;
      candidate = undefined;
      active = transport;
      at = failures = 0;
    };

    const end = (failure?: PushError): void => {
      clearInterval(timer);
      candidate?.close();
      if (welcomedAt !== undefined && performance.now() - welcomedAt > provenAfter) {
        worked.add(active);
        failures = 0;
      } else if (failure?.code.startsWith("transport_")) {
        const patience = worked.has(active) ? 3 : welcomedAt !== undefined ? 2 : 1;
        if (++failures < patience) return;
        at = (at + 1) % transports.length;
        failures = 0;
      }
    };

    let link = start(active);
    return {
      get name() {
        return link.name;
      },
      get opened() {
        return link.opened;
      },
      get buffered() {
        return link.buffered;
      },
      sync: () => link.sync(),
      send: (message) => link.send(message),
      ping: () => link.ping(),
      close(failure) {
        end(failure);
        link.close();
      },
    };
  };
  return { open };
}
