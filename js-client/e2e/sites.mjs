// Pages of other sites than the server's.
import { createServer } from "node:http";
import { launch } from "./browser.mjs";

/**
 * Launches a browser to which every name under .test is this machine, and any certificate is good, and starts a server
 * of empty pages for it.
 */
export async function launchSites() {
  const { browser, close } = await launch("chromium", "--host-resolver-rules=MAP *.test 127.0.0.1", "--ignore-certificate-errors");
  const pages = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>A page</title>");
  });
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  return {
    browser,
    /** The origin of the pages by a name. */
    at: (host) => `http://${host}:${pages.address().port}`,
    async close() {
      await close();
      pages.closeAllConnections();
      await new Promise((done) => pages.close(done));
    },
  };
}
