// Package rules holds the alert rules and the dashboard of examples/standalone/deploy to the
// table of package push/metrics, by the parsers of Prometheus. It has only tests, and is a
// module of its own because of what these parsers require.
package rules
