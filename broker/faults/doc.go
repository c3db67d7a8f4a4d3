// Package faults tests the Redis broker with real faults on real topologies: failovers of Sentinel and Cluster, frozen
// and full servers, broken connections. It is a module of its own because of what it needs for that.
package faults
