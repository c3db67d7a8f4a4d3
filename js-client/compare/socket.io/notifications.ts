import { io } from "socket.io-client";

const socket = io({
  auth(give) {
    getToken().then(
      (token) => give({ token }),
      () => give({}),
    );
  },
});
let last = Number(localStorage.last ?? 0);
let early: Line[] | undefined;

function add(line: Line): void {
  if (line.id <= last) return;
  last = line.id;
  show(line);
  localStorage.last = last;
}

socket.on("notification", (line: Line) => {
  if (early) early.push(line);
  else add(line);
});

socket.on("connect", async () => {
  if (socket.recovered) return;
  early = [];
  try {
    const { lines, gap } = await socket.timeout(10_000).emitWithAck("follow", "notifications", last);
    if (gap) clear();
    for (const line of [...lines, ...early]) add(line);
    early = undefined;
  } catch {
    socket.disconnect().connect();
  }
});

// The server disconnects when the token ends, or refuses one: then the library doesn't try again by itself.
let delay = 1_000;
const again = (): void => {
  setTimeout(() => socket.connect(), delay * Math.random());
  delay = Math.min(2 * delay, 30_000);
};
socket.on("connect", () => {
  delay = 1_000;
});
socket.on("disconnect", (reason) => {
  if (reason === "io server disconnect") again();
});
socket.on("connect_error", () => {
  if (!socket.active) again();
});

export const stop = () => socket.disconnect();
