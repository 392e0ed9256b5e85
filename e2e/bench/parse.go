package main

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// metric names one figure of one benchmark.
type metric struct {
	Suite string `json:"suite"`
	// Bench is the benchmark's name without "Benchmark" and the number of
	// processors.
	Bench string `json:"bench"`
	Unit  string `json:"unit"`
}

func (m metric) String() string { return m.Suite + " " + m.Bench + " " + m.Unit }

// samples are the figures of each metric, one for each turn.
type samples map[metric][]float64

// processors is what the testing package adds to a benchmark's name.
var processors = regexp.MustCompile(`-\d+$`)

// read adds the figures of a test binary's output.
func (s samples) read(suite string, output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		for i := 2; i < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			m := metric{Suite: suite, Bench: name, Unit: fields[i+1]}
			s[m] = append(s[m], value)
		}
	}

	return lines.Err()
}
