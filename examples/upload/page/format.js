const units = ["B", "kB", "MB", "GB"];

/** 1,234,567 is "1.2 MB". */
export function size(bytes) {
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${bytes.toFixed(unit && bytes < 99.95 ? 1 : 0)} ${units[unit]}`;
}

/** How long that is, roughly. */
export function duration(seconds) {
  if (seconds < 1) return "a moment";
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const percent = (part, whole) => `${Math.floor(whole ? (100 * part) / whole : 100)} %`;

/** An element with a class, text, and a name for tests. */
export function element(tag, className, textContent = "") {
  const made = Object.assign(document.createElement(tag), { className, textContent });
  made.dataset.testid = className.split(" ")[0];
  return made;
}
