package verify

import (
	"net/http"
	"testing"
	"time"
)

func TestCacheLife(t *testing.T) {
	for value, c := range map[string]struct {
		want time.Duration
		ok   bool
	}{
		"": {0, false}, "public": {0, false}, "max-age=60": {time.Minute, true}, "Public, Max-Age=60": {time.Minute, true}, `max-age="60"`: {time.Minute, true},
		"no-store": {0, true}, "no-cache, max-age=60": {0, true}, "max-age=": {0, true}, "max-age=-1": {0, true}, "s-maxage=60": {0, false},
	} {
		if got, ok := cacheLife(http.Header{"Cache-Control": {value}}); got != c.want || ok != c.ok {
			t.Errorf("%q: %v, %t", value, got, ok)
		}
	}
	for age, want := range map[string]time.Duration{"20": 40 * time.Second, "90": 0, "x": time.Minute} {
		if got, _ := cacheLife(http.Header{"Cache-Control": {"max-age=60"}, "Age": {age}}); got != want {
			t.Errorf("Age %q: %v", age, got)
		}
	}
}
