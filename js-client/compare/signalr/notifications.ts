import { HubConnectionBuilder } from "@microsoft/signalr";

// The server closes the connection when the token ends, and the library asks for another one before each attempt.
const connection = new HubConnectionBuilder()
  .withUrl("/hub", { accessTokenFactory: getToken })
  .withStatefulReconnect()
  .withAutomaticReconnect({ nextRetryDelayInMilliseconds: wait })
  .build();
let last = Number(localStorage.last ?? 0);
let early: Line[] | undefined;
let stopped = false;

function wait({ previousRetryCount }: { previousRetryCount: number }): number {
  return Math.random() * Math.min(30_000, 500 * 2 ** previousRetryCount);
}

function add(line: Line): void {
  if (line.id <= last) return;
  last = line.id;
  show(line);
  localStorage.last = last;
}

connection.on("notification", (line: Line) => {
  if (early) early.push(line);
  else add(line);
});

async function follow(): Promise<void> {
  early = [];
  try {
    const { lines, gap } = await connection.invoke("Follow", "notifications", last);
    if (gap) clear();
    for (const line of [...lines, ...early]) add(line);
    early = undefined;
  } catch {
    await connection.stop();
  }
}

async function start(previousRetryCount = 0): Promise<void> {
  if (stopped) return;
  try {
    await connection.start();
  } catch {
    setTimeout(start, wait({ previousRetryCount }), previousRetryCount + 1);
    return;
  }
  await follow();
}

connection.onreconnected(follow);
connection.onclose(() => start());
start();

export function stop(): void {
  stopped = true;
  connection.stop();
}
