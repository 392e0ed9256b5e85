package main

// section is a group of rows about one thing.
type section struct {
	title string
	rows  []row
}

// row is one fault or one kind of bad input. The table of proofs has its tests.
type row struct {
	number string
	given  string
	gets   string
}

const unauthenticated = "UNAUTHENTICATED"

var sections = []section{
	{"The credential in the metadata", []row{
		{"1", "no `authorization`", unauthenticated + " TOKEN_MISSING; the challenge has no error code"},
		{"2", "two or more `authorization` values", unauthenticated + " TOKEN_INVALID, even if one of them is good or both are the same"},
		{"3", "`Bearer` alone, an empty token, two spaces, `Bearer a b`, a tab, another scheme", unauthenticated + " TOKEN_INVALID; the scheme's case doesn't matter"},
		{"4", "a token above the cap (16 KiB)", unauthenticated + " TOKEN_INVALID before anything is decoded"},
		{"5", "characters outside RFC 6750's b64token", unauthenticated + " TOKEN_INVALID"},
	}},
	{"The JWT, before and at its signature", []row{
		{"6", "`alg` none in any case, missing, outside the list; HS256 made with the public RSA key", "refused, no key fetched"},
		{"7", "`jwk`, `jku`, `x5u`, `x5c` in the header", "ignored: never fetched, never trusted"},
		{"8", "`crit` with any name, empty, or no array of strings; `b64: false`", "refused"},
		{"9", "`typ` that the issuer's profile doesn't have (`at+jwt` by default); an ID, refresh or logout token in an access token's place", "refused: by `typ`, `token_type`, `token_use` and the marks of its profile, alike for JWTs and introspection"},
		{"10", "`kid` that is no string, or has path parts, quotes, NUL, CR LF, or 1 MiB", "refused or a plain key of a map; quoted wherever it is shown"},
		{"11", "JWE, nested JWT, JSON serialization, 2 or 4 parts, empty parts, a dot at the end", "refused"},
		{"12", "white space, padding, base64url whose last bits aren't zero", "refused: each token has one spelling"},
		{"13", "ECDSA signatures that are zero, of the wrong length, DER, or with r or s out of range; PS256, PS384 and PS512 with a salt of another length than the hash", "refused; the twin with n-s is valid and the same token"},
		{"14", "header or claims that are null, an array, a scalar, not UTF-8, nested 10,000 deep, or have thousands of members", "refused, the work bounded"},
		{"15", "a member twice, or one that differs from a registered name by case only (`ISS`, `ſub`)", "refused; one decoder serves key choice, validation and principal"},
	}},
	{"Claims", []row{
		{"16", "`exp` missing, null, text, negative, a boolean, 1e19, 1e300", "refused; a fraction of a second is legal"},
		{"17", "`nbf` or `iat` ahead, or `exp` behind, by more than the leeway", "refused (TOKEN_EXPIRED for `exp`); the leeway is exact to the second, 0 to 5 min"},
		{"18", "`iss` missing, or equal only after some normalisation", "refused: compared byte by byte"},
		{"19", "`aud` missing, empty, with a member that is no string, or that only contains ours", "refused; a string or an array with exactly ours passes"},
		{"20", "a token of issuer A under a key of issuer B, both trusted", "refused: a key belongs to its issuer, algorithm and use"},
		{"21", "`cnf` whose binding isn't verified: DPoP, another certificate, malformed", "refused, never taken as a plain bearer token"},
		{"21a", "a user's token that a client got; no `sub`, or a `username` without one; one `sub` at two issuers", "`{$client_id}` doesn't resolve for it; never a service; two subjects, or an error at the start, in subjects and in rules"},
		{"22", "`scope` as a string, an array, absent, with doubles or odd spaces", "compared whole, never by a part"},
		{"23", "chains of `act`", "the outermost is the actor; the depth is bounded"},
	}},
	{"Key sets", []row{
		{"24", "keys whose `use`, `key_ops`, `alg`, `kty`, curve or length doesn't fit the algorithm", "skipped; without `alg` it is inferred within the list"},
		{"25", "symmetric keys; RSA below 2048 or above 8192 bits, odd exponents; points off the curve", "dropped when the set is loaded, and counted"},
		{"26", "one malformed or unknown key in the set", "the others stay usable"},
		{"27", "one `kid` twice, or a token without `kid`", "every compatible key is tried, up to a bound"},
		{"28", "a 200 with an empty set, or without the current key", "good keys stay; the next refresh recovers"},
		{"29", "a flood of unknown kids, or of bad signatures under a known one", "one fetch an interval for each issuer; above that it is skipped, nobody waits: UNAVAILABLE with the time until the next, and TOKEN_INVALID only by keys that were fetched after the question"},
		{"30", "a key server that is slow, hangs, redirects, answers 5xx, HTML, 100 MiB or fails in TLS", "bounded in time and size; other issuers and the callers' deadlines unaffected; redirects not followed"},
		{"31", "a key server that is down", "with keys: served up to MaxStale, then UNAVAILABLE with RetryInfo; without: UNAVAILABLE, not UNAUTHENTICATED"},
		{"32", "a key that is withdrawn", "its tokens are refused within the refresh interval, the cached ones too"},
		{"33", "rotation; an issuer that comes back with new keys, under other kids or the same", "a token under a new key passes at its first call, after one fetch, under load; where others have spent the fetch, or the issuer was away, within 3 s of its answering again"},
		{"34", "discovery that names another issuer, or keys over plain HTTP off loopback", "refused by Ready and at the first use"},
		{"35", "the caller that leads a shared fetch leaves", "the fetch goes on for the others"},
	}},
	{"Introspection", []row{
		{"36", "`active` missing, `\"true\"`, 1, in another case, twice, or with text behind the JSON", "never active; a plain `false` refuses whatever else the answer holds; null is an absent member"},
		{"37", "active, but for another `iss` or `aud`, out of its time, or a refresh or ID token", "refused; without `exp` it is remembered no longer than the cap; of a JWT that was verified locally `active` alone is enough"},
		{"38", "a huge body, a redirect, 401 on our own credentials, 429, 5xx, a timeout; a connection that ends while idle", "UNAVAILABLE with RetryInfo, a circuit breaker; after an idle connection's end one request more, which no caller notices; the token is never posted elsewhere; one token's odd answer stops no other; Retry-After counts with 429, 503 and 401 alone"},
		{"39", "a cached answer", "never outlives `exp`; inactive for 10 s; 1,000 calls with one token make one request"},
	}},
	{"The token endpoint, at the client", []row{
		{"40", "down at the start", "construction succeeds; calls wait to their own deadline, at most 10 s, then UNAVAILABLE; one attempt at a time, and one in 2 s while calls fail; recovers by itself"},
		{"41", "down while the token lives", "the token is served, retries run in the background, no call fails"},
		{"42", "429 or 503 with Retry-After; 5xx; HTML", "no request before its time; backoff with jitter; the body is never quoted"},
		{"43", "a connection that hangs, or ends while idle", "a bounded fetch; each caller leaves at its own deadline, and the fetch completes for the next; after an idle connection's end one request more, with an assertion of its own"},
		{"44", "`expires_in` as text, a fraction, absent, null, 0, negative, 1e18; 5 s; 30 days", "a bounded lifetime: never for ever, never a fetch for each call"},
		{"45", "`token_type` DPoP, MAC or N_A", "a configuration error, never sent; `bearer` or absent is Bearer"},
		{"46", "`access_token` empty, with a newline, control character or space, or above the cap", "rejected; the old token stays"},
		{"47", "redirects; more than 1 MiB; JSON as text/plain", "not followed; refused; parsed"},
		{"48", "`invalid_client` and its like", unauthenticated + ", probed every 30 s to 5 min with the secret read again"},
		{"49", "crowds: 200 callers at expiry, 200 at a 503, 10,000 cold", "no call stalls; one request; one request"},
		{"50", "a connection in plain text", "refused before a token is fetched, but for peers on loopback, unix or bufconn with LocalPlaintext"},
		{"51", "clocks that jump, a machine that slept, Close during a fetch, a panic in a callback", "the token's life is right; waiters leave, no goroutine stays; an error"},
		{"52", unauthenticated + " from a server before the token's expiry", "one refresh, one replay of a unary call, at most one forced refresh in 30 s; meanwhile the current token goes on being sent, and each call gets its own server's answer"},
	}},
	{"Rules and templates", []row{
		{"53", "a method without a rule, without a descriptor, or registered after the check", "PERMISSION_DENIED RULE_MISSING, and found at the start"},
		{"54", "malformed rule bytes, unknown fields or enum values, a path that names nothing or can't name an object", "an error at the start with file, method, rule path and column; all at once"},
		{"55", "values that are empty, `*`, or hold `:`, `#`, spaces, controls or invalid UTF-8, or break the engine's grammar", "never put into an object or a subject"},
		{"56", "an empty list", "denied: zero checks never grant"},
		{"57", "an unset oneof or optional, a zero enum or scalar", "INVALID_ARGUMENT OBJECT_MISSING, the engine not asked"},
		{"58", "more objects than the engine's batch takes; more than the rule's cap", "chunked; refused"},
	}},
	{"Engines", []row{
		{"59", "`allowed` missing, null or text; answers too many, too few, out of order, doubled, cut off", "never a grant"},
		{"60", "a condition whose context is missing", "PERMISSION_DENIED; the explanation names what is missing"},
		{"61", "an engine that is slow, down, 401, 403, 429, 5xx, HTML, redirects, huge", "UNAVAILABLE, with RetryInfo where known: never a denial, never a grant; a circuit breaker that one caller's objects don't open"},
		{"62", "an unknown object type or relation", "INTERNAL and a record for the operator, not a denial that hides it"},
	}},
	{"Streams", []row{
		{"63", "a handler that speaks before the first message is authorized", "nothing of it reaches the caller: no message, header, trailer or status text; under `handler` nothing before a granted check; under ON_DENY_NOT_FOUND our denial and the handler's NOT_FOUND are the same bytes"},
		{"64", "a token that expires while the stream is on", unauthenticated + " TOKEN_EXPIRED at expiry plus leeway; both directions end, the handler's context is cancelled"},
		{"65", "a relation that is revoked while the stream is on", "PERMISSION_DENIED within the rule's recheck interval"},
		{"66", "a later message that names another object", "checked again, or refused if the stream is pinned; a refusal is final"},
		{"67", "a handler that ignores its context, a client that never reads, half-closed streams, parallel Send and Recv", "no leak, no race, no deadlock"},
	}},
}
