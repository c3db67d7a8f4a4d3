// nginx before a server, in the set-ups that clients meet.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startProgram } from "./program.mjs";
import { startProxy } from "./proxy.mjs";

const upgrades = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;";

const setUps = {
  /** As the guides say. */
  plain: upgrades,
  /** As nginx is without a word about WebSockets: it takes the upgrade away. */
  stripped: "",
  /** WebSockets open, and something behind nginx cuts them 200 ms later. */
  killed: upgrades,
  /** Responses are kept until they end or fill large buffers, whatever the server says of it; the upgrade is taken away. */
  buffered: "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; proxy_buffer_size 64k; proxy_buffers 8 1m; proxy_busy_buffers_size 2m;",
  /** Whatever is silent for 5 s is cut. */
  idle: `${upgrades} proxy_read_timeout 5s;`,
  compressing: "gzip on; gzip_types text/event-stream application/json; gzip_min_length 0; gzip_proxied any;",
};

/** Starts nginx in a set-up before `target` (host:port). */
export async function startNginx(setUp, target) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "tidewire-nginx-"));
  const config = join(folder, "nginx.conf");
  const log = join(folder, "log");
  const killer = setUp === "killed" && (await startProxy(target));
  if (killer) Object.assign(killer, { webSockets: "kill", killAfter: 200 });
  writeFileSync(
    config,
    `daemon off; worker_processes 1; worker_shutdown_timeout 100ms; pid ${folder}/pid;
events {}
http {
  access_log off; client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
  uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e; proxy_max_temp_file_size 0;
  map $http_upgrade $connection_upgrade { default upgrade; "" close; }
  server {
    listen 127.0.0.1:${port};
    proxy_set_header Host $http_host;
    ${setUps[setUp]}
    location / { proxy_pass http://${target}; }
    location = /push/ws { proxy_pass ${killer ? killer.url : `http://${target}`}; }
  }
}
`,
  );
  const start = () => startProgram(port, "nginx", "-p", folder, "-e", log, "-c", config);
  let program = await start();
  return {
    url: `http://127.0.0.1:${port}`,
    /** What it has logged. */
    log: () => readFileSync(log, "utf8"),
    /** Loads its configuration again, as its users do without a thought: all connections are cut, and new ones are taken all the time. */
    reload: () => program.signal("SIGHUP"),
    /** Ends and starts again. Meanwhile connections are refused. */
    async restart() {
      await program.stop();
      program = await start();
    },
    async close() {
      await program.stop();
      await killer?.close?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
