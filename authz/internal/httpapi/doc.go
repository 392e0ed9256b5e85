// Package httpapi is the client of usher's HTTP engines. It sends JSON over POST
// with bounded resources, and returns an error for every unexpected answer.
//
// It never follows a redirect, reads at most a set number of bytes, holds at
// most a set number of requests at once, obeys Retry-After, and puts nothing
// of an answer's body into an error. A request that was lost because an idle
// connection was closed is made once more.
package httpapi
