package dial

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/internal/endpoint"
)

// Engine is a kind of engine.
type Engine string

// The engines, as URLs name them.
const (
	OpenFGA  Engine = "openfga"
	SpiceDB  Engine = "spicedb"
	AuthZEN  Engine = "authzen"
	LumoAuth Engine = "lumoauth"
)

// The URLs that [Parse] takes. Without TLS, grpc is grpc+plaintext and https is http, for
// an engine on this machine; within a mesh that encrypts, they are grpc+insecure-plaintext
// and insecure-http.
const (
	GRPCForms = "openfga+grpc://HOST:PORT/STORE[?model=ID], spicedb+grpc://HOST:PORT"
	HTTPForms = "authzen+https://HOST/PATH, lumoauth+https://HOST/ORGANIZATION"
)

// maxURL bounds a URL, in bytes.
const maxURL = 2048

var (
	errLong     = fmt.Errorf("an engine's URL has at most %d bytes", maxURL)
	errUser     = errors.New("an engine's URL holds no user and no password: set " + TokenVariable + " or " + TokenFileVariable)
	errFragment = errors.New("an engine's URL has no #fragment")
	errHost     = errors.New("the engine's URL names no host, or none that could be one")
	errPort     = errors.New("the engine's URL names no port from 1 to 65535")
	errPlain    = errors.New("plain text is only for an engine on this machine: use TLS, or within a mesh that encrypts +insecure-plaintext or +insecure-http")
)

// security is how the connection to an engine is protected.
type security int

const (
	encrypted security = iota
	plaintext          // on this machine alone
	insecurePlaintext
)

// schemes are what follows the engine in a URL's scheme.
var schemes = map[string]security{
	"grpc": encrypted, "grpc+plaintext": plaintext, "grpc+insecure-plaintext": insecurePlaintext,
	"https": encrypted, "http": plaintext, "insecure-http": insecurePlaintext,
}

// Target is where an engine is. It is read-only.
type Target struct {
	// Engine is the kind of engine.
	Engine Engine
	// Store is the id of OpenFGA's store.
	Store string
	// Model is the id of OpenFGA's model. Empty for the newest.
	Model string
	// EncodeIDs reports whether ids are encoded for SpiceDB.
	EncodeIDs bool
	// Organization is LumoAuth's.
	Organization string

	scheme, host, path string // as they are shown
	security           security
	loopback           bool
}

// Parse returns the engine that a URL names. Forms are the URLs that an error says there
// are. No error shows the URL, but for an unknown scheme.
func Parse(raw, forms string) (*Target, error) {
	if len(raw) > maxURL {
		return nil, errLong
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.Host == "" {
		// The error of url.Parse repeats the URL, which may have been given a secret.
		return nil, fmt.Errorf("an engine's URL is one of %s", forms)
	}
	engine, scheme, _ := strings.Cut(u.Scheme, "+")
	t := &Target{Engine: Engine(engine), scheme: u.Scheme, host: u.Host, path: strings.TrimSuffix(u.EscapedPath(), "/"), loopback: endpoint.IsLoopback(u.Hostname())}
	var known bool
	t.security, known = schemes[scheme]
	switch {
	case !known || !t.Engine.known() || t.Engine.grpc() != strings.HasPrefix(scheme, "grpc"):
		return nil, fmt.Errorf("there is no scheme %q; an engine's URL is one of %s", u.Scheme, forms)
	case u.User != nil:
		return nil, errUser
	case strings.Contains(raw, "#"):
		return nil, errFragment
	case !isHost(u.Hostname()):
		return nil, errHost
	case !isPort(u.Port()) && (u.Port() != "" || t.Engine.grpc()):
		return nil, errPort
	case t.security == plaintext && !t.loopback:
		return nil, errPlain
	}
	if err := t.setPath(strings.TrimPrefix(strings.TrimSuffix(u.Path, "/"), "/")); err != nil {
		return nil, err
	}
	if err := t.setQuery(u.RawQuery); err != nil {
		return nil, err
	}

	return t, nil
}

// String returns the URL without its query.
func (t *Target) String() string { return t.scheme + "://" + t.host + t.path }

func (e Engine) known() bool { return e.grpc() || e == AuthZEN || e == LumoAuth }

// grpc reports whether the engine is asked over gRPC.
func (e Engine) grpc() bool { return e == OpenFGA || e == SpiceDB }

// needsKey reports whether the engine answers nobody without a token or key.
func (e Engine) needsKey() bool { return e == SpiceDB || e == LumoAuth }

// exposed reports whether others on the network can read what is sent.
func (t *Target) exposed() bool { return t.security != encrypted && !t.loopback }

// setPath takes a path without a slash at either end.
func (t *Target) setPath(path string) error {
	one := path != "" && !strings.Contains(path, "/")
	switch t.Engine {
	case OpenFGA:
		if t.Store = path; !one {
			return errors.New("name the store: openfga+grpc://HOST:PORT/STORE")
		}
	case SpiceDB:
		if path != "" {
			return errors.New("SpiceDB has no path: spicedb+grpc://HOST:PORT")
		}
	case LumoAuth:
		if t.Organization = path; !one {
			return errors.New("name the organization: lumoauth+https://HOST/ORGANIZATION")
		}
	case AuthZEN:
	}

	return nil
}

// setQuery takes the parameters that the engine has, each at most once.
func (t *Target) setQuery(query string) error {
	parameter := map[Engine]string{OpenFGA: "model", SpiceDB: "encode_ids"}[t.Engine]
	values, err := url.ParseQuery(query)
	value := values.Get(parameter)
	switch {
	case query == "":
		return nil
	case parameter == "":
		return errors.New("the engine's URL has no query")
	case err != nil || len(values) != 1 || len(values[parameter]) != 1:
		// The query isn't shown: a token may have been written there.
		return errors.New("the only parameter of the engine's URL is " + parameter + ", once")
	case t.Engine == OpenFGA:
		t.Model = value
	case value != "" && value != "true" && value != "false":
		return errors.New("encode_ids is true or false")
	default:
		t.EncodeIDs = value == "true"
	}

	return nil
}

// isHost reports whether a host is an IP address without a zone, or could be a DNS name.
func isHost(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Zone() == ""
	}

	return host != "" && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

func isPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)

	return err == nil && number != 0
}
