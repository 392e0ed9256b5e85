package cel

// Plain makes a compiler that leaves comparisons to cel-go.
func Plain(c *Compiler) *Compiler {
	c.plain = true

	return c
}

// Counts reports whether the cost of an expression is counted at run time.
func Counts(compiled any) bool {
	e, _ := compiled.(*expression)

	return e.counts
}
