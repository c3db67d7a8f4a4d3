import { element, percent, size } from "/format.js";

const phases = { receiving: "", done: "done", refused: "refused" };

/** The uploads of everyone, as the keys of the state say. */
export class Feed {
  #list = document.querySelector("#feed");
  #quiet = document.querySelector("#quiet");
  #count = document.querySelector("#count");
  #rows = new Map();

  change(keys, uploads) {
    for (const key of keys) {
      const upload = uploads.get(key);
      const row = this.#rows.get(key);
      if (!upload) {
        row?.element.remove();
        this.#rows.delete(key);
      } else if (row) row.show(upload);
      else {
        const made = new Row(upload);
        this.#rows.set(key, made);
        this.#list.prepend(made.element);
      }
    }
    this.#quiet.hidden = uploads.size > 0;
    const moving = [...uploads].filter(([, { phase }]) => phase === "receiving").length;
    this.#count.textContent = moving ? `${moving} on the way` : "";
  }
}

class Row {
  element = element("li", "row");
  #bar = element("progress", "row-bar");
  #status = element("p", "row-status");

  constructor(upload) {
    const name = element("p", "row-name", upload.name || "a file");
    name.title = upload.name;
    this.#bar.max = upload.size || 1;
    this.#bar.setAttribute("aria-label", upload.name || "a file");
    this.element.append(name, this.#status, this.#bar);
    this.show(upload);
  }

  show({ offset, size: whole, phase }) {
    this.element.dataset.state = phase;
    this.#bar.value = whole ? offset : 1;
    this.#status.textContent = `${phases[phase] || percent(offset, whole)} · ${size(whole)}`;
  }
}
