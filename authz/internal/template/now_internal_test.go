package template

import (
	"strings"
	"testing"
	"time"
)

// nowIn parses a context value without a message.
func nowIn(t *testing.T, text string) *Template {
	t.Helper()
	parsed, bad := Parse(text, RoleContext, kindsInput())
	if bad != nil {
		t.Fatalf("%s: column %d: %s; %s", text, bad.Column, bad.Problem, bad.Fix)
	}

	return parsed
}

func TestNowIsTruncatedInUTC(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.FixedZone("half past", -(5*3600+1800)))
	for text, want := range map[string]string{
		"{$now}":           "2030-01-02T08:34:05Z",
		"{$now|second}":    "2030-01-02T08:34:05Z",
		"{$now|minute}":    "2030-01-02T08:34:00Z",
		"{$now|hour}":      "2030-01-02T08:00:00Z",
		"{$now|day}":       "2030-01-02T00:00:00Z",
		"at {$now|day}, x": "at 2030-01-02T00:00:00Z, x",
	} {
		in := Input{Now: func() time.Time { return now }, Principal: claims{}}
		if got, st, _, _ := nowIn(t, text).Value(&in); st != StatusOK || got != want {
			t.Errorf("%s: got %q, status %d; want %q", text, got, st, want)
		}
	}
	// A day is the calendar's, also before 1970.
	early := Input{Now: func() time.Time { return time.Date(1969, 12, 31, 23, 59, 59, 999, time.UTC) }}
	if got, _, _, _ := nowIn(t, "{$now|day}").Value(&early); got != "1969-12-31T00:00:00Z" {
		t.Errorf("got %v", got)
	}
}

func TestVolatileTemplatesReadTheTimeAsItIs(t *testing.T) {
	for text, want := range map[string]bool{
		"{$now}": true, "x {$now}": true, "{$now|day} to {$now}": true,
		"{$now|second}": false, "{$now|day}": false, "{text}": false, "fixed": false, "{$peer.ip}": false,
	} {
		if got := nowIn(t, text).Volatile(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestTruncationIsForNow(t *testing.T) {
	for text, want := range map[string]struct {
		column      int
		problem, of string
	}{
		"{text|minute}":       {5, "|minute is for {$now}", "leave"},
		"{$sub|day}":          {5, "|day is for {$now}", "leave"},
		"{$claim.a|second}":   {9, "|second is for {$now}", "leave"},
		"{$peer.ip|hour}":     {9, "|hour is for {$now}", "leave"},
		"{$now|uuid}":         {5, "$now has no formatter |uuid", "second, minute, hour or day"},
		"{$now|name(a/{})}":   {5, "$now has no formatter |name(a/{})", "second, minute, hour or day"},
		"{$now|week}":         {6, "there is no formatter week", "second, minute, hour or day"},
		"{$now|}":             {6, "there is no formatter", "second, minute, hour or day"},
		"{$now|minute|hour}":  {6, "there is no formatter minute|hour", "second, minute, hour or day"},
		"{text|week}":         {6, "there is no formatter week", "uuid or name"},
		"{$issuer|uuid}":      {8, "$issuer has no formatter", "leave"},
		"x {text|minute} {b}": {7, "|minute is for {$now}", "leave"},
	} {
		_, bad := Parse(text, RoleContext, kindsInput())
		if bad == nil {
			t.Errorf("%s is no fault", text)

			continue
		}
		if bad.Column != want.column || !strings.Contains(bad.Problem, want.problem) || !strings.Contains(bad.Fix, want.of) {
			t.Errorf("%s: got %+v", text, *bad)
		}
	}
	if _, bad := Parse("d:{$now|minute}", RoleObject, kindsInput()); bad == nil || !strings.Contains(bad.Problem, "can't stand in an object") {
		t.Errorf("got %+v", bad)
	}
}
