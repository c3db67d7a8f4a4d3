// Package proxies has the configurations of proxies that docs/proxies.md recommends, and the test that restarts
// instances behind each of them.
package proxies
