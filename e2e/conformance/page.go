package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const preface = `# Conformance

What each fault and each kind of bad input gets, and the tests that prove it. Whatever a row says, it also means: no panic, no fetch that the row doesn't need, and no secret, token or upstream body in an error, a log line or a metric.

This page is generated from the tests: ` + "`make generate`" + ` writes it, and CI fails if it is not current or if a row has lost its test. The number behind a test is how many of its cases and checks name the row; many more are made in loops.
`

// page writes the page. It reports every row without a test, and every test that
// names a row which doesn't exist.
func page(sections []section, byRow map[string][]*test, byName map[string]*test) (string, error) {
	var faults []error
	known := map[string]bool{}
	var b strings.Builder
	b.WriteString(preface)
	for i, s := range sections {
		fmt.Fprintf(&b, "\n## %c. %s\n\n| | given | gets | proved by |\n|---|---|---|---|\n", 'A'+i, s.title)
		for _, r := range s.rows {
			if known[r.number] {
				faults = append(faults, fmt.Errorf("row %s stands twice", r.number))
			}
			known[r.number] = true
			tests := append([]*test(nil), byRow[r.number]...)
			for _, name := range r.also {
				t := byName[name]
				if t == nil {
					faults = append(faults, fmt.Errorf("row %s: there is no test %s", r.number, name))
					continue
				}
				if slices.Contains(tests, t) {
					faults = append(faults, fmt.Errorf("row %s: %s names the row itself", r.number, name))
				}
				tests = append(tests, t)
			}
			if len(tests) == 0 {
				faults = append(faults, fmt.Errorf("row %s has no test", r.number))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.number, r.given, r.gets, links(tests, r.number))
		}
	}
	for number, tests := range byRow {
		if !known[number] {
			faults = append(faults, fmt.Errorf("%s: %s is about row %s, which there isn't", tests[0].file, tests[0].name, number))
		}
	}
	return b.String(), errors.Join(faults...)
}

func links(tests []*test, number string) string {
	all := make([]string, len(tests))
	for i, t := range tests {
		all[i] = fmt.Sprintf("[%s.%s](../../%s)", t.folder, t.name, t.file)
		if n := t.rows[number]; n > 0 {
			all[i] += fmt.Sprintf(" %d", n)
		}
	}
	return strings.Join(all, "<br>")
}
