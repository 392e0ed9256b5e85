// Package fleet has the tests of what a fleet lives through: issuers that are
// real processes, killed and started again with new keys under load, ten replicas
// of which one is wrong, rotations beside a flood of made-up tokens, and two
// issuers that know callers by the same name.
package fleet
