// A number of now, and its line of the last two minutes.
const span = 120_000; // in milliseconds
const broken = 3500; // a longer time without a point interrupts the line
const width = 240;
const height = 54;

const svg = (name, attributes = {}) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

/** Makes a graph of `read(point)`, written by `format`. Its `draw` shows points, the last as the number. */
export function graph(title, id, read, format, { unit = "", tone = () => "" } = {}) {
  const element = document.createElement("article");
  element.className = "graph";
  const heading = document.createElement("h2");
  heading.textContent = title;
  heading.id = `${id}-title`;
  element.setAttribute("aria-labelledby", heading.id);
  const value = document.createElement("b");
  const text = document.createElement("span");
  text.dataset.testid = id;
  text.textContent = "–";
  const suffix = document.createElement("small");
  suffix.textContent = unit && ` ${unit}`;
  value.append(text, suffix);
  const peak = document.createElement("span");
  peak.className = "peak";
  peak.title = "The most in the last two minutes";
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  element.append(heading, value, peak, picture);

  const draw = (points) => {
    const last = points.at(-1);
    if (!last) return;
    const values = points.map(read);
    const most = Math.max(...values);
    text.textContent = format(values.at(-1));
    peak.textContent = `max ${format(most)}`;
    element.dataset.tone = tone(values.at(-1));
    const lines = [];
    points.forEach((point, i) => {
      if (i === 0 || point.time - points[i - 1].time > broken) lines.push([]);
      const x = width - ((last.time - point.time) / span) * width;
      const y = height - 2 - (most > 0 ? values[i] / (most * 1.1) : 0) * (height - 4);
      lines.at(-1).push([x.toFixed(1), y.toFixed(1)]);
    });
    picture.replaceChildren(
      ...lines.flatMap((line) => [
        svg("polygon", { points: [[line[0][0], height], ...line, [line.at(-1)[0], height]].join(" ") }),
        svg("polyline", { points: line.join(" ") }),
      ]),
    );
  };
  return { element, draw };
}

/** Points of the last two minutes before the newest, in order, each once. */
export function merge(points, more) {
  const all = new Map([...points, ...more].map((point) => [point.time, point]));
  const sorted = [...all.values()].sort((a, b) => a.time - b.time);
  const from = (sorted.at(-1)?.time ?? 0) - span;
  return sorted.filter((point) => point.time >= from);
}
