package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are what the command line says.
type settings struct {
	root   string
	json   string
	scale  float64
	window time.Duration
	gate   bool
}

func main() {
	var s settings
	flag.StringVar(&s.root, "root", "../..", "the `folder` of the repository")
	flag.StringVar(&s.json, "json", "", "a `file` for the report in JSON")
	flag.Float64Var(&s.scale, "scale", 1, "how many of a full run's turns to make: 0.1 tries the machinery")
	flag.DurationVar(&s.window, "window", 200*time.Millisecond, "how long one window of calls is")
	flag.BoolVar(&s.gate, "gate", false, "only the quick part that CI runs; its failure is an exit status")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out, progress io.Writer) error {
	binaries, err := os.MkdirTemp("", "usher-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(binaries)
	if err := os.Setenv("USHER_BENCH_WINDOW", s.window.String()); err != nil {
		return err
	}
	m := thisMachine(ctx, s.root)
	if s.gate {
		r, err := newRunner(ctx, s.root, binaries, progress, gateTurns)
		if err != nil {
			return err
		}

		return runGate(ctx, r, gates, out)
	}
	r, err := newRunner(ctx, s.root, binaries, progress, report)
	if err != nil {
		return err
	}
	start := time.Now()
	measured := samples{}
	failed := r.run(ctx, report, s.scale, measured)
	if ctx.Err() != nil {
		return failed
	}
	results := make([]result, 0, len(goals()))
	for _, g := range goals() {
		results = append(results, judge(g, measured))
	}
	if err := writeText(out, m, time.Since(start), results); err != nil {
		return err
	}
	if s.json != "" {
		failed = errors.Join(failed, writeJSON(s.json, m, time.Since(start).Seconds(), results))
	}

	return failed
}
