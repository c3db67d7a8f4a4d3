import { connect } from "./connect.ts";
import { PushError } from "./error.ts";

Object.assign(globalThis, { Tidewire: { connect, PushError } });
