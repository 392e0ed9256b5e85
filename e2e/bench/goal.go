package main

// relation is how a figure must stand to its goal.
type relation string

const (
	atMost  relation = "≤"
	atLeast relation = "≥"
	exactly relation = "="
)

// goal is one line of the report.
type goal struct {
	number int
	what   string
	// of are the figures; of several the worst counts.
	of       []metric
	relation relation
	bound    float64
	unit     string
	// slack is what the measurement itself adds to a count that is exact.
	slack float64
	// control is the A/A control of a ratio.
	control *metric
	// edge says that the goal is at the edge of what was ever seen: it is met when
	// a narrow interval includes it.
	edge bool
	// absent says why there is nothing to measure.
	absent string
	// peer marks what others do. It has no goal.
	peer bool
}

func of(suite, bench, unit string) []metric {
	return []metric{{Suite: suite, Bench: bench, Unit: unit}}
}

// eachOf are several benchmarks under one name.
func eachOf(suite, prefix, unit string, names ...string) []metric {
	out := make([]metric, len(names))
	for i, name := range names {
		out[i] = metric{Suite: suite, Bench: prefix + name, Unit: unit}
	}

	return out
}

// controlled gives a goal its A/A control.
func (g goal) controlled(suite, bench, unit string) goal {
	g.control = &metric{Suite: suite, Bench: bench, Unit: unit}

	return g
}

func (g goal) onEdge() goal {
	g.edge = true

	return g
}

func (g goal) slackOf(slack float64) goal {
	g.slack = slack

	return g
}

// want is a goal.
func want(number int, what string, of []metric, rel relation, bound float64, unit string) goal {
	return goal{number: number, what: what, of: of, relation: rel, bound: bound, unit: unit}
}

// peer is what somebody else does in the same run.
func peer(number int, what string, of []metric, unit string) goal {
	return goal{number: number, what: what, of: of, unit: unit, peer: true}
}
