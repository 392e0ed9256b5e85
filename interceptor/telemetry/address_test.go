package telemetry_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/testing/testpb"
	"go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/interceptor"
	"github.com/usher-auth/usher/interceptor/interceptortest"
	"github.com/usher-auth/usher/interceptor/telemetry"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// Behind a proxy a record has both the proxy's address and the caller's; without one
// it has the connection's, once. Neither is a label.
func TestRecordsOfAddresses(t *testing.T) {
	const caller = "203.0.113.9"
	for name, test := range map[string]struct {
		from, method  string
		peer, peerIP  any
		value, header string
		want          codes.Code
	}{
		"a refusal behind a proxy":                   {"10.0.0.1", "Ping", "10.0.0.1:49152", caller, "2", caller, codes.PermissionDenied},
		"a refusal without a proxy":                  {"192.0.2.1", "Ping", "192.0.2.1:49152", nil, "2", caller, codes.PermissionDenied},
		"a refusal behind a proxy that is silent":    {"10.0.0.1", "Ping", "10.0.0.1:49152", nil, "2", "unknown", codes.PermissionDenied},
		"a grant by a rule that reads the address":   {"10.0.0.1", "Ping", nil, caller, "1", caller, codes.OK},
		"a grant by a rule that doesn't read one":    {"10.0.0.1", "PingEmpty", nil, nil, "", caller, codes.OK},
		"the same, without a proxy":                  {"192.0.2.1", "PingEmpty", nil, nil, "", caller, codes.OK},
		"a grant by an address that isn't forwarded": {"192.0.2.1", "Ping", nil, "192.0.2.1", "1", caller, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			log, reader := &lines{}, metric.NewManualReader()
			tel, err := telemetry.New(telemetry.Config{
				Audit: slog.New(slog.NewJSONHandler(log, nil)), MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
			})
			if err != nil {
				t.Fatal(err)
			}
			cfg := config(tel)
			cfg.Authz.Rules[1].Rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "ip", Value: "{$peer.ip}"}}
			cfg.Interceptor = interceptor.Config{Observer: tel.Interceptor, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
			client := testpb.NewTestServiceClient(interceptortest.New(t, cfg).AsFrom(authztest.User("alice"), netip.MustParseAddr(test.from)))
			ctx := metadata.AppendToOutgoingContext(timeout(t), "x-forwarded-for", test.header)
			if test.method == "Ping" {
				_, err = client.Ping(ctx, &testpb.PingRequest{Value: test.value})
			} else {
				_, err = client.PingEmpty(ctx, &testpb.PingEmptyRequest{})
			}
			if status.Code(err) != test.want {
				t.Fatal(err)
			}
			records := log.records(t)
			if len(records) != 1 || records[0]["peer"] != test.peer || records[0]["peer_ip"] != test.peerIP {
				t.Errorf("records %v", records)
			}
			for _, series := range dump(t, reader) {
				if strings.Contains(series, caller) || strings.Contains(series, test.from) {
					t.Errorf("an address is a label: %s", series)
				}
			}
		})
	}
}
