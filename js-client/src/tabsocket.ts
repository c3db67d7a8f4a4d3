import type { Frame } from "./frame.ts";
import { type Audience, relay } from "./relay.ts";
import type { FromLeader } from "./tabchannel.ts";
import { type Hall, Seat } from "./tabseat.ts";
import type { Push, WebSocketLike } from "./types.ts";

/** How often a tab tells that it lives, and asks whether the leader does, in milliseconds. */
const interval = 5_000;
/** How many beats without an answer are enough. A tab that was asleep has asked once, long ago. */
const mostMissed = 2;

/** What all sockets of one tab share. */
export interface Tab {
  /** The name of the channel. */
  readonly channel: string;
  /** The newest leader that was heard of. */
  leader: string;
  /** How many beats were not answered. */
  missed: number;
  /** A client of its own, to catch up by. */
  reader(): Push;
  /** The leader has told its status. */
  heard(status: NonNullable<FromLeader["status"]>): void;
  /** The leader doesn't answer. */
  depose(): void;
}

/** A WebSocket of a tab, whose server is the leader. */
export function tabSocket(tab: Tab): WebSocketLike {
  const id = crypto.randomUUID();
  const channel = new BroadcastChannel(tab.channel);
  const seats = new Map<string, Seat>();
  let leader: string | undefined;
  let closed = false;
  let pinged = false;
  /** There is one as long as seats catch up. */
  let reader: Push | undefined;
  const catching = new Set<Audience>();

  const tell = (frame: Frame): void => {
    if (!closed) channel.postMessage({ from: id, to: leader, frame });
  };
  const socket = {
    onmessage: null as ((event: { data: string | undefined }) => void) | null,
    onclose: null as ((event: { code: number; reason: string }) => void) | null,
    onerror: null,
    bufferedAmount: 0,
    send(text: string) {
      const frame: Frame = JSON.parse(text);
      const { type, topics } = frame;
      // The first ping measures. Another one comes when the page wakes up, or is shown.
      if (type === "ping" && pinged) tell({ type: "wake" });
      pinged ||= type === "ping";
      if (type === "unsubscribe") for (const topic of topics) seats.get(topic)?.leave();
      if (type === "subscribe") ask(frame);
      tell(frame);
    },
    close() {
      tell({ type: "bye" });
      closed = true;
      clearInterval(beats);
      channel.close();
      reader?.close();
    },
  };

  const hall: Hall = {
    tell,
    hear(data) {
      if (!closed) socket.onmessage?.({ data });
    },
    end() {
      if (closed) return;
      socket.close();
      socket.onclose?.({ code: 1012, reason: "" });
    },
    left(seat) {
      if (seats.get(seat.topic) === seat) seats.delete(seat.topic);
    },
    catchUp(entry, audience) {
      if (!reader) {
        reader = tab.reader();
        reader.onStatus(({ state, error }) => {
          if (state === "closed" && error) for (const one of [...catching]) one.refused(error);
        });
      }
      catching.add(audience);
      return relay(reader, entry, audience);
    },
    caughtUp(audience) {
      if (!catching.delete(audience) || catching.size) return;
      const done = reader;
      reader = undefined;
      done?.close();
    },
  };

  const ask = async ({ id: request, topics }: Frame): Promise<void> => {
    const asked: Seat[] = topics.map((entry: Frame) => new Seat(hall, entry, request));
    for (const seat of asked) seats.set(seat.topic, seat);
    const answers = await Promise.all(asked.map(({ answer }) => answer));
    hall.hear(JSON.stringify({ type: "subscribed", id: request, topics: answers }));
    for (const seat of asked) seat.open();
  };

  const beat = (): void => {
    if (tab.missed++ >= mostMissed) {
      tab.missed = 0;
      tab.depose();
    }
    tell({ type: "beat" });
  };
  const beats = setInterval(beat, interval);

  channel.onmessage = ({ data: { leader: from, to, status, buffered, frame, answer, topic, steps, end } }) => {
    // It is of a tab, or of a leader that was deposed and doesn't know it yet.
    if (!(from >= tab.leader)) return;
    tab.leader = from;
    tab.missed = 0;
    if (leader === undefined) {
      if (to === id) leader = from;
      else if (to === undefined) tell({ type: "beat" });
    } else if (from !== leader) hall.end();
    if (closed) return;
    if (status) tab.heard(status);
    if (to !== undefined && to !== id) return;
    socket.bufferedAmount = buffered ?? socket.bufferedAmount;
    hall.hear(frame);
    if (answer && seats.get(answer.topic)?.request === answer.request) seats.get(answer.topic)?.take(answer);
    if (steps) seats.get(topic)?.follow(steps);
    if (end) hall.end();
  };
  beat();
  return socket;
}
