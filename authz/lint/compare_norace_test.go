//go:build !race

package lint_test

const compareSlowdown = 1
