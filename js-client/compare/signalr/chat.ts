import { HubConnectionBuilder } from "@microsoft/signalr";

const connection = new HubConnectionBuilder()
  .withUrl("/hub")
  .withStatefulReconnect()
  .withAutomaticReconnect({ nextRetryDelayInMilliseconds: wait })
  .build();
let last = 0;
let early: Line[] | undefined;

function wait({ previousRetryCount }: { previousRetryCount: number }): number {
  return Math.random() * Math.min(30_000, 500 * 2 ** previousRetryCount);
}

function add(line: Line): void {
  if (line.id <= last) return;
  last = line.id;
  show(line);
}

connection.on("line", (line: Line) => {
  if (early) early.push(line);
  else add(line);
});

async function join(): Promise<void> {
  early = [];
  try {
    const { lines, gap } = await connection.invoke("Join", "chat", last);
    if (gap) clear();
    for (const line of [...lines, ...early]) add(line);
    early = undefined;
  } catch {
    await connection.stop();
  }
}

// The library tries again by itself only when a connection has once begun.
async function start(previousRetryCount = 0): Promise<void> {
  try {
    await connection.start();
  } catch {
    setTimeout(start, wait({ previousRetryCount }), previousRetryCount + 1);
    return;
  }
  await join();
}

connection.onreconnected(join);
connection.onclose(() => start());
start();

export const say = (text: string) => connection.invoke("Say", "chat", text).catch((error) => failed(text, error));
