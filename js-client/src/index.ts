export { connect } from "./connect.ts";
export * from "./error.ts";
export type * from "./types.ts";
