// What must compile, and, at each marked line, what must not, of connectTabs.
import type { Data, Push, Subscription } from "../../dist/client.mjs";
import { state } from "../../dist/state.mjs";
import { connectTabs, type TabsOptions } from "../../dist/tabs.mjs";

interface Order {
  id: number;
}
interface Topics {
  [order: `orders/${string}`]: Order;
}

const shared: Push = connectTabs("/push");
const options: TabsOptions = { name: "alice", share: true, transports: ["sse"], token: () => "t", WebSocket, fetch };
connectTabs(new URL("https://example.com/push"), options);
// @ts-expect-error: a name is text
connectTabs("/push", { name: 5 });
// @ts-expect-error: there is no such option
connectTabs("/push", { leader: true });
state(shared, "prices").get("ACME") satisfies Data | undefined;
const tabs: Push<Topics> = connectTabs<Topics>("/push");
const sub: Subscription<Order> = tabs.subscribe("orders/42", ({ data }) => data.id.toFixed());

export { sub };
