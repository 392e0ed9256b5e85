package lint

// WhoOf is for tests.
func WhoOf(c *MatrixCondition) ([]string, bool) { return c.who() }
