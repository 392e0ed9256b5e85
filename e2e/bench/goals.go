package main

import "slices"

// Units of the report.
const (
	ratio  = "ratio"
	nanos  = "ns"
	micros = "µs"
	millis = "ms"
	allocs = "allocs"
	bytesN = "B"
	count  = ""
)

// titles of the goals.
var titles = map[int]string{
	1:  "throughput of a warm, authenticated and authorized call against the same call without an interceptor",
	2:  "server processor time of that call",
	3:  "the warm interceptor alone: token hit, rule, decision hit",
	4:  "verifying a token that was never seen, against its signature alone",
	5:  "refusals, against a signature check",
	6:  "cache of verified tokens",
	7:  "decision cache, with 10,000 entries",
	8:  "one long stream, messages a second against no interceptor",
	9:  "GetRequestMetadata",
	10: "crowds at the token endpoint",
	11: "key sets",
	12: "64 callers with one fresh token",
	13: "an uncached relation check against the engine's own client",
}

// goals is the whole report, in order.
func goals() []goal {
	return slices.Concat(callGoals(), interceptorGoals(), verifyGoals(), cacheGoals(), streamGoals(), clientGoals(), keySetGoals(), engineGoals())
}

func callGoals() []goal {
	var throughput, cpu []goal
	for _, n := range []struct {
		bench, name string
		throughput  float64
	}{
		{"net=tcp/callers=1", "TCP, 1 caller", 0.98},
		{"net=tcp/callers=64", "TCP, 64 callers", 0.98},
		{"net=tcp+tls/callers=1", "TLS, 1 caller", 0.98},
		{"net=tcp+tls/callers=64", "TLS, 64 callers", 0.98},
		{"net=memory/callers=1", "in memory, 1 caller", 0.97},
		{"net=memory/callers=64", "in memory, 64 callers", 0.97},
	} {
		bench := "Call/" + n.bench
		throughput = append(throughput, want(1, n.name, of("wire", bench, "throughput-ratio"), atLeast, n.throughput, ratio).
			controlled("wire", bench, "throughput-control").onEdge())
		if n.throughput == 0.98 { // in memory the client's time is in it
			cpu = append(cpu, want(2, n.name, of("wire", bench, "cpu-ratio"), atMost, 1.04, ratio).
				controlled("wire", bench, "cpu-control"))
		}
	}
	for _, p := range []struct{ bench, name string }{
		{"middleware+jwx", "go-grpc-middleware auth with jwx jwt.Parse"},
		{"middleware+golang-jwt", "go-grpc-middleware auth with golang-jwt"},
	} {
		for _, callers := range []string{"1", "64"} {
			bench := "Peer/" + p.bench + "/net=tcp/callers=" + callers
			throughput = append(throughput, peer(1, p.name+", TCP, "+callers, of("wire", bench, "throughput-ratio"), ratio))
			cpu = append(cpu, peer(2, p.name+", TCP, "+callers, of("wire", bench, "cpu-ratio"), ratio))
		}
	}

	return append(throughput, cpu...)
}

func interceptorGoals() []goal {
	const warm = "Interceptor/rule=check"

	return []goal{
		want(3, "fields by reflection", of("interceptor", warm, "ns/op"), atMost, 200, nanos).onEdge(),
		{
			number: 3, what: "fields by a typed accessor", relation: atMost, bound: 100, unit: nanos,
			absent: "rules read fields by resolved descriptors only: there is no typed accessor",
		},
		want(3, "allocations", of("interceptor", warm, "allocs/op"), atMost, 2, allocs),
		want(3, "allocated", of("interceptor", warm, "B/op"), atMost, 48, bytesN).slackOf(1),
		// The runtime's own allocations meanwhile are a few hundredths of a call's.
		want(3, "allocations of a whole call over one without", of("wire", "Call/net=tcp/callers=1", "allocs-over"), atMost, 4, allocs).slackOf(0.1),
	}
}

func verifyGoals() []goal {
	var cold, refusals []goal
	for _, alg := range []struct {
		name  string
		bound float64
	}{{"RS256", 1.08}, {"ES256", 1.05}, {"EdDSA", 1.05}} {
		cold = append(cold, want(4, alg.name, of("verify", "Cold/"+alg.name, ratio), atMost, alg.bound, ratio).
			controlled("verify", "Cold/"+alg.name+"/control", ratio))
		refusals = append(refusals,
			want(5, alg.name+": unknown kid, expired or foreign issuer (the worst)",
				eachOf("verify", "Refusal/"+alg.name+"/", "of-a-check", "unknown-kid", "expired", "foreign-issuer"), atMost, 0.05, ratio),
			want(5, alg.name+": bad signature", of("verify", "Cold/"+alg.name+"/bad-signature", ratio), atMost, 1.06, ratio).
				controlled("verify", "Cold/"+alg.name+"/control", ratio))
	}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		cold = append(cold,
			peer(4, "jwx jwt.Parse, "+alg, of("verify", "Peers/jwx/"+alg, ratio), ratio),
			peer(4, "golang-jwt, "+alg, of("verify", "Peers/golang-jwt/"+alg, ratio), ratio))
	}
	malformed := []string{"malformed/two-parts", "malformed/no-token", "malformed/too-large"}

	return slices.Concat(cold, []goal{
		want(5, "malformed (the worst)", eachOf("verify", "Refusal/RS256/", "ns/op", malformed...), atMost, 100, nanos),
		want(5, "malformed, allocations", eachOf("verify", "Refusal/RS256/", "allocs/op", malformed...), exactly, 0, allocs),
	}, refusals)
}

func cacheGoals() []goal {
	return []goal{
		want(6, "hit by the same pointer", of("verify", "Cache/hit/same-pointer", "ns/op"), atMost, 35, nanos),
		want(6, "hit by another pointer", of("verify", "Cache/hit/other-pointer", "ns/op"), atMost, 90, nanos),
		want(6, "allocations of a hit", eachOf("verify", "Cache/hit/", "allocs/op", "same-pointer", "other-pointer"), exactly, 0, allocs),
		want(6, "insert", of("verify", "Cache/insert", "ns/op"), atMost, 300, nanos),
		want(6, "hits of hot tokens under a 5:1 flood", of("verify", "Cache/hot-under-flood", "hit-rate"), atLeast, 0.99, ratio),
		want(7, "hit", of("authz", "CacheHit", "ns/op"), atMost, 75, nanos),
		want(7, "allocations of a hit", of("authz", "CacheHit", "allocs/op"), exactly, 0, allocs),
		want(7, "memory of an entry", of("authz", "CacheEntry", "B/entry"), atMost, 100, bytesN),
	}
}

func streamGoals() []goal {
	var out []goal
	for _, s := range []struct {
		bench, alone, name string
		bound              float64
	}{
		{"Stream/check=first", "StreamMessage/first-message", "first message checked", 0.98},
		{"Stream/check=each", "StreamMessage/guarded", "each message checked, warm", 0.93},
	} {
		out = append(out,
			want(8, s.name, of("wire", s.bench, "throughput-ratio"), atLeast, s.bound, ratio).
				controlled("wire", s.bench, "throughput-control").onEdge(),
			want(8, s.name+", allocations a message", of("interceptor", s.alone, "allocs/op"), exactly, 0, allocs))
	}

	return out
}

func clientGoals() []goal {
	const usher, other = "GetRequestMetadata/usher/goroutines=1", "GetRequestMetadata/xoauth2/goroutines=1"

	return []goal{
		want(9, "processor time", of("credentials", usher, "cpu-ns/op"), atMost, 60, nanos),
		want(9, "allocations", of("credentials", usher, "allocs/op"), exactly, 0, allocs),
		want(9, "longest wait of 200 callers while the token lives", of("credentials", "CrowdAtExpiry/usher", "worst-ms"), atMost, 100, millis),
		peer(9, "x/oauth2's source, processor time", of("credentials", other, "cpu-ns/op"), nanos),
		peer(9, "x/oauth2's source, allocations", of("credentials", other, "allocs/op"), allocs),
		peer(9, "x/oauth2's source, allocated", of("credentials", other, "B/op"), bytesN),
		want(10, "200 callers at expiry, endpoint takes 300 ms: stalls over 100 ms", of("credentials", "CrowdAtExpiry/usher", "stalls"), exactly, 0, count),
		want(10, "200 callers on a 503: token requests", of("credentials", "CrowdAt503/usher", "requests"), exactly, 1, count),
		want(10, "10,000 cold callers: token requests", of("credentials", "ColdStart/usher", "requests"), exactly, 1, count),
		peer(10, "x/oauth2's source, stalls", of("credentials", "CrowdAtExpiry/xoauth2", "stalls"), count),
		peer(10, "x/oauth2's source, requests on a 503", of("credentials", "CrowdAt503/xoauth2", "requests"), count),
		peer(10, "x/oauth2's source, requests of cold callers", of("credentials", "ColdStart/xoauth2", "requests"), count),
	}
}

func keySetGoals() []goal {
	const hanging = "KeySet/while-the-server-hangs"

	return []goal{
		want(11, "parse against jwk.Parse", of("verify", "KeySet/parse/alone", ratio), atMost, 1, ratio),
		want(11, "lookup", of("verify", "KeySet/lookup", "ns/op"), atMost, 15, nanos),
		want(11, "verification while the endpoint hangs 3 s, 99th percentile", of("verify", hanging, "p99-µs"), atMost, 1000, micros),
		want(11, "the same, the longest", of("verify", hanging, "max-µs"), atMost, 20_000, micros),
		want(11, "flood of unknown kids: fetches in an interval", of("verify", hanging, "fetches/s"), atMost, 1, count),
	}
}

func engineGoals() []goal {
	out := []goal{
		want(12, "verifications", of("verify", "SharedCheck", "checks/token"), exactly, 1, count),
		want(12, "engine checks", of("authz", "SharedDecision", "checks/question"), exactly, 1, count),
	}
	for _, e := range []struct{ bench, name string }{
		{"openfga/1", "OpenFGA, one"},
		{"openfga/50", "OpenFGA, batch of 50"},
		{"spicedb/1", "SpiceDB, one"},
		{"spicedb/50", "SpiceDB, batch of 50"},
	} {
		bench := "Goal13/" + e.bench
		out = append(out,
			want(13, e.name+", the whole decision", of("engines", bench+"/decision", "adapter/client"), atMost, 1.05, ratio).
				controlled("engines", bench+"/decision", "client/client"),
			want(13, e.name+", the adapter alone", of("engines", bench+"/adapter", "adapter/client"), atMost, 1.05, ratio).
				controlled("engines", bench+"/adapter", "client/client"))
	}

	return out
}
