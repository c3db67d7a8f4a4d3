import { connect } from "/push/client.mjs";

/** The connection to the server, whose transports can be changed under way. */
export class Connection {
  /** The client that serves now. */
  push;
  #onStatus;

  constructor(onStatus) {
    this.#onStatus = onStatus;
  }

  /** Connects, or connects anew. `move` makes each room continue on the new connection from its place on the old one. */
  use(onlySSE, move) {
    const old = this.push;
    this.#open(onlySSE);
    move();
    old?.close();
  }

  #open(onlySSE) {
    const push = connect("/push", { transports: onlySSE ? ["sse"] : ["websocket", "sse"] });
    this.push = push;
    push.onStatus((status) => {
      if (push === this.push) this.#onStatus(status);
    });
  }
}
