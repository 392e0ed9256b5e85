package credentials

import "strings"

// maxChallenge bounds the length of a header value with challenges, in bytes.
const maxChallenge = 8 << 10

// hasInvalidToken reports whether one of the challenges has the scheme Bearer
// and error="invalid_token" (RFC 6750 §3.1, RFC 9110 §11.6.1). Parsing is
// strict: a value that doesn't parse to its end has no such challenge, and
// neither has one that RFC 6750 §3 doesn't allow, with two errors or with a
// backslash in one. So a server that filters foreign challenges doesn't need to
// unescape them.
func hasInvalidToken(values []string) bool {
	for _, value := range values {
		if len(value) <= maxChallenge && challengeHasInvalidToken(value) {
			return true
		}
	}
	return false
}

func challengeHasInvalidToken(s string) bool {
	bearer, errs, invalid := false, 0, false
	found := false
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return found || invalid && errs == 1
		}
		word, rest := cutToken(s)
		if word == "" {
			return false
		}
		after := strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(after, "=") {
			// A word without "=" begins the next challenge.
			found = found || invalid && errs == 1
			bearer, errs, invalid = strings.EqualFold(word, "Bearer"), 0, false
			s = skipToken68(after, rest)
			continue
		}
		value, rest, ok := cutValue(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return false
		}
		if bearer && strings.EqualFold(word, "error") {
			errs++
			invalid = value == `"invalid_token"` || value == "invalid_token"
		}
		s = rest
	}
}

// skipToken68 skips the credentials that some schemes have instead of
// parameters, such as "YWJj==", and returns what follows. The text after the
// scheme is s; if it has no such credentials, the result is rest.
func skipToken68(s, rest string) string {
	end := strings.IndexFunc(s, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return false
		}
		return !strings.ContainsRune("-._~+/", r)
	})
	if end < 0 {
		end = len(s)
	}
	after := strings.TrimLeft(strings.TrimLeft(s[end:], "="), " \t")
	if end == 0 || after != "" && after[0] != ',' {
		return rest
	}
	return after
}

// cutToken cuts a leading token (RFC 9110 §5.6.2) off s.
func cutToken(s string) (token, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return false
		}
		return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

// cutValue cuts a leading token or quoted string off s, without unescaping it.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return s[:i+1], s[i+1:], true
		case '\\':
			i++ // an escaped character doesn't end the string
		}
	}
	return "", "", false
}
