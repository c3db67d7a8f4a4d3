import { connect } from "tidewire";

const push = connect<{ notifications: Line }>("/push", { token: getToken });
const sub = push.subscribe(
  "notifications",
  {
    message(m) {
      show(m.data);
      localStorage.since = m.cursor;
    },
    gap: clear,
  },
  { since: localStorage.since, recent: 50 },
);

export const stop = () => sub.close();
