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
	"regexp"
	"strconv"
	"time"

	"golang.org/x/perf/benchfmt"
)

// turnTimeout turns a hang into a failure.
const turnTimeout = 5 * time.Minute

// suites are packages with benchmarks: their names in metrics, and their folders.
var suites = map[string]string{
	"wire":        "e2e/bench/wire",
	"engines":     "e2e/engines/goals",
	"interceptor": "interceptor",
	"verify":      "credentials/verify",
	"credentials": "credentials",
	"authz":       "authz",
	"cache":       "internal/cache",
}

// turn is one start of a suite's test binary, made several times.
type turn struct {
	suite string
	// pattern selects benchmarks as -test.bench does.
	pattern string
	// benchtime and count are those of the testing package.
	benchtime string
	count     int
	// times is how often it is made in a full run.
	times int
}

// reportTurns are what a full run is made of: about seven minutes. Their numbers
// are such that the interval of a median leaves out as many values below as above:
// of eight, for one, it leaves out the greatest alone, which favours upper bounds.
var reportTurns = []turn{
	// Each of the four is one triplet of windows, so a full run has 40.
	{suite: "wire", pattern: "^Benchmark(Call|Stream)$", benchtime: "1x", count: 4, times: 10},
	{suite: "wire", pattern: "^BenchmarkPeer$", benchtime: "1x", count: 1, times: 6},
	{suite: "interceptor", pattern: "^Benchmark(Interceptor|OverBare|StreamMessage)$", benchtime: "100ms", count: 1, times: 10},
	{
		suite: "verify", benchtime: "100ms", count: 1, times: 10,
		pattern: "^Benchmark(Cold|Refusal|Peers)$/^(RS256|ES256|EdDSA|jwx|golang-jwt)$" +
			"|^Benchmark(Cache|SharedCheck)$|^BenchmarkKeySet$/^(parse|lookup)$",
	},
	// The endpoint takes 3 s, so that a turn meets one fetch that hangs.
	{suite: "verify", pattern: "^BenchmarkKeySet$/^while-the-server-hangs$", benchtime: "4s", count: 1, times: 3},
	{suite: "cache", pattern: "^BenchmarkFlood$", benchtime: "100ms", count: 1, times: 10},
	{suite: "authz", pattern: "^Benchmark(CacheHit|CacheEntry|SharedDecision)$", benchtime: "100ms", count: 1, times: 10},
	{
		suite: "credentials", pattern: "^BenchmarkGetRequestMetadata$/^(usher|xoauth2)$/^goroutines=1$",
		benchtime: "100ms", count: 1, times: 10,
	},
	// The crowds count requests and stalls; more turns would count the same.
	{suite: "credentials", pattern: "^Benchmark(CrowdAtExpiry|CrowdAt503|ColdStart)$", benchtime: "1x", count: 1, times: 3},
	{suite: "engines", pattern: "^BenchmarkGoal13$", benchtime: "300ms", count: 1, times: 9},
	{suite: "engines", pattern: "^BenchmarkGoal15$/^(spicedb|openfga)$/^64$", benchtime: "3x", count: 1, times: 9},
	{suite: "engines", pattern: "^BenchmarkGoal15$/^spicedb$/^alone$", benchtime: "300ms", count: 1, times: 9},
}

// samples are the values of each metric, one for each turn.
type samples map[metric][]float64

// runner builds the suites' test binaries and runs them.
type runner struct {
	binaries  string // a folder for them
	progress  io.Writer
	processor string // the name that the binaries print
}

func (r *runner) binary(suite string) string { return filepath.Join(r.binaries, suite+".test") }

// build builds what the turns need.
func (r *runner) build(ctx context.Context, turns []turn) error {
	built := map[string]bool{}
	for _, t := range turns {
		if built[t.suite] {
			continue
		}
		built[t.suite] = true
		start := time.Now()
		build := exec.CommandContext(ctx, "go", "test", "-c", "-o", r.binary(t.suite), ".")
		build.Dir = filepath.Join(root, suites[t.suite])
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", suites[t.suite], err, out)
		}
		fmt.Fprintf(r.progress, "built %s in %.0f s\n", suites[t.suite], time.Since(start).Seconds())
	}
	return nil
}

// run makes every turn as often as it wants, times scale but at least once, by
// rounds: nothing is measured in one piece. What fails is reported at the end;
// the rest is measured all the same.
func (r *runner) run(ctx context.Context, turns []turn, scale float64) (samples, error) {
	measured := samples{}
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
				failed = append(failed, r.turn(ctx, t, measured))
			}
			if ctx.Err() != nil {
				return nil, errors.Join(append(failed, context.Cause(ctx))...)
			}
		}
		fmt.Fprintf(r.progress, "round %d of %d after %.0f s\n", round+1, rounds, time.Since(start).Seconds())
	}
	return measured, errors.Join(failed...)
}

// due spreads a turn that is made n times evenly over the rounds.
func due(round, rounds, n int) bool { return (round+1)*n/rounds > round*n/rounds }

func (r *runner) turn(ctx context.Context, t turn, into samples) error {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.binary(t.suite), "-test.run=^$", "-test.bench="+t.pattern, "-test.benchmem",
		"-test.benchtime="+t.benchtime, "-test.count="+strconv.Itoa(t.count), "-test.timeout="+turnTimeout.String())
	cmd.Dir = filepath.Join(root, suites[t.suite])
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s -bench %s: %w\n%s%s", suites[t.suite], t.pattern, err, out.Bytes(), errs.Bytes())
	}
	return r.read(t.suite, &out, into)
}

// processors is what the testing package adds to a benchmark's name.
var processors = regexp.MustCompile(`-\d+$`)

// read adds the values of a test binary's output, in the units that it has.
func (r *runner) read(suite string, output io.Reader, into samples) error {
	lines := benchfmt.NewReader(output, suite)
	for lines.Scan() {
		line, ok := lines.Result().(*benchfmt.Result)
		if !ok {
			continue // the name of a benchmark that failed
		}
		r.processor = line.GetConfig("cpu")
		name := suite + " " + processors.ReplaceAllString(line.Name.String(), "") + " "
		for _, v := range line.Values {
			if v.OrigUnit != "" {
				v.Value, v.Unit = v.OrigValue, v.OrigUnit
			}
			m := metric(name + v.Unit)
			into[m] = append(into[m], v.Value)
		}
	}
	return lines.Err()
}
