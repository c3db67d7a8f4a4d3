const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const oneDay = 86_400_000;

/** The time of day, here. */
export const timeOf = (time) => clock.format(time);

/** All that is to be said of a moment. */
export const momentOf = (time) => full.format(time);

/** Whether two moments are of one day, here. */
export const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

export function dayOf(time) {
  if (sameDay(time, Date.now())) return "Today";
  if (sameDay(time, Date.now() - oneDay)) return "Yesterday";
  return date.format(time);
}
