// Package middlewares tests the routes of a hub below the middlewares that programs use, over
// real connections, and makes the table in docs/middleware.md. It is a module of its own because
// of the libraries that it needs for that.
package middlewares
