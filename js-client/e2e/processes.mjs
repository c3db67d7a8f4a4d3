// The processes of a browser that run the scripts of pages.
import { readdirSync, readFileSync } from "node:fs";
import { until } from "./browser.mjs";

/** What /proc says of a process, or nothing if it has ended. */
function about(pid) {
  try {
    // "pid (name) state parent …", and the name may be anything.
    const [, name, state, rest] = /\((.*)\) (\w) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1"));
    const [parent, , , , , , , , , , worked] = rest.split(" ").map(Number);
    return { pid, name, state, parent, worked, command: readFileSync(`/proc/${pid}/cmdline`, "latin1") };
  } catch {}
}

/** The processes that a browser's pages run in. */
function ofPages(browser) {
  const all = readdirSync("/proc").filter(Number).map((pid) => about(Number(pid))).filter(Boolean);
  const below = (pid) => all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
  return below(browser.process().pid).filter(({ name, command }) => /^(Isolated )?Web Co/.test(name) || command.includes("--type=renderer"));
}

/** The process that a page runs in, with others perhaps: the one that works when the page does. */
export async function processOf(browser, page) {
  const worked = () => new Map(ofPages(browser).map(({ pid, worked }) => [pid, worked]));
  const before = worked();
  await page.evaluate(() => {
    for (const end = performance.now() + 1000; performance.now() < end; ) Math.random();
  });
  const most = [...worked()].map(([pid, after]) => [after - (before.get(pid) ?? 0), pid]).sort(([a], [b]) => b - a);
  return most[0][1];
}

/** Stops the pages of a browser, as a sleeping machine does, while `during` runs. */
export async function asleep(browser, during) {
  const pids = ofPages(browser).map(({ pid }) => pid);
  const signal = (name) => {
    for (const pid of pids) if (about(pid)) process.kill(pid, name);
  };
  signal("SIGSTOP");
  try {
    await until("the processes to stop", () => pids.length && pids.every((pid) => (about(pid)?.state ?? "T") === "T"));
    await during();
  } finally {
    signal("SIGCONT");
  }
}
