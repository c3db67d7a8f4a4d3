// Pages of other sites than the server's.
import { createServer } from "node:http";

/** Starts a server of empty pages, which every name of this machine may be used for. */
export async function startSites() {
  const pages = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>A page</title>");
  });
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  return {
    /** The origin of the pages by a name. */
    at: (host) => `http://${host}:${pages.address().port}`,
    async close() {
      pages.closeAllConnections();
      await new Promise((done) => pages.close(done));
    },
  };
}
