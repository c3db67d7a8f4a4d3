const key = "tidewire.answers.mine";
const most = 100;

/** Whether this browser has asked for the answer. The server knows by a cookie; this is to show the button that stops it. */
export const mine = (id) => all().includes(id);

export function remember(id) {
  try {
    localStorage.setItem(key, JSON.stringify([...all(), id].slice(-most)));
  } catch {
    // It is full or forbidden.
  }
}

function all() {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? [];
  } catch {
    return [];
  }
}
