//go:build race

package lint_test

// compareSlowdown is by how much the race detector slows a comparison down.
const compareSlowdown = 10
