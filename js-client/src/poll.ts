import { check, type Frame } from "./frame.ts";
import type { Http } from "./http.ts";
import type { Link, Listener } from "./link.ts";
import { ask, readLink } from "./readlink.ts";
import { now } from "./timer.ts";
import type { Topic } from "./topic.ts";

// All times are in milliseconds.
/** How long a server has a poll wait at most, unless it is told otherwise. */
const longestWait = 60_000;
/** How long a poll waits that doesn't say it, in seconds. */
const defaultWait = 25;
/** Between an answer and the next poll. What comes meanwhile shares an answer, so a busy topic costs ten polls a second. */
const pause = 100;
/** From one poll to the next, if nothing came and the server didn't wait for it. */
const leastWait = 1_000;

/**
 * Carries frames over polls, one at a time. Each answer brings the cursor that the next poll begins at. One that is lost
 * ends the link: what it had comes over the next link, from where the topics are. `quiet` is how long an answer may take.
 */
export const poll = (http: Http, topics: readonly Topic[], listener: Listener, quiet: number): Link =>
  readLink(listener, async ({ hear, signal }) => {
    let since: string | undefined;
    while (true) {
      const begun = now();
      const first = since === undefined;
      const query = ask(topics, since);
      // The first one brings a cursor at once: if it waited and its answer were lost, so would be what came meanwhile.
      const wait = first ? 0 : Math.ceil(quiet / 1_000);
      if (wait < defaultWait) query.set("wait", `${wait}`);
      const response = await http.get("poll", query, "application/json", signal);
      const { topics: answers, frames, cursor }: Frame = await response.json();
      check(frames && typeof cursor === "string");
      const refused = new Set<string>(answers.flatMap(({ topic, error }: Frame) => (error ? topic : [])));
      if (first) hear(JSON.stringify({ type: "welcome", heartbeat: longestWait, topics: answers }));
      // Only a new link can ask for what became of its topics.
      else if (refused.size) frames.unshift({ type: "reconnect" });
      else hear();
      for (const frame of frames) hear(JSON.stringify(frame));
      if (frames.some(({ type }: Frame) => type === "reconnect")) return;
      const followed = topics.filter(({ name, listeners }) => listeners.size && !refused.has(name));
      if (followed[0]) topics = followed;
      since = cursor;
      const early = first || frames[0] ? 0 : leastWait - (now() - begun);
      await sleep(Math.max(pause, early), signal);
    }
  });

/** Returns after this time, or never if the signal comes before that. */
const sleep = (time: number, signal: AbortSignal): Promise<unknown> =>
  new Promise((done) => {
    const timer = setTimeout(done, time);
    signal.onabort = () => clearTimeout(timer);
  });
