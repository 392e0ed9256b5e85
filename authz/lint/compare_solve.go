package lint

import "slices"

// literal is a variable of the solver, or its negation.
type literal int32

func (l literal) not() literal { return l ^ 1 }

func (l literal) variable() int { return int(l >> 1) }

func truth(variable int) literal { return literal(variable << 1) }

// solver finds a world in which some clauses hold, each a list of literals of which one
// must be true. It is complete: if it doesn't run out of steps, what it doesn't find isn't
// there.
type solver struct {
	clauses [][]literal
	// variables is how many there are.
	variables int
	// steps is how much work is left, shared by all that is compared.
	steps *int

	value   []int8 // by variable: 0 is open, 1 true, -1 false
	watches [][]int32
	trail   []literal
	levels  []choice
}

// choice is a literal that the solver assumed, to try its negation if it fails.
type choice struct {
	literal literal
	trail   int
	cursor  int
	second  bool
}

func (s *solver) variable() int {
	s.variables++

	return s.variables - 1
}

func (s *solver) add(clause ...literal) { s.clauses = append(s.clauses, clause) }

// solve returns whether the clauses and the assumptions can hold together. It isn't known
// if no steps are left. The world is in value until the next call.
func (s *solver) solve(assumed ...literal) (found, known bool) {
	if !s.begin(assumed) {
		return false, *s.steps > 0
	}
	cursor := 0
	for done := 0; *s.steps > 0; {
		var ok bool
		if done, ok = s.propagate(done); !ok {
			if cursor, ok = s.back(); !ok {
				return false, *s.steps > 0
			}
			done = len(s.trail) - 1

			continue
		}
		next, at, open := s.open(cursor)
		if !open {
			return *s.steps > 0, *s.steps > 0
		}
		cursor = at
		s.levels = append(s.levels, choice{next, len(s.trail), cursor, false})
		s.assign(next)
	}

	return false, false
}

// begin sets what must be true. It reports false if that contradicts itself.
func (s *solver) begin(assumed []literal) bool {
	s.value = append(s.value[:0], make([]int8, s.variables)...)
	s.trail, s.levels = s.trail[:0], s.levels[:0]
	// Only what is needed is cleared: rules before this one may have needed much more.
	s.watches = slices.Grow(s.watches[:0], 2*s.variables)[:2*s.variables]
	for i := range s.watches {
		s.watches[i] = s.watches[i][:0]
	}
	units := slices.Clone(assumed)
	for i, clause := range s.clauses {
		switch len(clause) {
		case 0:
			return false
		case 1:
			units = append(units, clause[0])
		default:
			s.watches[clause[0]] = append(s.watches[clause[0]], int32(i))
			s.watches[clause[1]] = append(s.watches[clause[1]], int32(i))
		}
	}
	*s.steps -= len(s.clauses) + s.variables
	for _, unit := range units {
		switch s.is(unit) {
		case -1:
			return false
		case 0:
			s.assign(unit)
		}
	}

	return true
}

func (s *solver) is(l literal) int8 {
	value := s.value[l.variable()]
	if l&1 == 1 {
		return -value
	}

	return value
}

func (s *solver) assign(l literal) {
	s.value[l.variable()] = 1 - 2*int8(l&1)
	s.trail = append(s.trail, l)
}

// propagate assigns what follows from the trail. It reports false at a contradiction.
func (s *solver) propagate(done int) (int, bool) {
	for ; done < len(s.trail); done++ {
		wrong := s.trail[done].not()
		watching := s.watches[wrong]
		kept := watching[:0]
		for at, i := range watching {
			*s.steps--
			clause := s.clauses[i]
			if clause[0] == wrong {
				clause[0], clause[1] = clause[1], clause[0]
			}
			if s.is(clause[0]) == 1 || !s.rewatch(clause, i) {
				kept = append(kept, i)
			} else {
				continue
			}
			switch s.is(clause[0]) {
			case -1:
				s.watches[wrong] = append(kept, watching[at+1:]...)

				return done, false
			case 0:
				s.assign(clause[0])
			}
		}
		s.watches[wrong] = kept
	}

	return done, true
}

// rewatch has a clause watch another literal than its second, if one isn't false.
func (s *solver) rewatch(clause []literal, i int32) bool {
	for k := 2; k < len(clause); k++ {
		*s.steps--
		if s.is(clause[k]) != -1 {
			clause[1], clause[k] = clause[k], clause[1]
			s.watches[clause[1]] = append(s.watches[clause[1]], i)

			return true
		}
	}

	return false
}

// back undoes the last choice that has an alternative, and takes that.
func (s *solver) back() (cursor int, ok bool) {
	for len(s.levels) > 0 {
		last := s.levels[len(s.levels)-1]
		s.levels = s.levels[:len(s.levels)-1]
		for _, l := range s.trail[last.trail:] {
			s.value[l.variable()] = 0
		}
		s.trail = s.trail[:last.trail]
		if !last.second {
			s.levels = append(s.levels, choice{last.literal.not(), last.trail, last.cursor, true})
			s.assign(last.literal.not())

			return last.cursor, true
		}
	}

	return 0, false
}

// open returns a literal of the first clause from the cursor on that doesn't hold yet.
func (s *solver) open(cursor int) (literal, int, bool) {
	for ; cursor < len(s.clauses); cursor++ {
		candidate, satisfied := literal(-1), false
		for _, l := range s.clauses[cursor] {
			*s.steps--
			switch s.is(l) {
			case 1:
				satisfied = true
			case 0:
				if candidate < 0 {
					candidate = l
				}
			}
		}
		if !satisfied {
			return candidate, cursor, true
		}
	}

	return 0, cursor, false
}
