// Package cerbos tests authzen against Cerbos, a policy decision point that speaks
// AuthZEN 1.0. Cerbos can't be embedded: the tests build its server from the module
// proxy, with versions of its own (server.mod), and run it as a process on unix sockets.
// The first build takes several minutes.
package cerbos
