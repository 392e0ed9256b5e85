package retryafter_test

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/usher-auth/usher/internal/retryafter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Unix(1_700_000_000, 0)

func at(d time.Duration) string { return epoch.Add(d).UTC().Format(http.TimeFormat) }

// Before there was one reader, package credentials, package verify and the
// engines had one each. All three agree on the rows without a remark.
func TestOf(t *testing.T) {
	const limit = retryafter.MaxIssuer
	for name, c := range map[string]struct {
		value, date string
		want        time.Duration
	}{
		"nothing":            {"", "", 0},
		"zero":               {"0", "", 0},
		"seconds":            {"7", "", 7 * time.Second},
		"the limit":          {"300", "", limit},
		"above the limit":    {"301", "", limit},
		"31 bits":            {"2147483647", "", limit},
		"33 bits":            {"9999999999999", "", limit},       // verify and the engines took it for nothing
		"63 bits":            {"9223372036854775807", "", limit}, // verify and the engines took it for nothing
		"no integer":         {"99999999999999999999", "", 0},
		"white space around": {" 7\t", "", 7 * time.Second}, // credentials alone; net/http trims what it reads
		"negative":           {"-1", "", 0},
		"a sign":             {"+7", "", 0},
		"a fraction":         {"7.5", "", 0},
		"an exponent":        {"7e1", "", 0},
		"hexadecimal":        {"0x7", "", 0},
		"an underscore":      {"1_0", "", 0},
		"two values":         {"7, 8", "", 0},
		"garbage":            {"soon", "", 0},
		"a date":             {at(time.Minute), "", time.Minute},
		"a date gone by":     {at(-time.Minute), "", 0},
		"a date far away":    {at(time.Hour), "", limit},
		"years away":         {"Fri, 31 Dec 9999 23:59:59 GMT", "", limit},
		"the year 1":         {"Mon, 01 Jan 0001 00:00:00 GMT", "", 0},
		"not quite a date":   {"Tue, 14 Nov 2023 22:14:20", "", 0},
		// By the server's own clock: credentials alone.
		"a clock ahead":           {at(time.Hour), at(time.Hour - time.Minute), time.Minute},
		"a clock behind":          {at(-time.Hour), at(-time.Hour - time.Minute), time.Minute},
		"gone by on that clock":   {at(time.Minute), at(time.Hour), 0},
		"a Date that is no date":  {at(time.Minute), "today", time.Minute},
		"seconds beside any Date": {"7", at(time.Hour), 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if c.value != "" {
				header.Set("Retry-After", c.value)
			}
			if c.date != "" {
				header.Set("Date", c.date)
			}
			if got := retryafter.Of(header, epoch, limit); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzOf(f *testing.F) {
	f.Add("7", "")
	f.Add(at(time.Minute), at(0))
	f.Add("-1", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Add("18446744073709551615", "x")
	f.Fuzz(func(t *testing.T, value, date string) {
		for _, limit := range []time.Duration{0, time.Millisecond, retryafter.MaxEngine, retryafter.MaxIssuer} {
			got := retryafter.Of(http.Header{"Retry-After": {value}, "Date": {date}}, epoch, limit)
			if got < 0 || got > limit {
				t.Fatalf("%q at %q: %v of at most %v", value, date, got, limit)
			}
		}
	})
}
