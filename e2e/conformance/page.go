package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const preface = `# Conformance

What each fault and each kind of bad input gets, and the tests that prove it. Whatever a row says, it also means: no panic, no fetch that the row doesn't need, and no secret, token or upstream body in an error, a log line or a metric.

This page is generated from the rows, the table of their tests ([proofs.go](proofs.go)) and the tests: ` + "`make generate`" + ` writes it, and CI fails if it is not current, if a row has lost its test, or if a test of the table is gone or may skip itself. The number behind a test is how many of its cases and checks name the row; many more are made in loops.
`

// page writes the page. It reports every row without a test, and every proof and
// test that can't be what it claims to be.
func page(sections []section, proofs []proof, all map[string]*test) (string, error) {
	byRow, faults := assign(proofs, all)
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
			tests := byRow[r.number]
			if len(tests) == 0 {
				faults = append(faults, fmt.Errorf("row %s has no test", r.number))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.number, r.given, r.gets, links(tests, r.number))
		}
	}
	for _, number := range slices.Sorted(maps.Keys(byRow)) {
		if tests := byRow[number]; !known[number] {
			faults = append(faults, fmt.Errorf("%s: %s is about row %s, which there isn't", tests[0].file, tests[0].name, number))
		}
	}
	return b.String(), errors.Join(faults...)
}

// assign gives each row its tests: those of its proofs, and those that name it
// themselves.
func assign(proofs []proof, all map[string]*test) (byRow map[string][]*test, faults []error) {
	listed := map[string]bool{}
	for _, p := range proofs {
		t := all[p.test]
		switch {
		case listed[p.test]:
			faults = append(faults, fmt.Errorf("%s is listed twice", p.test))
		case t == nil || !t.isTest():
			faults = append(faults, fmt.Errorf("rows %s: there is no test %s", p.rows, p.test))
		case t.skips(all) != "":
			faults = append(faults, fmt.Errorf("%s may skip itself: %s", p.test, t.skips(all)))
		default:
			for number := range strings.FieldsSeq(p.rows) {
				t.rows[number] += 0
			}
		}
		listed[p.test] = true
	}
	byRow = map[string][]*test{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t := all[name]
		if t.skip != "" && len(t.rows) > 0 {
			faults = append(faults, fmt.Errorf("%s may skip itself by %s", name, t.skip))
		}
		for number := range t.rows {
			byRow[number] = append(byRow[number], t)
		}
	}
	for _, tests := range byRow {
		slices.SortFunc(tests, func(a, b *test) int { return strings.Compare(a.file+a.name, b.file+b.name) })
	}
	return byRow, faults
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
