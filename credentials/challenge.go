package credentials

import "strings"

// maxChallenge bounds what is read of a server's challenges.
const maxChallenge = 8 << 10

// hasInvalidToken reports whether one of the challenges is of the scheme Bearer
// with error="invalid_token" (RFC 6750 §3.1, RFC 9110 §11.6.1). It reads
// defensively: what doesn't parse is no such challenge.
func hasInvalidToken(values []string) bool {
	for _, value := range values {
		if len(value) <= maxChallenge && challengeHasInvalidToken(value) {
			return true
		}
	}
	return false
}

func challengeHasInvalidToken(s string) bool {
	bearer := false
	for {
		s = strings.TrimLeft(s, " \t,")
		word, rest := cutToken(s)
		if word == "" {
			return false
		}
		after := strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(after, "=") {
			// A word without "=" begins the next challenge.
			bearer = strings.EqualFold(word, "Bearer")
			s = skipToken68(after, rest)
			continue
		}
		value, rest, ok := cutValue(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return false
		}
		if bearer && strings.EqualFold(word, "error") && value == "invalid_token" {
			return true
		}
		s = rest
	}
}

// skipToken68 passes over the credentials that some schemes have instead of
// parameters, such as "YWJj==". What follows the scheme is s, or else rest.
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

// cutToken takes a token of RFC 9110 §5.6.2 off the front.
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

// cutValue takes a token or a quoted string off the front.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
