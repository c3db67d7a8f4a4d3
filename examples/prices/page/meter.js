const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Counts what the page receives, and says each second how much that was. */
export class Meter {
  #changes = document.querySelector("#changes");
  #bytes = document.querySelector("#bytes");
  #age = document.querySelector("#age");
  #ageUnit = document.querySelector("#age-unit");
  #connections = document.querySelector("#connections");

  #ages = [];
  #byteCount = 0;
  #connectionCount = 0;
  #since = performance.now();

  /** For `connect`: a WebSocket and a fetch that are counted. */
  counting = { WebSocket: this.#countingSocket(), fetch: (url, options) => this.#fetch(url, options) };

  constructor() {
    setInterval(() => this.#show(), 1000);
  }

  /** Counts a change that was so old when it arrived, in milliseconds. */
  received(age) {
    this.#ages.push(age);
  }

  #countingSocket() {
    const meter = this;
    return class extends WebSocket {
      constructor(...args) {
        super(...args);
        this.addEventListener("open", () => meter.#connected());
        this.addEventListener("message", ({ data }) => meter.#count(data.length)); // it has no characters beyond ASCII
      }
    };
  }

  async #fetch(url, options) {
    const response = await fetch(url, options);
    if (!response.body) return response;
    this.#connected();
    const counter = new TransformStream({
      transform: (chunk, controller) => {
        this.#count(chunk.length);
        controller.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(counter), response);
  }

  #count(bytes) {
    this.#byteCount += bytes;
  }

  #connected() {
    this.#connections.textContent = ++this.#connectionCount;
  }

  #show() {
    const seconds = (performance.now() - this.#since) / 1000; // a page in the background is late
    const ages = this.#ages.sort((a, b) => a - b);
    this.#changes.textContent = whole.format(ages.length / seconds);
    this.#bytes.textContent = tenths.format(this.#byteCount / 1000 / seconds);
    const median = Math.max(0, ages[ages.length >> 1]); // clocks aren't that good
    this.#age.textContent = ages.length === 0 ? "–" : median < 1000 ? whole.format(median) : tenths.format(median / 1000);
    this.#ageUnit.textContent = median >= 1000 ? "s" : "ms";
    this.#ages = [];
    this.#byteCount = 0;
    this.#since = performance.now();
  }
}
