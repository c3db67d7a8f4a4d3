import { io } from "socket.io-client";

const socket = io();
let last = 0;
let early: Line[] | undefined;

function add(line: Line): void {
  if (line.id <= last) return;
  last = line.id;
  show(line);
}

socket.on("line", (line: Line) => {
  if (early) early.push(line);
  else add(line);
});

socket.on("connect", async () => {
  if (socket.recovered) return;
  early = [];
  try {
    // The server answers with what came after the last line, or with the last 50.
    const { lines, gap } = await socket.timeout(10_000).emitWithAck("join", "chat", last);
    if (gap) clear();
    for (const line of [...lines, ...early]) add(line);
    early = undefined;
  } catch {
    socket.disconnect().connect();
  }
});

socket.on("disconnect", (reason) => {
  if (reason === "io server disconnect") socket.connect();
});

export const say = (text: string) =>
  socket
    .timeout(10_000)
    .emitWithAck("say", "chat", text)
    .catch((error) => failed(text, error));
