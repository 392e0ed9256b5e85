package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// turnTimeout turns a hang into a failure.
const turnTimeout = 5 * time.Minute

// runner builds the suites' test binaries and runs them.
type runner struct {
	root     string // of the repository
	binaries string // a folder for them
	built    map[string]string
	progress io.Writer
}

// newRunner builds what the turns need.
func newRunner(ctx context.Context, root, binaries string, progress io.Writer, turns []turn) (*runner, error) {
	r := &runner{root: root, binaries: binaries, built: map[string]string{}, progress: progress}
	for _, t := range turns {
		if _, ok := r.built[t.suite]; ok {
			continue
		}
		s := suites[t.suite]
		binary := filepath.Join(binaries, t.suite+".test")
		start := time.Now()
		folder, err := filepath.Rel(s.module, s.folder)
		if err != nil {
			return nil, err
		}
		build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./"+filepath.ToSlash(folder))
		build.Dir = filepath.Join(root, s.module)
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s: %w\n%s", s.folder, err, out)
		}
		r.built[t.suite] = binary
		fmt.Fprintf(progress, "built %s in %.0f s\n", s.folder, time.Since(start).Seconds())
	}

	return r, nil
}

// run makes every turn as often as it wants, times scale but at least once, by
// rounds: nothing is measured in one piece. What fails is reported at the end;
// the rest is measured all the same.
func (r *runner) run(ctx context.Context, turns []turn, scale float64, into samples) error {
	rounds := 0
	wanted := make([]int, len(turns))
	for i, t := range turns {
		wanted[i] = max(1, int(float64(t.times)*scale+0.5))
		rounds = max(rounds, wanted[i])
	}
	var failed []error
	start := time.Now()
	for round := range rounds {
		for i, t := range turns {
			if due(round, rounds, wanted[i]) {
				if err := r.turn(ctx, t, into); err != nil {
					failed = append(failed, err)
				}
			}
			if ctx.Err() != nil {
				return errors.Join(append(failed, context.Cause(ctx))...)
			}
		}
		fmt.Fprintf(r.progress, "round %d of %d after %.0f s\n", round+1, rounds, time.Since(start).Seconds())
	}

	return errors.Join(failed...)
}

// due spreads a turn that is made n times evenly over the rounds.
func due(round, rounds, n int) bool { return (round+1)*n/rounds > round*n/rounds }

func (r *runner) turn(ctx context.Context, t turn, into samples) error {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.built[t.suite], "-test.run=^$", "-test.bench="+t.pattern, "-test.benchmem",
		"-test.benchtime="+t.benchtime, "-test.count="+strconv.Itoa(t.count), "-test.timeout="+turnTimeout.String())
	cmd.Dir = filepath.Join(r.root, suites[t.suite].folder)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s -bench %s: %w\n%s%s", suites[t.suite].folder, t.pattern, err, out.Bytes(), errs.Bytes())
	}

	return into.read(t.suite, &out)
}
