import type { PushError } from "./error.ts";
import { check } from "./frame.ts";
import { Timer } from "./timer.ts";
import type { SubscribeOptions } from "./types.ts";

/**
 * What a topic is at. `wanted`: it is to be asked for. `asked`: in this request, or with the connection ("welcome"). `followed`: as
 * the server has said. `refused`: for now, until its time has come. `crowded`: there was no room for it. `loading`: its snapshot
 * is. `ended`: it was refused for good, or has no subscriptions any more.
 */
export type Phase =
  | { readonly is: "wanted" | "followed" | "refused" | "crowded" | "loading" | "ended" }
  | { readonly is: "asked"; readonly by: number | "welcome" };

/** What a subscription of the topic hears. */
export type TopicListener = (kind: "message" | "gap" | "state" | "error" | "closed", value: unknown) => void;

/** A topic that is followed: where it is, and who listens. */
export class Topic {
  phase: Phase = { is: "wanted" };
  cursor: string | undefined;
  /** How many of the last messages it begins with where no cursor says more. */
  readonly recent: number | undefined;
  readonly kind: "state" | undefined;
  readonly load: SubscribeOptions["load"];
  /** Why its snapshot is to be loaded before it is asked for. */
  unloaded: "start" | "gap" | undefined;
  readonly listeners = new Set<TopicListener>();
  /** How often in a row it was refused for now, and the wait until it is asked for again. */
  refusals = 0;
  /** How many gaps it had since its last message. */
  gaps = 0;
  readonly again = new Timer();
  readonly name: string;
  /** Counts the topics: sends wait for those before them. */
  readonly number: number;
  ready!: Promise<{ resumed: boolean }>;
  /** The part of the cursor that stays the same from one message to the next, once the server has said the cursor. */
  #base: string | undefined;
  #done!: (how: { resumed: boolean }) => void;
  #fail!: (error: PushError) => void;
  #settled = true;

  constructor(name: string, number: number, { since, recent, kind, load }: SubscribeOptions) {
    this.name = name;
    this.number = number;
    this.cursor = since;
    this.kind = kind;
    this.recent = (!kind && recent) || undefined;
    this.load = load;
    this.unloaded = load && since === undefined ? "start" : undefined;
    this.promise();
  }

  /** Makes another promise to be ready, if the last one is kept or broken. */
  promise(): void {
    if (!this.#settled) return;
    this.#settled = false;
    this.ready = new Promise((done, fail) => {
      this.#done = done;
      this.#fail = fail;
    });
    this.ready.catch(() => {}); // whoever awaits it is told; nobody has to
  }

  /** It is ready, or it is not. */
  settle(how: { resumed: boolean } | PushError): void {
    this.#settled = true;
    if ("resumed" in how) this.#done(how);
    else this.#fail(how);
  }

  /** Goes to the cursor that the server says. Where it says none, it will by a gap: until then the topic's place isn't known. */
  moveTo(cursor?: string): void {
    this.#base = cursor?.slice(0, 21);
    this.cursor = cursor ?? this.cursor;
  }

  /** The cursor after a message that moves the topic so; undefined if it doesn't. */
  cursorAt(at?: string): string | undefined {
    if (!at) return undefined;
    check(this.#base);
    return this.#base + at;
  }
}
