// Package deploy has what runs the standalone server: a Dockerfile, a unit of systemd and
// manifests for Kubernetes. It is a module of its own because its tests need the types of
// Kubernetes.
package deploy
