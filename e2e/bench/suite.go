package main

// suite is a package with benchmarks.
type suite struct {
	// module is the folder of its module, and folder that of the package, both
	// from the root of the repository.
	module, folder string
}

// suites by their names in metrics.
var suites = map[string]suite{
	"wire":        {module: "e2e/bench", folder: "e2e/bench/wire"},
	"engines":     {module: "e2e/engines", folder: "e2e/engines/goals"},
	"interceptor": {module: ".", folder: "interceptor"},
	"verify":      {module: ".", folder: "credentials/verify"},
	"credentials": {module: ".", folder: "credentials"},
	"authz":       {module: ".", folder: "authz"},
}

// turn is one start of a suite's test binary, made several times.
type turn struct {
	suite string
	// pattern selects benchmarks as -test.bench does.
	pattern string
	// benchtime and count are those of the testing package.
	benchtime string
	count     int
	// times is how often it is made in a full run.
	times int
}

// report is what a full run is made of: about seven minutes.
var report = []turn{
	// Each of the four is one triplet of windows, so a full run has 40.
	{suite: "wire", pattern: "^Benchmark(Call|Stream)$", benchtime: "1x", count: 4, times: 10},
	{suite: "wire", pattern: "^BenchmarkPeer$", benchtime: "1x", count: 1, times: 6},
	{suite: "interceptor", pattern: "^Benchmark(Interceptor|StreamMessage)$", benchtime: "100ms", count: 1, times: 10},
	{
		suite: "verify", benchtime: "100ms", count: 1, times: 10,
		pattern: "^Benchmark(Cold|Refusal|Peers)$/^(RS256|ES256|EdDSA|jwx|golang-jwt)$" +
			"|^Benchmark(Cache|SharedCheck)$|^BenchmarkKeySet$/^(parse|lookup)$",
	},
	// The endpoint takes 3 s, so that a turn meets one fetch that hangs.
	{suite: "verify", pattern: "^BenchmarkKeySet$/^while-the-server-hangs$", benchtime: "4s", count: 1, times: 3},
	{suite: "authz", pattern: "^Benchmark(CacheHit|CacheEntry|SharedDecision)$", benchtime: "100ms", count: 1, times: 10},
	{
		suite: "credentials", pattern: "^BenchmarkGetRequestMetadata$/^(usher|xoauth2)$/^goroutines=1$",
		benchtime: "100ms", count: 1, times: 10,
	},
	// The crowds count requests and stalls; more turns would count the same.
	{suite: "credentials", pattern: "^Benchmark(CrowdAtExpiry|CrowdAt503|ColdStart)$", benchtime: "1x", count: 1, times: 3},
	{suite: "engines", pattern: "^BenchmarkGoal13$", benchtime: "300ms", count: 1, times: 8},
}
