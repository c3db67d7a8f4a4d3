// Package inside joins the two halves of a hub: package push, which applications use, and
// package push/session, which transports use. The second imports the first, so the first
// can reach the second only through here.
package inside

// Attach returns the sessions of a *push.Hub. If the hub has none yet, Attach calls open
// with what sessions may use of the hub, and keeps the result. Package push sets it.
var Attach func(hub any, open func(backstage any) any) any
