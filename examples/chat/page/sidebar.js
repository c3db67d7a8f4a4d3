import { element } from "/element.js";
import { isJoined } from "/rooms.js";

/** The list of rooms, which is a drawer where there is little room. */
export class Sidebar {
  #side = document.querySelector("#side");
  #main = document.querySelector("#main");
  #shade = document.querySelector("#shade");
  #menu = document.querySelector("#menu");
  #list = document.querySelector("#rooms");
  #elsewhere = document.querySelector("#elsewhere");
  #leave;
  #shown = "";

  constructor(leave) {
    this.#leave = leave;
    this.#menu.addEventListener("click", () => this.#set(true));
    this.#shade.addEventListener("click", () => this.#set(false));
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
    matchMedia("(width > 46rem)").addEventListener("change", () => this.#set(false));
  }

  close() {
    if (!this.#side.classList.contains("open")) return;
    this.#set(false);
    this.#menu.focus();
  }

  show(rooms, open) {
    const shown = JSON.stringify(rooms.map(({ name, unread }) => [name, unread, name === open.name]));
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = this.#list.contains(document.activeElement) && document.activeElement.getAttribute("href");
    this.#list.replaceChildren(...rooms.map((room) => this.#item(room, room === open)));
    if (focused) this.#list.querySelector(`[href="${focused}"]`)?.focus();
    this.#elsewhere.hidden = !rooms.some((room) => room !== open && room.unread);
  }

  #item({ name, unread }, open) {
    const link = element(
      "a",
      { href: `/room/${name}`, dataset: { testid: "room-link", room: name } },
      element("span", { className: "room-name" }, name),
    );
    if (open) link.ariaCurrent = "page";
    if (unread) {
      link.append(
        element(
          "span",
          { className: "unread", dataset: { testid: "unread" } },
          String(unread > 99 ? "99+" : unread),
          element("span", { className: "hidden" }, " unread"),
        ),
      );
    }
    const item = element("li", {}, link);
    if (isJoined(name)) {
      const leave = element("button", { type: "button", className: "plain leave", onclick: () => this.#leave(name) }, "×");
      leave.ariaLabel = leave.title = `Leave ${name}`;
      item.append(leave);
    }
    return item;
  }

  #set(open) {
    this.#side.classList.toggle("open", open);
    this.#shade.hidden = !open;
    this.#main.inert = open;
    this.#menu.ariaExpanded = String(open);
    if (open) this.#list.querySelector("[aria-current]")?.focus();
  }
}
