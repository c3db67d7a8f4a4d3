// The processes of a browser that run the scripts of pages.
import { readdirSync, readFileSync } from "node:fs";
import { until } from "./browser.mjs";

/** What /proc says of a process, or nothing if it has ended. */
function about(pid) {
  try {
    // "pid (name) state parent …", and the name may be anything.
    const [, name, state, parent] = /\((.*)\) (\w) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1"));
    return { pid, name, state, parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, "latin1") };
  } catch {}
}

/** The processes that a browser's pages run in. */
function ofPages(browser) {
  const all = readdirSync("/proc").filter(Number).map((pid) => about(Number(pid))).filter(Boolean);
  const below = (pid) => all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
  return below(browser.process().pid).filter(({ name, command }) => /^(Isolated )?Web Co/.test(name) || command.includes("--type=renderer"));
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
