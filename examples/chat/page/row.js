import { element } from "/element.js";
import { isOwn } from "/own.js";
import { dayOf, momentOf, sameDay, timeOf } from "/when.js";

const togetherFor = 300_000;

/** The line between two days, if there is one before the message. */
export function dayRow(message, previous) {
  if (previous && sameDay(previous.time, message.time)) return undefined;
  return element("li", { className: "day", dataset: { testid: "day" } }, element("span", {}, dayOf(message.time)));
}

/** A message. What one author writes in a short time stands together, below one name. */
export function messageRow(message, previous) {
  const { id, name, text, time, state = "sent" } = message;
  const own = isOwn(id);
  const together =
    previous?.name === name && isOwn(previous.id) === own && sameDay(previous.time, time) && time - previous.time < togetherFor;
  const moment = element("time", { dateTime: new Date(time).toISOString(), title: momentOf(time) }, timeOf(time));
  const row = element(
    "li",
    { className: together ? "message" : "message first", dataset: { testid: "message", id, state } },
    together ? undefined : avatar(name),
    together
      ? element("span", { className: "hidden" }, `${name}: `)
      : element(
          "div",
          { className: "head" },
          element("bdi", { className: "author" }, name),
          own ? element("span", { className: "own" }, "you") : undefined,
          moment,
        ),
    together ? moment : undefined,
    element("p", { className: "text", dir: "auto" }, text),
  );
  if (own) row.append(mark(state));
  return row;
}

function mark(state) {
  const words = { sending: "Sending …", sent: "Sent", failed: "Not sent" };
  const signs = { sending: "…", sent: "✓", failed: "!" };
  return element(
    "span",
    { className: "mark", title: words[state] },
    element("span", { ariaHidden: "true" }, signs[state]),
    element("span", { className: "hidden" }, words[state]),
  );
}

/** A circle with the first letter of a name, in a color of the name's own. */
export function avatar(name) {
  const hue = [...name].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 360, 7);
  const made = element("span", { className: "avatar", ariaHidden: "true" }, [...name][0].toUpperCase());
  made.style.setProperty("--hue", hue);
  return made;
}
