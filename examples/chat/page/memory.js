const prefix = "tidewire.chat.";

/** What this browser remembers. Where it may remember nothing, nothing breaks. */
export const memory = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(prefix + key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(prefix + key, JSON.stringify(value));
    } catch {
      // It is full or forbidden.
    }
  },
};
