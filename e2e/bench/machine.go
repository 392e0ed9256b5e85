package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// quietLoad is the load, for each processor, above which a run isn't quiet.
const quietLoad = 0.25

// machine is where and when the figures were taken.
type machine struct {
	When       time.Time `json:"when"`
	Commit     string    `json:"commit"`
	Go         string    `json:"go"`
	System     string    `json:"system"`
	Processor  string    `json:"processor"`
	Processors int       `json:"processors"`
	// LoadBefore is the load of the last minute before the run began: -1 where the
	// system doesn't tell.
	LoadBefore float64 `json:"loadBefore"`
}

func thisMachine(ctx context.Context, root string) machine {
	m := machine{
		When: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Processors: runtime.NumCPU(), LoadBefore: -1,
	}
	describe := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty")
	describe.Dir = root
	if out, err := describe.Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)

				break
			}
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(load)); len(fields) > 0 {
			if value, err := strconv.ParseFloat(fields[0], 64); err == nil {
				m.LoadBefore = value
			}
		}
	}

	return m
}

// quiet says whether the machine had nothing else to do.
func (m machine) quiet() bool { return m.LoadBefore <= quietLoad*float64(m.Processors) }
