import { memory } from "/memory.js";

const moods = ["Calm", "Brisk", "Quiet", "Bright", "Salty", "Gentle", "Merry", "Swift"];
const beings = ["Otter", "Heron", "Seal", "Puffin", "Dolphin", "Gull", "Crab", "Turtle"];

const pick = (words) => words[Math.floor(Math.random() * words.length)];

/** The name that one writes under, which this browser remembers. */
export class Name {
  #field = document.querySelector("#name");

  constructor(changed) {
    this.#field.value = this.value;
    this.#field.addEventListener("change", () => {
      const name = this.#field.value.trim();
      if (name) memory.set("name", name);
      this.#field.value = this.value;
      changed();
    });
  }

  get value() {
    const name = memory.get("name", this.#field.value || `${pick(moods)} ${pick(beings)}`);
    memory.set("name", name);
    return name;
  }
}
