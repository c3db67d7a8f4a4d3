// Takes publications from the standard input: each line is TOPIC SPACE DATA. The process ends with it.
import { createInterface } from "node:readline";

export function control(server, publish) {
  server.listen(0, "127.0.0.1", 4096, () => console.log(server.address().port));
  createInterface({ input: process.stdin })
    .on("line", (line) => publish(line.slice(line.indexOf(" ") + 1)))
    .on("close", () => process.exit());
}
