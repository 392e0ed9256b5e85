package demo

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// volatile is what differs between two runs: figures that are times, and the
// issuer's port.
var volatile = regexp.MustCompile(`\d+\.\d{6} s|127\.0\.0\.1:\d+`)

func stable(line string) string { return volatile.ReplaceAllString(line, "…") }

// audited runs the demo with --audit and returns its audit records and the
// lines of its metrics.
func audited(t *testing.T) (records []map[string]any, metrics []string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Run(deadline(t), []string{"--audit"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, out.String(), errs.String())
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		switch {
		case strings.HasPrefix(line, "{"):
			records = append(records, decode(t, line))
		case strings.HasPrefix(line, "usher."):
			metrics = append(metrics, stable(line))
		}
	}
	return records, metrics
}

func decode(t *testing.T, line string) map[string]any {
	t.Helper()
	var record map[string]any
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return record
}

// shownInREADME returns the audit record and the metrics that README.md shows as
// this program's.
func shownInREADME(t *testing.T) (record map[string]any, metrics []string) {
	t.Helper()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Seeing it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for i, block := range strings.Split(section, "```") {
		if i%2 == 0 {
			continue
		}
		block = strings.TrimSpace(block)
		switch {
		case strings.HasPrefix(block, "{"):
			record = decode(t, strings.ReplaceAll(block, "\n", ""))
		case strings.HasPrefix(block, "usher."):
			for line := range strings.SplitSeq(block, "\n") {
				metrics = append(metrics, stable(line))
			}
		}
	}
	return record, metrics
}

func TestREADMEShowsWhatTheDemoPrints(t *testing.T) {
	records, metrics := audited(t)
	record, lines := shownInREADME(t)
	if record == nil || len(lines) == 0 {
		t.Fatal("README.md shows no record or no metrics")
	}
	for _, line := range lines {
		if !slices.Contains(metrics, line) {
			t.Errorf("README.md shows a metric that isn't printed: %s\nprinted:\n%s", line, strings.Join(metrics, "\n"))
		}
	}
	// A principal's issuer, the time, the id and the duration are of one run.
	normal := func(r map[string]any) string {
		r = maps.Clone(r)
		for _, key := range []string{"time", "duration", "decision_id"} {
			if r[key] == nil {
				t.Errorf("no %q in %v", key, r)
			}
			delete(r, key)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return stable(string(text))
	}
	for _, r := range records {
		if r["allowed"] == false && r["occasion"] == "call" && normal(r) == normal(record) {
			return
		}
	}
	t.Errorf("README.md shows a record that isn't written: %v", record)
}

// Every decision of the table has its record: none for the public method, and
// one for each call of the others at least.
func TestEveryDecisionIsRecorded(t *testing.T) {
	records, _ := audited(t)
	seen := map[string]int{}
	for _, r := range records {
		principal, _ := r["principal"].(map[string]any)
		who, _ := principal["sub"].(string)
		method, _ := r["method"].(string)
		seen[path.Base(method)+" "+who]++
	}
	for _, m := range truth {
		for _, name := range services {
			if got, public := seen[m.name+" "+name], m.name == "GetServiceInfo"; (got == 0) != public {
				t.Errorf("%s by %s: %d records", m.name, name, got)
			}
		}
	}
}
