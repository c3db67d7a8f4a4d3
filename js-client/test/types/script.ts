// What must compile, and, at the marked line, what must not, of the plain script.
import type {} from "../../dist/script.js";

Tidewire.connect("/push").close();
// @ts-expect-error: there is no more in it
Tidewire.state;
