package verify

import (
	"net/http"
	"testing"
	"time"
)

// TestHealth drives the breaker by hand: each step is what happened, at a time in
// seconds, and what the next call is told.
func TestHealth(t *testing.T) {
	status := func(code int) error { return &statusError{status: code} }
	noAnswer := &fetchError{what: "introspection: no answer"}
	type step struct {
		at     float64
		record error // of a call's request, repeated times
		times  int
		probed bool // record is a probe's outcome
	}
	well := func(at float64, times int) step { return step{at: at, times: times} }
	fail := func(at float64, err error, times int) step { return step{at: at, record: err, times: times} }
	probe := func(at float64, err error) step { return step{at: at, record: err, times: 1, probed: true} }
	for name, c := range map[string]struct {
		steps []step
		want  healthState
	}{
		"nothing yet":                             {nil, healthy},
		"four failures":                           {[]step{fail(0, noAnswer, 4)}, healthy},
		"five failures":                           {[]step{fail(0, noAnswer, 5)}, suspected},
		"five gateway's errors":                   {[]step{fail(0, status(502), 2), fail(1, status(503), 2), fail(2, status(504), 1)}, suspected},
		"five times too many requests":            {[]step{fail(0, status(429), 5)}, suspected},
		"five failures among as many answers":     {[]step{well(0, 5), fail(1, noAnswer, 5)}, suspected},
		"five failures among six answers":         {[]step{well(0, 6), fail(1, noAnswer, 5)}, healthy},
		"answers long ago":                        {[]step{well(0, 100), fail(15, noAnswer, 5)}, suspected},
		"failures long ago":                       {[]step{fail(0, noAnswer, 4), fail(13, noAnswer, 1)}, healthy},
		"failures within the window":              {[]step{fail(0, noAnswer, 4), fail(9.9, noAnswer, 1)}, suspected},
		"500":                                     {[]step{fail(0, status(500), 1000)}, healthy},
		"400, 403, 404, 413 and 302":              {[]step{fail(0, status(400), 9), fail(0, status(403), 9), fail(0, status(404), 9), fail(0, status(413), 9), fail(0, status(302), 9)}, healthy},
		"our own faults":                          {[]step{fail(0, &authError{http.ErrAbortHandler}, 9), fail(0, &fetchError{what: "x", config: true}, 9), fail(0, errAnswer, 9)}, healthy},
		"one 401":                                 {[]step{fail(0, status(401), 1)}, suspected},
		"a call's answer ends a suspicion":        {[]step{fail(0, status(401), 1), well(0.1, 1)}, healthy},
		"a call's answer closes the breaker":      {[]step{fail(0, noAnswer, 5), probe(0.1, noAnswer), well(0.2, 1)}, healthy},
		"what was counted before is forgotten":    {[]step{fail(0, noAnswer, 5), well(0.2, 1), fail(0.3, noAnswer, 4)}, healthy},
		"a probe fails":                           {[]step{fail(0, noAnswer, 5), probe(0.1, noAnswer)}, down},
		"a probe is refused":                      {[]step{fail(0, status(401), 1), probe(0.1, status(401))}, down},
		"a probe is answered":                     {[]step{fail(0, noAnswer, 5), probe(0.1, nil)}, healthy},
		"a probe is answered by an application":   {[]step{fail(0, noAnswer, 5), probe(0.1, status(500))}, healthy},
		"a probe's answer is odd":                 {[]step{fail(0, noAnswer, 5), probe(0.1, status(400))}, healthy},
		"a probe can't be made":                   {[]step{fail(0, noAnswer, 5), probe(0.1, &authError{http.ErrAbortHandler})}, down},
		"an old probe fails after a newer one":    {[]step{fail(0, noAnswer, 5), probe(0.1, nil), probe(0.2, noAnswer)}, healthy},
		"an old probe is answered after another":  {[]step{fail(0, noAnswer, 5), probe(0.1, noAnswer), probe(0.2, nil)}, healthy},
		"calm after a probe":                      {[]step{fail(0, noAnswer, 5), probe(0, nil), fail(4.9, noAnswer, 9), fail(4.9, status(401), 9)}, healthy},
		"suspected again after the calm":          {[]step{fail(0, noAnswer, 5), probe(0, nil), fail(5, status(401), 1)}, suspected},
		"failures in the calm count afterwards":   {[]step{fail(0, noAnswer, 5), probe(0, nil), fail(4.9, noAnswer, 9), fail(5, noAnswer, 1)}, suspected},
		"the clock was set back":                  {[]step{fail(3600, noAnswer, 4), well(0, 10), fail(1, noAnswer, 5)}, healthy},
		"a suspicion stays until it is looked at": {[]step{fail(0, noAnswer, 5), fail(3600, status(500), 1)}, suspected},
	} {
		t.Run(name, func(t *testing.T) {
			h, start := newHealth(), time.Unix(1_000_000, 0)
			for _, s := range c.steps {
				now := start.Add(time.Duration(s.at * float64(time.Second)))
				for range s.times {
					if s.probed {
						h.probed(now, s.record)
					} else {
						h.record(now, s.record)
					}
				}
			}
			if h.state != c.want {
				t.Errorf("state %d, want %d", h.state, c.want)
			}
			if c.want != healthy && h.cause == nil {
				t.Error("no cause")
			}
		})
	}
}

// While the endpoint is down one call in probeInterval is told to probe, others
// fail at once and are told when it is time.
func TestHealthAdmitsOneProbe(t *testing.T) {
	h, now := newHealth(), time.Unix(1_000_000, 0)
	refused := &statusError{status: http.StatusUnauthorized}
	h.record(now, refused)
	if a := h.admit(now); !a.probe || a.changed == nil {
		t.Errorf("the first call under suspicion: %+v", a)
	}
	if a := h.admit(now); a.probe || a.changed == nil || a.wait != probeInterval {
		t.Errorf("the second call waits for the first one's probe: %+v", a)
	}
	if a := h.admit(now.Add(probeInterval)); !a.probe {
		t.Errorf("a probe that hangs isn't waited for: %+v", a)
	}
	h.probed(now.Add(probeInterval), refused)
	if a := h.admit(now.Add(2 * probeInterval)); a.probe || a.changed != nil || a.wait != refusedPause-probeInterval || a.refused == nil {
		t.Errorf("our credentials were refused: %+v", a)
	}
	h.probed(now.Add(probeInterval), &statusError{status: http.StatusServiceUnavailable, retryAfter: time.Minute})
	if a := h.admit(now.Add(2 * probeInterval)); a.probe || a.changed != nil || a.wait != time.Minute-probeInterval {
		t.Errorf("the endpoint asked for a minute: %+v", a)
	}
	if a := h.admit(now.Add(2 * time.Minute)); !a.probe || a.changed == nil {
		t.Errorf("after the minute: %+v", a)
	}
}
