// Publishes a message, and prints what its topic has from then on: TIDEWIRE=http://127.0.0.1:8080 KEY=secret node client.mjs
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

const { TIDEWIRE: url, KEY: key } = process.env;
const message = JSON.stringify({ topic: "news", data: "hello from Node" });
await fetch(`${url}/api/publish`, { method: "POST", headers: { Authorization: `Bearer ${key}` }, body: message });
for (let cursor = ""; ; await new Promise((resolve) => setTimeout(resolve, 1000))) {
  try {
    const { body } = await fetch(`${url}/push/sse?topic=news&recent=1`, { headers: { "Last-Event-ID": cursor } });
    for await (const line of createInterface({ input: Readable.fromWeb(body) })) {
      if (line.startsWith("id: ")) cursor = line.slice(4);
      const frame = line.startsWith("data: ") ? JSON.parse(line.slice(6)) : {};
      if (frame.type === "message") console.log(frame.data);
    }
  } catch (error) {
    console.error(error.message);
  }
}
