import type { Data, Options, Push } from "./client.mjs";
export interface TabsOptions extends Options {
    /** Tabs share a connection only under the same name: of one user, say. Default: `""`. */
    name?: string | undefined;
    /** `false`: this tab has a connection of its own. Default: `true`. */
    share?: boolean | undefined;
}
/**
 * As `connect`, with one connection for all tabs of the origin that name the same URL: that of one tab, the leader, whose options
 * count. When the leader goes, another tab takes over, from where each tab is. A tab alone does the same with itself. Where the page has
 * no Web Locks or no `BroadcastChannel`, as over plain HTTP, each tab has its own connection.
 *
 * In every tab, that of the leader as well, runs a client as `connect` makes it, whose server is the leader. So for a tab another leader is
 * no more than another connection: it asks for each topic from its cursor on, and what was sent and not answered is `unknown`.
 */
export declare function connectTabs<Topics extends object = Record<string, Data>>(url: string | URL, tabsOptions?: TabsOptions): Push<Topics>;
