package verify

import (
	"errors"
	"strings"
	"sync"
)

var registeredHeaders = []string{
	"alg", "typ", "cty", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc",
}

// header holds what is used of the decoded JOSE header. Keys and addresses of
// keys in the header (jwk, jku, x5u, x5c) are an attacker's input and are not
// read.
type header struct {
	alg    algSet
	named  string // alg as it is in the header
	kid    string
	hasKid bool
	typ    string
	hasTyp bool
}

// compact is a token in its three parts.
type compact struct {
	token              string
	headerEnd, bodyEnd int
}

func (c *compact) header() string    { return c.token[:c.headerEnd] }
func (c *compact) payload() string   { return c.token[c.headerEnd+1 : c.bodyEnd] }
func (c *compact) input() string     { return c.token[:c.bodyEnd] }
func (c *compact) signature() string { return c.token[c.bodyEnd+1:] }

// split checks size, characters and form of a compact JWS (RFC 7515 §7.1),
// without decoding anything.
func split(token string, limit int) (compact, *Error) {
	if len(token) > limit {
		return compact{}, errTokenSize
	}
	first := strings.IndexByte(token, '.')
	if first <= 0 {
		return compact{}, errTokenForm
	}
	second := strings.IndexByte(token[first+1:], '.')
	if second <= 0 {
		return compact{}, errTokenForm
	}
	c := compact{token: token, headerEnd: first, bodyEnd: first + 1 + second}
	if c.bodyEnd == len(token)-1 || strings.IndexByte(c.signature(), '.') >= 0 {
		return compact{}, errTokenForm
	}
	// The standard decoder skips these two characters and refuses all others.
	if strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return compact{}, errTokenCharset
	}
	return c, nil
}

// decodePart decodes a part that split has returned.
func decodePart(part string) (string, *Error) {
	buffer := decodeBuffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer decodeBuffers.Put(buffer)
	out, err := base64URL.AppendDecode((*buffer)[:0], []byte(part))
	*buffer = out
	if err != nil {
		return "", errTokenEncoding
	}
	return string(out), nil
}

// decodeBuffers hold a decoded part until it has become a string.
var decodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// decodeHeader decodes a header strictly and refuses what this package does not
// implement. The algorithm must be one of allowed. The size of the header is
// bounded by that of the token: a certificate chain (x5c) in it is legal, and
// is not read.
func decodeHeader(part string, allowed algSet) (*header, *Error) {
	text, refused := decodePart(part)
	if refused != nil {
		return nil, refused
	}
	members, err := decodeObject(text, make([]member, 0, 8))
	if err != nil {
		if errors.Is(err, errJSONDuplicate) {
			return nil, errHeaderMember
		}
		return nil, errHeaderJSON
	}
	h := &header{}
	for i := range members {
		m := &members[i]
		if imitates(m.name, registeredHeaders) {
			return nil, errHeaderMember
		}
		if refused := h.take(m); refused != nil {
			if refused == errHeaderAlg {
				refused = refuseAlg(h.named, allowed)
			}
			return nil, refused
		}
	}
	if h.alg&allowed == 0 {
		return nil, refuseAlg(h.named, allowed)
	}
	return h, nil
}

func (h *header) take(m *member) *Error {
	var ok bool
	switch m.name {
	case "alg":
		h.named, ok = stringValue(m.value)
		if h.alg = setOf(Algorithm(h.named)); !ok || h.alg == 0 {
			return errHeaderAlg
		}
	case "kid":
		if h.kid, ok = stringValue(m.value); !ok || len(h.kid) > maxKid {
			return errHeaderKid
		}
		h.hasKid = true
	case "typ":
		if h.typ, ok = stringValue(m.value); !ok {
			return errHeaderTyp
		}
		h.hasTyp = true
	case "crit": // no extension is implemented, and an empty list is not allowed (RFC 7515 §4.1.11)
		return errHeaderCrit
	case "b64": // RFC 7797 requires that it is in crit as well, whatever its value
		return errHeaderB64
	case "cty", "enc", "zip":
		return errHeaderCty
	}
	return nil
}

// decoded is a token after the strict decoding. Nothing in it is verified.
type decoded struct {
	parts     compact
	header    *header
	claims    *claims
	signature []byte // only once the claims have been checked
}

// decode checks form and size, then decodes header and claims. A cached header
// may have an algorithm that isn't in allowed: see checkHeader.
func decode(token string, limit int, allowed algSet, headers *headerCache) (*decoded, *Error) {
	parts, refused := split(token, limit)
	if refused != nil {
		return nil, refused
	}
	d := &decoded{parts: parts}
	if d.header = headers.get(parts.header()); d.header == nil {
		if d.header, refused = decodeHeader(parts.header(), allowed); refused != nil {
			return nil, refused
		}
	}
	text, refused := decodePart(parts.payload())
	if refused != nil {
		return nil, refused
	}
	if d.claims, refused = decodeClaims(text); refused != nil {
		return nil, refused
	}
	return d, nil
}
