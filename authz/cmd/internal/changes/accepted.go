package changes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
	"github.com/usher-auth/usher/authz/lint"
)

// MaxAccepted is the size in bytes of a file of accepted changes.
const MaxAccepted = 4 << 20

// Accepted are changes that were reviewed.
type Accepted struct {
	lines []string
	used  map[string]bool
}

// Line returns a difference as a file of accepted changes has it: method, part, witness
// and a digest of both rules, so that another change of the same method isn't accepted
// with it. The witness alone doesn't tell one from another: it is bounded, and may say
// only that it can't be told. The result is empty for what the rules of all methods have
// in common, which can't be accepted.
func Line(change *lint.Change, difference lint.Difference) string {
	if change.Method == "" {
		return ""
	}

	return strings.TrimSpace(report.Printable(change.Method + ": " + difference.Part + ": " + difference.Witness + " [" + digest(change) + "]"))
}

// digest returns what tells a change of a rule from other changes of it. It doesn't depend
// on where rules are.
func digest(change *lint.Change) string {
	var text []byte
	for _, m := range []*authz.MethodPolicy{change.Old, change.New} {
		if m == nil {
			text = append(text, "none\n"...)

			continue
		}
		rule, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Rule)
		if err != nil {
			rule = []byte(err.Error()) // not valid UTF-8, in a rule that is a fault
		}
		text = fmt.Appendf(text, "%t %t %t %t %q\n", m.Rule != nil, len(m.Faults) > 0, m.ClientStreaming, m.ServerStreaming, rule)
	}
	sum := sha256.Sum256(text)

	return hex.EncodeToString(sum[:12])
}

// ReadAccepted reads a file of accepted changes: one on a line, as [Line] has it. Empty
// lines and those that begin with # are comments. Without a path it returns none.
func ReadAccepted(path string) (*Accepted, error) {
	if path == "" {
		return &Accepted{}, nil
	}
	file, err := os.Open(path) //nolint:gosec // the operator's own path
	if err != nil {
		if failed, ok := errors.AsType[*os.PathError](err); ok {
			err = failed.Err
		}

		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, MaxAccepted+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxAccepted {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, MaxAccepted>>20)
	}

	accepted, err := ParseAccepted(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}

	return accepted, nil
}

// ParseAccepted reads the text of a file of accepted changes. An error begins with the
// number of the line.
func ParseAccepted(text []byte) (*Accepted, error) {
	accepted := &Accepted{used: map[string]bool{}}
	number := 0
	for raw := range bytes.Lines(text) {
		number++
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		method, rest, found := strings.Cut(line, ": ")
		_, witness, complete := strings.Cut(rest, ": ")
		if !found || !complete || witness == "" || strings.Count(method, "/") != 1 || strings.ContainsAny(method, "* ") {
			return nil, fmt.Errorf("%d: not a change, which is METHOD: PART: WITNESS [DIGEST], as --format accept writes it", number)
		}
		if _, twice := accepted.used[line]; twice {
			return nil, fmt.Errorf("%d: the same change as on a line before", number)
		}
		accepted.used[line] = false
		accepted.lines = append(accepted.lines, line)
	}

	return accepted, nil
}

// take reports whether a change was accepted.
func (a *Accepted) take(line string) bool {
	if a == nil || line == "" {
		return false
	}
	if _, ok := a.used[line]; !ok {
		return false
	}
	a.used[line] = true

	return true
}

// taken returns how many of the changes were there.
func (a *Accepted) taken() int {
	if a == nil {
		return 0
	}

	return len(a.lines) - len(a.unused())
}

func (a *Accepted) unused() []string {
	var lines []string
	if a != nil {
		for _, line := range a.lines {
			if !a.used[line] {
				lines = append(lines, line)
			}
		}
	}

	return lines
}
