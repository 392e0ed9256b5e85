package engines

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/usher-auth/usher/authz/authztest"
)

const (
	// maxTuples bounds a file of tuples, in lines. The engine walks them all.
	maxTuples = 10_000
	// maxTuplesSize bounds it in bytes, and maxLine each line of it.
	maxTuplesSize = 4 << 20
	maxLine       = 4 << 10
	// maxFaults is how many faults of a file are reported.
	maxFaults = 20
)

// openTuples reads a file of tuples, one on a line, as in document:1#viewer@user:alice.
// Empty lines and those that begin with # or // are left out. The tuples alone grant: no
// model implies one relation by another.
func openTuples(name string) (*Opened, error) {
	file, err := os.Open(name) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("--engine tuples: %s: %w", name, errors.Unwrap(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	texts, err := readTuples(file, name)
	if err != nil {
		return nil, err
	}

	return &Opened{Engine: authztest.NewEngine(texts...), Name: "tuples:" + name}, nil
}

func readTuples(reader io.Reader, name string) ([]string, error) {
	lines := bufio.NewScanner(io.LimitReader(reader, maxTuplesSize+1))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	var texts []string
	var faults []error
	size := 0
	for line := 1; lines.Scan(); line++ {
		size += len(lines.Bytes()) + 1
		text := strings.TrimSpace(lines.Text())
		if line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "//") {
			continue
		}
		if _, err := authztest.ParseTuple(text); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: not a tuple like document:1#viewer@user:alice", name, line))
		}
		if texts = append(texts, text); len(texts) > maxTuples || len(faults) == maxFaults {
			break
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		faults = append(faults, fmt.Errorf("%s: a line of more than %d bytes", name, maxLine))
	case err != nil:
		faults = append(faults, fmt.Errorf("%s: it can't be read", name))
	case size > maxTuplesSize || len(texts) > maxTuples:
		faults = append(faults, fmt.Errorf("%s: more than %d tuples or %d MiB", name, maxTuples, maxTuplesSize>>20))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}

	return texts, nil
}
