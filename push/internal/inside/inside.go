// Package inside joins the two halves of a hub: package push, which applications use, and
// package push/session, which imports it.
package inside

// Attach gives the sessions of a *push.Hub. If it has none yet, it calls open with what
// sessions may use of the hub, and keeps the result. Package push sets it.
var Attach func(hub any, open func(backstage any) any) any
