const svg = "http://www.w3.org/2000/svg";
const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2, style: "percent", signDisplay: "exceptZero" });

/** How often the page is painted, and a point added to each line, in milliseconds. */
const paintEvery = 100;
const pointEvery = 500;
const mostPoints = 60;

/** All prices. They may change thousands of times a second: the page is painted ten times. */
export class Board {
  #list = document.querySelector("#board");
  #tiles = new Map();
  #changed = new Set();

  constructor() {
    setInterval(() => this.#paint(), paintEvery);
    setInterval(() => {
      for (const tile of this.#tiles.values()) tile.addPoint();
    }, pointEvery);
  }

  set(symbol, quote) {
    let tile = this.#tiles.get(symbol);
    if (!tile) {
      tile = new Tile(symbol);
      this.#tiles.set(symbol, tile);
      const next = [...this.#tiles.keys()].sort().find((other) => other > symbol);
      this.#list.insertBefore(tile.element, this.#tiles.get(next)?.element ?? null);
    }
    tile.quote = quote;
    this.#changed.add(tile);
  }

  #paint() {
    for (const tile of this.#changed) tile.paint();
    this.#changed.clear();
  }
}

/** One symbol: its price, how it has changed since the open, and the last half minute as a line. */
class Tile {
  quote;
  element = document.createElement("li");
  #price = span("price");
  #change = span("change");
  #line = document.createElementNS(svg, "polyline");
  #points = [];
  #trend = "";

  constructor(symbol) {
    this.element.className = "tile";
    Object.assign(this.element.dataset, { testid: "tile", symbol });
    const spark = document.createElementNS(svg, "svg");
    spark.setAttribute("class", "spark");
    spark.setAttribute("viewBox", `0 0 ${mostPoints - 1} 1`);
    spark.setAttribute("preserveAspectRatio", "none");
    spark.setAttribute("aria-hidden", "true");
    spark.append(this.#line);
    this.element.append(span("symbol", symbol), spark, this.#price, this.#change);
  }

  paint() {
    const { price, open } = this.quote;
    const trend = price > open ? "up" : price < open ? "down" : "even";
    this.#price.textContent = money.format(price);
    this.#change.textContent = percent.format(price / open - 1).replace("-", "−");
    if (trend !== this.#trend) this.element.dataset.trend = this.#trend = trend;
  }

  /** Draws the line on, to the price of now. */
  addPoint() {
    this.#points.push(this.quote.price);
    if (this.#points.length > mostPoints) this.#points.shift();
    const least = Math.min(...this.#points);
    const height = Math.max(...this.#points) - least || 1;
    const from = mostPoints - this.#points.length;
    this.#line.setAttribute(
      "points",
      this.#points.map((price, i) => `${from + i},${(1 - (price - least) / height).toFixed(3)}`).join(" "),
    );
  }
}

function span(className, textContent = "") {
  const made = Object.assign(document.createElement("span"), { className, textContent });
  made.dataset.testid = className;
  return made;
}
