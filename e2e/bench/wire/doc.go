// Package wire has the benchmarks that need a wire: what usher's interceptor
// takes from a server's throughput and adds to its processor time.
//
//	go test -run '^$' -bench . -benchtime 1x -count 20 ./wire
//
// The server runs in a process of its own, so that its processor time is its
// own; the calls come over loopback TCP, with TLS and without, or within one
// process over an in-memory network. Every figure is a ratio: the guarded
// server's window of calls is between windows of two servers that have no
// interceptor and get the same call with the same bearer. Those two are the same
// in everything, so the ratio between them is the A/A control: what this machine
// makes of no difference at all.
//
// One iteration is one such triplet of windows; USHER_BENCH_WINDOW is the
// length of a window.
package wire
