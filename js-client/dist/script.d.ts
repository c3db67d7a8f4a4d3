import type { connect, PushError } from "./client.js";
declare global {
  var Tidewire: { connect: typeof connect; PushError: typeof PushError };
}
