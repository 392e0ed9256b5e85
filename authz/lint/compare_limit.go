package lint

import (
	"math/bits"
	"strconv"
	"time"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// ratesLimited compares the rate limits.
func ratesLimited(old, new *authzv1.RateLimit) []Difference { //nolint:predeclared // the words for it
	switch {
	case old == nil && new == nil:
		return nil
	case new == nil:
		return []Difference{{Looser, "rate_limit", "now also: calls beyond " + quotaWords(old)}}
	case old == nil:
		return []Difference{{Tighter, "rate_limit", "no longer: calls beyond " + quotaWords(new)}}
	}
	var looser, tighter bool
	mark := func(order int) { looser, tighter = looser || order < 0, tighter || order > 0 }
	mark(compareRates(old, new))
	mark(burstOf(old) - burstOf(new))
	const method = authzv1.RateLimit_KEY_METHOD
	switch was, is := old.GetKey(), new.GetKey(); {
	case was == is:
	case was == method:
		mark(-1) // each caller has of its own what all had together
	case is == method:
		mark(+1)
	default:
		mark(-1)
		mark(+1)
	}
	scope := func(l *authzv1.RateLimit) int {
		if l.GetScope() == authzv1.RateLimit_SCOPE_PROCESS {
			return 0
		}

		return 1
	}
	mark(scope(new) - scope(old))
	words := quotaWords(new) + " instead of " + quotaWords(old)
	switch {
	case looser && tighter:
		return []Difference{{Both, "rate_limit", "now also, and no longer: calls within " + words}}
	case looser:
		return []Difference{{Looser, "rate_limit", "now also: calls within " + words}}
	case tighter:
		return []Difference{{Tighter, "rate_limit", "no longer: calls beyond " + words}}
	default:
		return nil
	}
}

// compareRates returns less than zero if the new limit allows more calls in the long run.
func compareRates(old, new *authzv1.RateLimit) int { //nolint:predeclared // the words for it
	period := func(l *authzv1.RateLimit) uint64 { return uint64(max(l.GetPer().AsDuration(), 0)) }
	oldHigh, oldLow := bits.Mul64(uint64(old.GetRequests()), period(new))
	newHigh, newLow := bits.Mul64(uint64(new.GetRequests()), period(old))
	switch {
	case oldHigh == newHigh && oldLow == newLow:
		return 0
	case newHigh > oldHigh || newHigh == oldHigh && newLow > oldLow:
		return -1
	default:
		return 1
	}
}

// burstOf returns how many calls may come at once.
func burstOf(l *authzv1.RateLimit) int {
	if l.GetBurst() > 0 {
		return int(l.GetBurst())
	}

	return int(l.GetRequests())
}

// quotaWords returns a limit in words, as in "10 every 1s for each client".
func quotaWords(l *authzv1.RateLimit) string {
	text := strconv.Itoa(int(l.GetRequests())) + " every " + spanOf(max(l.GetPer().AsDuration(), time.Duration(0)))
	if l.GetBurst() > 0 && l.GetBurst() != l.GetRequests() {
		text += ", " + strconv.Itoa(int(l.GetBurst())) + " at once,"
	}
	switch l.GetKey() {
	case authzv1.RateLimit_KEY_CLIENT:
		text += " for each client"
	case authzv1.RateLimit_KEY_SUBJECT:
		text += " for each subject"
	case authzv1.RateLimit_KEY_METHOD, authzv1.RateLimit_KEY_UNSPECIFIED:
		text += " for all callers"
	default:
		text += " for all callers"
	}
	if l.GetScope() == authzv1.RateLimit_SCOPE_PROCESS {
		text += " in each process"
	}

	return text
}
