import { element } from "/element.js";
import { dayRow, messageRow } from "/row.js";

const nearEnd = 40; // pixels that still count as the end

/** The messages of the room that is open. It stays at the newest one unless the reader has scrolled away. */
export class Timeline {
  #scroller = document.querySelector("#scroller");
  #stored = document.querySelector("#stored");
  #outbox = document.querySelector("#outbox");
  #empty = document.querySelector("#empty");
  #jump = document.querySelector("#jump");
  #atEnd = true;
  /** The messages in #stored: the first ones of this array. */
  #messages = [];
  #count = 0;
  #shownOutbox = "";

  /** `reachedEnd` is called when the reader comes to the newest message. */
  constructor(reachedEnd) {
    this.#scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      const atEnd = scrollHeight - scrollTop - clientHeight < nearEnd;
      if (atEnd && !this.#atEnd) queueMicrotask(reachedEnd);
      this.#atEnd = atEnd;
    });
    this.#jump.addEventListener("click", () => {
      this.toEnd();
      this.#scroller.focus();
      reachedEnd();
    });
    new ResizeObserver(() => this.#atEnd && this.toEnd()).observe(this.#scroller);
  }

  /** Whether the newest message is in sight. */
  get atEnd() {
    return this.#atEnd;
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#atEnd = true;
  }

  /** Shows a room as it is now. What is shown already stays as it is. */
  show(room) {
    const { messages, outbox, unread, loaded } = room;
    const anew = messages !== this.#messages;
    const fromEnd = anew ? this.#scroller.scrollHeight - this.#scroller.scrollTop : 0;
    if (anew) {
      this.#messages = messages;
      this.#count = 0;
      this.#stored.replaceChildren();
    }
    this.#scroller.ariaBusy = String(anew); // nobody wants the whole history read out
    for (; this.#count < messages.length; this.#count++) {
      this.#add(this.#stored, messages[this.#count], messages[this.#count - 1]);
    }
    this.#showOutbox(room, messages.at(-1));
    this.#empty.hidden = !loaded || messages.length + outbox.length > 0;
    if (this.#atEnd) this.toEnd();
    else if (anew) this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
    this.#jump.hidden = this.#atEnd;
    this.#jump.textContent = unread ? `${unread} new ${unread === 1 ? "message" : "messages"} ↓` : "To the newest ↓";
  }

  #showOutbox(room, last) {
    const { outbox } = room;
    const shown = JSON.stringify([outbox, last?.id]);
    if (shown === this.#shownOutbox) return; // a button may have the focus
    this.#shownOutbox = shown;
    this.#outbox.replaceChildren();
    for (const [i, message] of outbox.entries()) {
      const row = this.#add(this.#outbox, message, outbox[i - 1] ?? last);
      if (message.state !== "failed") continue;
      const button = (testid, label, act) =>
        element("button", { type: "button", className: "small", dataset: { testid }, onclick: act }, label);
      row.append(
        element(
          "div",
          { className: "failure", role: "alert" },
          `Not sent: ${message.reason}. `,
          button("retry", "Try again", () => room.retry(message)),
          button("discard", "Discard", () => room.discard(message)),
        ),
      );
    }
  }

  #add(list, message, previous) {
    const day = dayRow(message, previous);
    const row = messageRow(message, day ? undefined : previous);
    list.append(...(day ? [day, row] : [row]));
    return row;
  }
}
