// Command bench measures usher against its performance goals and prints one
// report: each goal with its figure or ratio, the interval of the figure, and a
// verdict.
//
//	make bench                         # from the root of the repository
//	make bench BENCHJSON=bench.json    # and for machines
//	make benchgate                     # the quick part that CI runs
//
// The figures come from benchmarks that are beside what they measure, in every
// module. Their test binaries run by turns, several times each, so that what the
// machine does meanwhile affects all of them alike. A goal's figure is the median
// over the turns, and its interval that of the median at 95 %, as
// golang.org/x/perf/benchmath computes it. Ratios are taken within one process,
// or between windows that lie side by side, never between runs; an A/A control, a
// thing measured against itself, shows what the machine makes of no difference.
// What others do (go-grpc-middleware with jwx, golang-jwt, x/oauth2's token
// source, the engines' own clients) is measured in the same run.
//
// A verdict is "met" or "missed" if the whole interval, widened by what the
// control is off, is on one side of the goal. Otherwise the verdict is that
// the run can't tell. Goals at the edge of the values seen so far are an exception:
// they count as met when a narrow interval includes them.
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

// root is the folder of the repository.
const root = "../.."

// settings are the settings of the command line.
type settings struct {
	json  string
	scale float64
	gate  bool
}

func main() {
	var s settings
	flag.StringVar(&s.json, "json", "", "a `file` for the report in JSON")
	flag.Float64Var(&s.scale, "scale", 1, "how many of a full run's turns to make: 0.1 tries the machinery")
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
	d := document{Machine: thisMachine(ctx)}
	r := &runner{binaries: binaries, progress: progress}
	if s.gate {
		if err := r.build(ctx, gateTurns); err != nil {
			return err
		}
		return runGate(ctx, r, out)
	}
	if err := r.build(ctx, reportTurns); err != nil {
		return err
	}
	start := time.Now()
	measured, failed := r.run(ctx, reportTurns, s.scale)
	if ctx.Err() != nil {
		return failed
	}
	d.Machine.Processor, d.Seconds = r.processor, time.Since(start).Seconds()
	for _, g := range goals() {
		d.Goals = append(d.Goals, judge(g, measured))
	}
	if err := d.writeText(out); err != nil {
		return err
	}
	if s.json != "" {
		failed = errors.Join(failed, d.writeJSON(s.json))
	}
	return failed
}
