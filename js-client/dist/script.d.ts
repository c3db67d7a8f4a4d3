import type { connect, PushError } from "./client.mjs";
declare global {
  var Tidewire: { connect: typeof connect; PushError: typeof PushError };
}
