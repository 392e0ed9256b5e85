// Package redislimit counts the rate limits of usher's rules in Redis, so that all
// replicas of a server share one limit.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.internal:6379", TLSConfig: tls, ContextTimeoutEnabled: true})
//	limiter, err := redislimit.New(redislimit.Config{Client: client})
//	…
//	authorizer, err := authz.New(authz.Config{Limiter: limiter, …})
//
// A rule that says SCOPE_PROCESS is counted by each process for itself and doesn't
// ask Redis.
//
// # What it costs
//
// Each counted call is one request to Redis, a script that it runs by its hash
// (redis_rate's, the generic cell rate algorithm). Redis keeps one key for each caller
// of a method, until the caller could again make a whole burst of calls. Redis's own
// clock counts, so the replicas' clocks may differ. A limit of more than a million
// calls a second, which Redis's clock can't resolve, counts as a million.
//
// # Keys
//
// A key is "rate:", the configured prefix and the SHA-256 of the method, the issuer
// and the client or subject. No name is in it in clear, though a name can be guessed
// and compared by those who can read Redis. Keys never outlive the longest period of
// a rule: a day, times its burst over its requests.
//
// # Failure
//
// While Redis is down or slow, calls of rules with a shared limit are refused with
// UNAVAILABLE within [Config.Timeout]; no call passes uncounted. A request whose answer
// is lost may have been counted. Errors hold no text of Redis's answer but its error
// code.
package redislimit
