/** Where a message is written. Enter sends it, Shift+Enter starts a new line. */
export class Composer {
  #form = document.querySelector("#composer");
  #text = document.querySelector("#text");

  /** `send` gets the text, `edited` whatever stands there after each change. */
  constructor(send, edited) {
    this.#text.addEventListener("input", () => {
      this.#fit();
      edited(this.#text.value);
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return; // an Enter may end a Japanese word
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (!text) return;
      this.show("");
      edited("");
      send(text);
      this.#text.focus();
    });
  }

  show(draft) {
    this.#text.value = draft;
    this.#fit();
  }

  hint(words) {
    this.#text.placeholder = words;
  }

  focus() {
    this.#text.focus();
  }

  /** As high as the text, within the bounds of the style sheet. */
  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + this.#text.offsetHeight - this.#text.clientHeight}px`;
  }
}
