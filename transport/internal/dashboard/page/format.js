// How numbers are shown: short, and of about the same width.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A count, or a rate per second. */
export function number(n) {
  if (n >= 1e6) return compact.format(n);
  return n < 10 ? tenths.format(n) : whole.format(n);
}

/** Bytes, with their unit. */
export function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < 1000) return `${unit === "B" || n >= 100 ? whole.format(n) : tenths.format(n)} ${unit}`;
    n /= 1000;
  }
  return `${tenths.format(n)} TB`;
}

/** A duration in milliseconds. */
export function duration(ms) {
  if (ms < 1000) return `${ms < 10 ? tenths.format(ms) : whole.format(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s < 10 ? tenths.format(s) : whole.format(s)} s`;
  if (s < 3600) return `${whole.format(Math.floor(s / 60))} min`;
  if (s < 172_800) return `${whole.format(Math.floor(s / 3600))} h`;
  return `${whole.format(Math.floor(s / 86_400))} d`;
}

/** The upper bound of a measured time: 0 if nothing was measured, -1 if it was over all bounds. */
export function atMost(ms) {
  if (ms === 0) return "–";
  return ms < 0 ? "> 5 s" : `≤ ${duration(ms)}`;
}

const transports = { ws: "WebSocket", sse: "SSE", poll: "Polling" };
export const transport = (name) => transports[name] ?? name;
