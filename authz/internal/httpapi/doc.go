// Package httpapi is how usher's HTTP engines are asked: JSON over POST, one
// bounded client, and every oddity of an answer turned into an error.
//
// It never follows a redirect, reads at most a set number of bytes, holds at
// most a set number of requests at once, obeys Retry-After, and repeats nothing
// of an answer's body in an error. A request that an idle connection's end has
// swallowed is made once more.
package httpapi
