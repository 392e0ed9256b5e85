// Package redis shows rate limits that replicas share, on a real Redis server: the
// redis-server in PATH, such as the one of the distribution's package redis-server.
// It has tests only: `make e2e` runs them.
package redis
