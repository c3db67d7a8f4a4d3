import { Centrifuge } from "centrifuge";

const centrifuge = new Centrifuge(
  [
    { transport: "websocket", endpoint: "/connection/websocket" },
    { transport: "sse", endpoint: "/connection/sse" },
  ],
  { emulationEndpoint: "/emulation", getToken },
);
const since = localStorage.since && JSON.parse(localStorage.since);
const sub = centrifuge.newSubscription("notifications", since && { since });
let { epoch = "" } = since ?? {};

sub.on("publication", ({ data, offset = 0 }) => {
  show(data);
  localStorage.since = JSON.stringify({ offset, epoch });
});

sub.on("subscribed", async ({ wasRecovering, recovered, streamPosition }) => {
  epoch = streamPosition?.epoch ?? "";
  if (recovered) return;
  if (wasRecovering) clear();
  localStorage.since = JSON.stringify({ offset: streamPosition?.offset ?? 0, epoch });
  // What comes meanwhile has a greater offset than the position.
  const { publications } = await sub.history({ limit: 50, reverse: true });
  for (const { offset = 0, data } of publications.reverse()) if (offset <= (streamPosition?.offset ?? 0)) show(data);
});

sub.subscribe();
centrifuge.connect();

export const stop = () => centrifuge.disconnect();
