// Package endpoint checks the URLs that carry a secret, or from which keys,
// tokens and decisions come: which hosts they may name, and which part of them
// may be shown.
package endpoint

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The faults of an address. None repeats it: it may hold a secret.
var (
	ErrEmpty    = errors.New("the URL is empty")
	ErrURL      = errors.New("not a URL")
	ErrAbsolute = errors.New("not an absolute URL, such as https://host/path")
	ErrUser     = errors.New("a URL must not hold user information: a user or a password")
	ErrFragment = errors.New("a URL must not have a fragment")
	ErrScheme   = errors.New("a URL must be https")
	// ErrIssuer is the fault of an identifier that no issuer has: it can't equal
	// any token's iss.
	ErrIssuer = errors.New("an issuer must not have white space or a control character, and must be UTF-8")
	// ErrPlain is the fault of plain http to another host: an attacker on the
	// network could read the secret, or substitute keys or an answer.
	ErrPlain = errors.New("plain http is refused off loopback")
)

// Check accepts an absolute https URL without user information and fragment, and
// such an http URL whose host is this one. With insecure it accepts plain http to
// any host.
func Check(address string, insecure bool) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return ErrEmpty
	case err != nil:
		return ErrURL // the parser's error repeats its input
	case u.Hostname() == "" || u.Opaque != "":
		return ErrAbsolute
	case u.User != nil:
		return ErrUser
	case strings.Contains(address, "#"):
		return ErrFragment
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return ErrScheme
	case insecure || IsLoopback(u.Hostname()):
		return nil
	default:
		return ErrPlain
	}
}

// CheckIssuer accepts every identifier of an issuer that has no white space and no
// control character, and is UTF-8. An issuer need not be a URL: Google's was
// "accounts.google.com".
func CheckIssuer(issuer string) error {
	if !utf8.ValidString(issuer) || strings.ContainsFunc(issuer, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return ErrIssuer
	}
	return nil
}

// IsLoopback reports whether a host, as [net/url.URL.Hostname] returns it, is
// this one: localhost, or an IP address of loopback, IPv4-mapped ones included.
// Other names are not resolved, and names below localhost and "localhost." not
// trusted: what they resolve to depends on the system. LOCALHOST is not trusted:
// net/http sends what is for it to the proxy that HTTP_PROXY names. An address
// with a zone is refused.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// MayName reports whether a document at one address may name another as an
// endpoint, both accepted by [Check]: what came by https leads nowhere but to
// https. Plain http is for a server that is on loopback itself, or its metadata
// could lead to whatever else listens on this host.
func MayName(document, endpoint string) bool { return !isHTTPS(document) || isHTTPS(endpoint) }

func isHTTPS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https"
}

// Public returns an address without the parts that may hold a secret: user
// information, query and fragment. It returns false if it is no URL. The result
// is not bounded.
func Public(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil {
		return "", false
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String(), true
}
