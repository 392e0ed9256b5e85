package credentials_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
)

// authInfo has a security level, as the AuthInfo of transport credentials does.
type authInfo struct {
	grpccredentials.CommonAuthInfo
}

func (authInfo) AuthType() string { return "test" }

// callContext is what gRPC gives to GetRequestMetadata.
func callContext(t testing.TB, level grpccredentials.SecurityLevel, addr net.Addr) context.Context {
	t.Helper()
	ctx := within(t, time.Minute)
	if addr != nil {
		ctx = peer.NewContext(ctx, &peer.Peer{Addr: addr})
	}
	return grpccredentials.NewContextWithRequestInfo(ctx, grpccredentials.RequestInfo{
		Method:   "/docs.v1.Docs/Get",
		AuthInfo: authInfo{grpccredentials.CommonAuthInfo{SecurityLevel: level}},
	})
}

type namedAddr string

func (a namedAddr) Network() string { return string(a) }
func (a namedAddr) String() string  { return "127.0.0.1:1" }

func TestPlaintext(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 443} }
	const docs = "https://docs.mesh:8080/docs.v1.Docs"
	mesh := func(authorities ...string) func(*credentials.Config) {
		return func(c *credentials.Config) { c.InsecureMeshPlaintext = authorities }
	}
	cases := map[string]struct {
		allow func(*credentials.Config)
		level grpccredentials.SecurityLevel
		addr  net.Addr
		uri   string
		want  bool
	}{
		"private and intact":                    {nil, grpccredentials.PrivacyAndIntegrity, tcp("192.0.2.1"), docs, true},
		"no security":                           {nil, grpccredentials.NoSecurity, tcp("192.0.2.1"), docs, false},
		"no security on loopback, not opted in": {nil, grpccredentials.NoSecurity, tcp("127.0.0.1"), docs, false},
		"integrity only":                        {nil, grpccredentials.IntegrityOnly, tcp("192.0.2.1"), docs, false},
		"local: loopback":                       {localPlaintext, grpccredentials.NoSecurity, tcp("127.0.0.1"), docs, true},
		"local: 127.9.9.9":                      {localPlaintext, grpccredentials.NoSecurity, tcp("127.9.9.9"), docs, true},
		"local: IPv6 loopback":                  {localPlaintext, grpccredentials.NoSecurity, tcp("::1"), docs, true},
		"local: mapped loopback":                {localPlaintext, grpccredentials.NoSecurity, tcp("::ffff:127.0.0.1"), docs, true},
		"local: unix":                           {localPlaintext, grpccredentials.NoSecurity, &net.UnixAddr{Name: "/run/docs", Net: "unix"}, docs, true},
		"local: bufconn":                        {localPlaintext, grpccredentials.NoSecurity, namedAddr("bufconn"), docs, true},
		"local: another host":                   {localPlaintext, grpccredentials.NoSecurity, tcp("192.0.2.1"), docs, false},
		"local: private network":                {localPlaintext, grpccredentials.NoSecurity, tcp("10.0.0.1"), docs, false},
		"local: unspecified":                    {localPlaintext, grpccredentials.NoSecurity, tcp("0.0.0.0"), docs, false},
		"local: an address that only looks so":  {localPlaintext, grpccredentials.NoSecurity, namedAddr("tcp"), docs, false},
		"local: no peer":                        {localPlaintext, grpccredentials.NoSecurity, nil, docs, false},
		"local: authority says localhost":       {localPlaintext, grpccredentials.NoSecurity, tcp("192.0.2.1"), "https://localhost/docs.v1.Docs", false},
		"mesh: named":                           {mesh("docs.mesh:8080"), grpccredentials.NoSecurity, tcp("192.0.2.1"), docs, true},
		"mesh: another port":                    {mesh("docs.mesh"), grpccredentials.NoSecurity, tcp("192.0.2.1"), docs, false},
		"mesh: port 443 is left out":            {mesh("docs.mesh:443"), grpccredentials.NoSecurity, tcp("192.0.2.1"), "https://docs.mesh/docs.v1.Docs", true},
		"mesh: a prefix":                        {mesh("docs.mesh:8080"), grpccredentials.NoSecurity, tcp("192.0.2.1"), "https://docs.mesh:8080.evil.test/docs.v1.Docs", false},
		"mesh: not named, loopback":             {mesh("docs.mesh:8080"), grpccredentials.NoSecurity, tcp("127.0.0.1"), "https://other/docs.v1.Docs", false},
		"mesh: empty name, no URI":              {mesh("", "docs.mesh"), grpccredentials.NoSecurity, tcp("192.0.2.1"), "", false},
		"mesh: a port without a name, no URI":   {mesh(":443", "docs.mesh"), grpccredentials.NoSecurity, tcp("192.0.2.1"), "", false},
		"mesh: TLS elsewhere":                   {mesh("docs.mesh:8080"), grpccredentials.PrivacyAndIntegrity, tcp("192.0.2.1"), "https://other/docs.v1.Docs", true},
	}
	for name, c := range cases {
		bubble(t, "row 50: refused before a token is fetched: "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, c.allow)
			md, err := creds.GetRequestMetadata(callContext(t, c.level, c.addr), c.uri)
			if c.want {
				if err != nil || md["authorization"] == "" {
					t.Fatal(md, err)
				}
				return
			}
			wantError(t, err, credentials.KindInsecure, codes.Unauthenticated)
			if n := i.Requests(token); n != 0 {
				t.Fatalf("%d requests", n)
			}
		})
	}
	bubble(t, "row 50: refused without gRPC's own context", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		_, err := creds.GetRequestMetadata(within(t, time.Second), docs)
		wantError(t, err, credentials.KindInsecure, codes.Unauthenticated)
	})
	bubble(t, "row 50: WithToken does not open a plaintext connection", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		ctx := credentials.WithToken(callContext(t, grpccredentials.NoSecurity, tcp("192.0.2.1")), "abc")
		_, err := creds.GetRequestMetadata(ctx, docs)
		wantError(t, err, credentials.KindInsecure, codes.Unauthenticated)
	})
	bubble(t, "row 50: without the option gRPC refuses to build the connection", func(t *testing.T) {
		creds := newCreds(t, newIssuer(t), nil)
		if !creds.RequireTransportSecurity() {
			t.Fatal("plaintext is allowed by default")
		}
		_, err := grpc.NewClient("docs.test", append(creds.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err == nil {
			t.Fatal("a plaintext connection was built")
		}
	})
	t.Run("row 50: as call credentials on a plaintext connection", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		client := (&guarded{}).inProcess(t)
		err := check(within(t, 5*time.Second), client, grpc.PerRPCCredentials(creds))
		if status.Code(err) != codes.Unauthenticated || i.Requests(token) != 0 {
			t.Fatal(err, i.Requests(token))
		}
	})
	t.Run("row 50: local plaintext over a unix socket and over loopback", func(t *testing.T) {
		for _, network := range []string{"unix", "tcp"} {
			address, target := "127.0.0.1:0", ""
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
				target = "unix://" + address
			}
			lis, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			if target == "" {
				target = lis.Addr().String()
			}
			srv := (&guarded{}).server()
			served := make(chan struct{})
			go func() {
				defer close(served)
				_ = srv.Serve(lis)
			}()
			creds := newCreds(t, newIssuer(t), localPlaintext)
			conn, err := grpc.NewClient(target, append(creds.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
			if err != nil {
				t.Fatal(err)
			}
			if err := check(within(t, 5*time.Second), healthv1.NewHealthClient(conn)); err != nil {
				t.Errorf("%s: %v", network, err)
			}
			conn.Close()
			srv.Stop()
			<-served
		}
	})
}
