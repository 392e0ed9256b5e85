package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what an error tells.
const (
	maxFaults  = 100
	maxProblem = 300 // bytes of one fault's text
)

// FileError is one thing that is wrong with a model, at its place.
type FileError struct {
	// File is the file as it was named, or the reference of a live engine.
	File string
	// Line and Column are the place in it, from one; zero if it isn't known. Columns count
	// characters, except those of SpiceDB and YAML, which count as their parsers do.
	Line, Column int
	// Problem is what is wrong, at most 300 bytes.
	Problem string
}

// Error returns the fault as compilers write it: "model.fga:3:5: problem".
func (f *FileError) Error() string {
	at := f.File
	if f.Line > 0 {
		at += fmt.Sprintf(":%d", f.Line)
		if f.Column > 0 {
			at += fmt.Sprintf(":%d", f.Column)
		}
	}

	return at + ": " + f.Problem
}

// faults collects what is wrong, in any order. The zero value is ready to use.
type faults struct {
	list []*FileError
	more int
}

// addf records a fault; those beyond the first hundred are counted only.
func (f *faults) addf(file string, line, column int, format string, args ...any) {
	if len(f.list) == maxFaults {
		f.more++

		return
	}
	f.list = append(f.list, fault(file, line, column, format, args...))
}

// err returns all faults joined, each once and in the order of their places, or nil.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b *FileError) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Problem, b.Problem))
	})
	list := slices.CompactFunc(f.list, func(a, b *FileError) bool { return *a == *b })
	errs := make([]error, 0, len(list)+1)
	for _, one := range list {
		errs = append(errs, one)
	}
	if f.more > 0 {
		errs = append(errs, fmt.Errorf("… and %d faults more", f.more))
	}

	return errors.Join(errs...)
}

func fault(file string, line, column int, format string, args ...any) *FileError {
	return &FileError{File: file, Line: line, Column: column, Problem: short(fmt.Sprintf(format, args...))}
}

// short returns text on one line, at most maxProblem bytes of it.
func short(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= maxProblem {
		return text
	}
	cut := maxProblem - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}

	return text[:cut] + "…"
}
