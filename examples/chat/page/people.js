import { state } from "/push/state.mjs";
import { element } from "/element.js";
import { avatar } from "/row.js";

const names = new Intl.ListFormat(undefined, { type: "conjunction" });
const wide = matchMedia("(width > 70rem)");

/** Who is in the open room, and who types there. Both are states, which the server keeps. */
export class People {
  /** What the others know one by. */
  self;

  #panel = document.querySelector("#people");
  #list = document.querySelector("#members");
  #counts = document.querySelectorAll(".count");
  #typing = document.querySelector("#typing");
  #followed = [];

  constructor() {
    wide.addEventListener("change", () => this.#panel.hidePopover());
  }

  /** Follows a room, on a connection, instead of what was followed before. */
  follow(push, room) {
    for (const one of this.#followed) one.close();
    const members = state(push, `tidewire.members/${room.topic}`);
    const typing = state(push, `typing/${room.name}`);
    members.onChange(() => members.synced && this.#showMembers(members));
    typing.onChange(() => this.#showTyping(typing));
    this.#followed = [members, typing];
    this.#showTyping(typing);
  }

  #showMembers(members) {
    const all = [...members].map(([user, { info }]) => ({ own: user === this.self, name: info ?? "Somebody" }));
    all.sort((a, b) => b.own - a.own || a.name.localeCompare(b.name));
    this.#list.replaceChildren(...all.map(row));
    for (const count of this.#counts) count.textContent = all.length;
  }

  #showTyping(typing) {
    const others = [...typing].filter(([user]) => user !== this.self).map(([, name]) => name);
    this.#typing.dataset.typing = String(others.length > 0);
    if (others.length === 0) return;
    const who = others.length > 3 ? "Several people" : names.format(others);
    this.#typing.lastElementChild.textContent = `${who} ${others.length > 1 ? "are" : "is"} typing`;
  }
}

function row({ own, name }) {
  return element(
    "li",
    { dataset: { testid: "member", own } },
    avatar(name),
    element("bdi", { className: "author" }, name),
    own ? element("span", { className: "own" }, "you") : undefined,
  );
}
