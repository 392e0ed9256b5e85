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
	15: "64 callers, each with another uncached check, against one request for each",
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
		call := "wire Call/" + metric(n.bench)
		throughput = append(throughput, want(1, n.name, atLeast, n.throughput, ratio, call+" throughput-ratio").controlled(call+" throughput-control").onEdge())
		if n.throughput == 0.98 { // in memory the client's time is in it
			cpu = append(cpu, want(2, n.name, atMost, 1.04, ratio, call+" cpu-ratio").controlled(call+" cpu-control"))
		}
	}
	for _, p := range []struct{ bench, name string }{
		{"middleware+jwx", "go-grpc-middleware auth with jwx jwt.Parse"},
		{"middleware+golang-jwt", "go-grpc-middleware auth with golang-jwt"},
	} {
		for _, callers := range []string{"1", "64"} {
			call := "wire Peer/" + metric(p.bench+"/net=tcp/callers="+callers)
			throughput = append(throughput, peer(1, p.name+", TCP, "+callers, ratio, call+" throughput-ratio"))
			cpu = append(cpu, peer(2, p.name+", TCP, "+callers, ratio, call+" cpu-ratio"))
		}
	}
	return append(throughput, cpu...)
}

func interceptorGoals() []goal {
	typed := want(3, "fields by a typed accessor", atMost, 100, nanos)
	typed.Absent = "rules read fields by resolved descriptors only: there is no typed accessor"
	return []goal{
		want(3, "fields by reflection", atMost, 200, nanos, "interceptor Interceptor/rule=check ns/op").onEdge(),
		peer(3, "the interceptor over the field's read and a lookup, both by hand", ratio, "interceptor OverBare bare-ratio"),
		typed,
		want(3, "allocations", atMost, 2, allocs, "interceptor Interceptor/rule=check allocs/op"),
		want(3, "allocated", atMost, 48, bytesN, "interceptor Interceptor/rule=check B/op").withSlack(1),
		// The runtime's own allocations meanwhile are a few hundredths of a call's.
		want(3, "allocations of a whole call over one without", atMost, 4, allocs, "wire Call/net=tcp/callers=1 allocs-over").withSlack(0.1),
	}
}

func verifyGoals() []goal {
	var cold, peers, refusals []goal
	for _, alg := range []struct {
		name  string
		bound float64
	}{{"RS256", 1.08}, {"ES256", 1.05}, {"EdDSA", 1.05}} {
		of, refusal := "verify Cold/"+metric(alg.name), "verify Refusal/"+metric(alg.name)
		cold = append(cold, want(4, alg.name, atMost, alg.bound, ratio, of+" ratio").controlled(of+"/control ratio"))
		peers = append(peers,
			peer(4, "jwx jwt.Parse, "+alg.name, ratio, "verify Peers/jwx/"+metric(alg.name)+" ratio"),
			peer(4, "golang-jwt, "+alg.name, ratio, "verify Peers/golang-jwt/"+metric(alg.name)+" ratio"))
		refusals = append(refusals,
			want(5, alg.name+": unknown kid, expired or foreign issuer (the worst)", atMost, 0.05, ratio,
				refusal+"/unknown-kid of-a-check", refusal+"/expired of-a-check", refusal+"/foreign-issuer of-a-check"),
			want(5, alg.name+": bad signature", atMost, 1.06, ratio, of+"/bad-signature ratio").controlled(of+"/control ratio"))
	}
	const malformed = "verify Refusal/RS256/malformed/"
	return slices.Concat(cold, peers, []goal{
		want(5, "malformed (the worst)", atMost, 100, nanos,
			malformed+"two-parts ns/op", malformed+"no-token ns/op", malformed+"too-large ns/op"),
		want(5, "malformed, allocations", exactly, 0, allocs,
			malformed+"two-parts allocs/op", malformed+"no-token allocs/op", malformed+"too-large allocs/op"),
	}, refusals)
}

func cacheGoals() []goal {
	return []goal{
		want(6, "hit by the same pointer", atMost, 35, nanos, "verify Cache/hit/same-pointer ns/op"),
		want(6, "hit by another pointer", atMost, 90, nanos, "verify Cache/hit/other-pointer ns/op"),
		want(6, "allocations of a hit", exactly, 0, allocs, "verify Cache/hit/same-pointer allocs/op", "verify Cache/hit/other-pointer allocs/op"),
		want(6, "insert", atMost, 300, nanos, "verify Cache/insert ns/op"),
		want(6, "hits of hot tokens under a 5:1 flood", atLeast, 0.99, ratio, "cache Flood hit-rate"),
		want(7, "hit", atMost, 75, nanos, "authz CacheHit ns/op"),
		want(7, "allocations of a hit", exactly, 0, allocs, "authz CacheHit allocs/op"),
		want(7, "memory of an entry", atMost, 100, bytesN, "authz CacheEntry B/entry"),
	}
}

func streamGoals() []goal {
	return []goal{
		want(8, "first message checked", atLeast, 0.98, ratio, "wire Stream/check=first throughput-ratio").controlled("wire Stream/check=first throughput-control").onEdge(),
		want(8, "first message checked, allocations a message", exactly, 0, allocs, "interceptor StreamMessage/first-message allocs/op"),
		want(8, "each message checked, warm", atLeast, 0.93, ratio, "wire Stream/check=each throughput-ratio").controlled("wire Stream/check=each throughput-control").onEdge(),
		want(8, "each message checked, warm, allocations a message", exactly, 0, allocs, "interceptor StreamMessage/guarded allocs/op"),
	}
}

func clientGoals() []goal {
	const usher, other = "credentials GetRequestMetadata/usher/goroutines=1 ", "credentials GetRequestMetadata/xoauth2/goroutines=1 "
	return []goal{
		want(9, "processor time", atMost, 60, nanos, usher+"cpu-ns/op"),
		want(9, "allocations", exactly, 0, allocs, usher+"allocs/op"),
		want(9, "longest wait of 200 callers while the token lives", atMost, 100, millis, "credentials CrowdAtExpiry/usher worst-ms"),
		peer(9, "x/oauth2's source, processor time", nanos, other+"cpu-ns/op"),
		peer(9, "x/oauth2's source, allocations", allocs, other+"allocs/op"),
		peer(9, "x/oauth2's source, allocated", bytesN, other+"B/op"),
		want(10, "200 callers at expiry, endpoint takes 300 ms: stalls over 100 ms", exactly, 0, count, "credentials CrowdAtExpiry/usher stalls"),
		want(10, "200 callers on a 503: token requests", exactly, 1, count, "credentials CrowdAt503/usher requests"),
		want(10, "10,000 cold callers: token requests", exactly, 1, count, "credentials ColdStart/usher requests"),
		peer(10, "x/oauth2's source, stalls", count, "credentials CrowdAtExpiry/xoauth2 stalls"),
		peer(10, "x/oauth2's source, requests on a 503", count, "credentials CrowdAt503/xoauth2 requests"),
		peer(10, "x/oauth2's source, requests of cold callers", count, "credentials ColdStart/xoauth2 requests"),
	}
}

func keySetGoals() []goal {
	const hanging = "verify KeySet/while-the-server-hangs "
	return []goal{
		want(11, "parse against jwk.Parse", atMost, 1, ratio, "verify KeySet/parse/alone ratio"),
		want(11, "lookup", atMost, 15, nanos, "verify KeySet/lookup ns/op"),
		want(11, "verification while the endpoint hangs 3 s, 99th percentile", atMost, 1000, micros, hanging+"p99-µs"),
		want(11, "the same, the longest", atMost, 20_000, micros, hanging+"max-µs"),
		want(11, "flood of unknown kids: fetches in an interval", atMost, 1, count, hanging+"fetches/s"),
	}
}

func engineGoals() []goal {
	out := []goal{
		want(12, "verifications", exactly, 1, count, "verify SharedCheck checks/token"),
		want(12, "engine checks", exactly, 1, count, "authz SharedDecision checks/question"),
	}
	for _, e := range []struct{ bench, name string }{
		{"openfga/1", "OpenFGA, one"},
		{"openfga/50", "OpenFGA, batch of 50"},
		{"spicedb/1", "SpiceDB, one"},
		{"spicedb/50", "SpiceDB, batch of 50"},
	} {
		of := "engines Goal13/" + metric(e.bench)
		out = append(out,
			want(13, e.name+", the whole decision", atMost, 1.05, ratio, of+"/decision adapter/client").controlled(of+"/decision client/client"),
			want(13, e.name+", the adapter alone", atMost, 1.05, ratio, of+"/adapter adapter/client").controlled(of+"/adapter client/client"))
	}
	return append(out, combiningGoals()...)
}

func combiningGoals() []goal {
	const spice, fga = "engines Goal15/spicedb/", "engines Goal15/openfga/"
	absent := want(15, "OpenFGA", atMost, 0.5, count)
	absent.Absent = "a BatchCheck costs OpenFGA nearly as much as its checks by themselves: the adapter doesn't combine"
	return []goal{
		want(15, "SpiceDB, requests for each check", atMost, 0.5, count, spice+"64 requests/check"),
		want(15, "SpiceDB, throughput", atLeast, 1.3, ratio, spice+"64 throughput-ratio").controlled(spice + "64 throughput-control"),
		want(15, "SpiceDB, latency of a caller who is alone", atMost, 1.05, ratio, spice+"alone adapter/client").controlled(spice + "alone client/client"),
		absent,
		peer(15, "OpenFGA, if its checks were combined all the same: requests for each check", count, fga+"64 requests/check"),
		peer(15, "OpenFGA, the same: throughput", ratio, fga+"64 throughput-ratio"),
	}
}
