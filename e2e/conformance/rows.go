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
		{"2", "two or more `authorization` values", unauthenticated + " TOKEN_INVALID, even if one of them is valid or all are the same"},
		{"3", "`Bearer` alone, an empty token, two spaces, `Bearer a b`, a tab, another scheme", unauthenticated + " TOKEN_INVALID; the scheme's case doesn't matter"},
		{"4", "a token above the limit (16 KiB)", unauthenticated + " TOKEN_INVALID before anything is decoded"},
		{"5", "characters outside RFC 6750's b64token", unauthenticated + " TOKEN_INVALID"},
	}},
	{"The JWT, before and at its signature", []row{
		{"6", "`alg` none in any case, missing, not in the list; HS256 made with the public RSA key", "refused, and no key is fetched"},
		{"7", "`jwk`, `jku`, `x5u`, `x5c` in the header", "ignored: never fetched, never trusted"},
		{"8", "`crit` with any name, empty, or no array of strings; `b64: false`", "refused"},
		{"9", "`typ` that the issuer's profile doesn't have (`at+jwt` by default); an ID, refresh or logout token in an access token's place", "refused: by `typ`, `token_type`, `token_use` and the evidence of its profile, for JWTs and introspection alike"},
		{"10", "`kid` that is no string, or has path parts, quotes, NUL, CR LF, or 1 MiB", "refused, or used only to look up a key; quoted wherever it is shown"},
		{"11", "JWE, nested JWT, JSON serialization, 2 or 4 parts, empty parts, a dot at the end", "refused"},
		{"12", "white space, padding, base64url whose last bits aren't zero", "refused: each token has one spelling"},
		{"13", "ECDSA signatures that are zero, of the wrong length, DER, or with r or s out of range; PS256, PS384 and PS512 with a salt of another length than the hash", "refused; the other valid signature, with n-s, is accepted, as of the same token"},
		{"14", "header or claims that are null, an array, a scalar, not UTF-8, nested 10,000 deep, or have thousands of members", "refused, with bounded work"},
		{"15", "a member twice, or one that differs from a registered name by case only (`ISS`, `ſub`)", "refused; the choice of the key, the validation and the principal use one decoder's result"},
	}},
	{"Claims", []row{
		{"16", "`exp` missing, null, text, negative, a boolean, 1e19, 1e300", "refused; a fraction of a second is legal"},
		{"17", "`nbf` or `iat` ahead, or `exp` behind, by more than the leeway", "refused (TOKEN_EXPIRED for `exp`); the leeway is exact to the second, 0 to 5 min"},
		{"18", "`iss` missing, or equal only after some normalisation", "refused: compared byte by byte"},
		{"19", "`aud` missing, empty, with an element that is no string, or with a name that merely contains this server's", "refused; a string or an array with exactly this server's name passes"},
		{"20", "a token of issuer A under a key of issuer B, both trusted", "refused: a key belongs to its issuer, algorithm and use"},
		{"21", "`cnf` whose binding isn't verified: DPoP, another certificate, malformed", "refused, never taken as a plain bearer token"},
		{"21a", "a user's token that was issued to a client; no `sub`, or a `username` without one; one `sub` at two issuers", "`{$client_id}` has no value for it; it is never a service; two subjects, or an error at start, in subjects and in rules"},
		{"22", "`scope` as a string, an array, absent, with duplicates or odd spaces", "each scope is compared whole"},
		{"23", "`act` within `act`", "the outermost is the actor; the depth is bounded"},
	}},
	{"Key sets", []row{
		{"24", "keys whose `use`, `key_ops`, `alg`, `kty`, curve or length doesn't fit the algorithm", "skipped; if `alg` is missing, the algorithm follows from the key, within the list"},
		{"25", "symmetric keys; RSA below 2048 or above 8192 bits, odd exponents; points off the curve", "dropped when the set is loaded, and counted"},
		{"26", "one malformed or unknown key in the set", "the others stay usable"},
		{"27", "one `kid` twice, or a token without `kid`", "every compatible key is tried, up to a bound"},
		{"28", "a 200 with an empty set, or without the current key", "good keys stay; the next refresh recovers"},
		{"29", "a flood of unknown kids, or of bad signatures under a known one", "one fetch per interval and issuer; beyond that no fetch is made and no call waits: UNAVAILABLE with the time until the next fetch, and TOKEN_INVALID only by keys that were fetched after the call came"},
		{"30", "a key server that is slow, hangs, redirects, answers 5xx, HTML, 100 MiB or fails in TLS", "bounded in time and size; other issuers and the callers' deadlines are unaffected; redirects are not followed"},
		{"31", "a key server that is down", "with keys: they are used up to MaxStale, then UNAVAILABLE with RetryInfo; without keys: UNAVAILABLE, not UNAUTHENTICATED"},
		{"32", "a key that is withdrawn", "its tokens are refused within the refresh interval, cached ones too"},
		{"33", "rotation; an issuer that comes back with new keys, with other kids or the same", "a token signed with a new key passes at its first call, after one fetch, under load too; if the interval's fetch was used up, or the issuer was down, within 3 s after it answers again"},
		{"34", "discovery that names another issuer, or keys over plain HTTP off loopback", "refused by Ready and at the first use"},
		{"35", "the caller that began a shared fetch leaves", "the fetch continues for the others"},
	}},
	{"Introspection", []row{
		{"36", "`active` missing, `\"true\"`, 1, in another case, twice, or with text after the JSON", "never active; with `false` the token is refused whatever else the answer has; null counts as absent"},
		{"37", "active, but with another `iss` or `aud`, expired or not yet valid, or a refresh or ID token", "refused; without `exp` the answer is cached no longer than PositiveTTL; for a JWT that was verified locally, `active` alone is enough"},
		{"38", "a huge body, a redirect, 401 for this server's own credentials, 429, 5xx, a timeout; a connection that ends while idle", "UNAVAILABLE with RetryInfo, a circuit breaker; after the end of an idle connection one more request, which no caller notices; the token is never sent elsewhere; an odd answer about one token affects no other; Retry-After counts only with 429, 503 and 401"},
		{"39", "a cached answer", "never outlives `exp`; inactive for 10 s; 1,000 calls with one token make one request"},
	}},
	{"The token endpoint, at the client", []row{
		{"40", "down at start", "New succeeds; calls wait up to their own deadline, at most 10 s, then UNAVAILABLE; one attempt at a time, and one in 2 s while calls fail; recovers by itself"},
		{"41", "down while the token is valid", "the token is sent, retries run in the background, no call fails"},
		{"42", "429 or 503 with Retry-After; 5xx; HTML", "no request before that time; backoff with jitter; the body is never quoted"},
		{"43", "a connection that hangs, or ends while idle", "a bounded fetch; each caller leaves at its own deadline, and the fetch completes for the next; after the end of an idle connection one more request, with an assertion of its own"},
		{"44", "`expires_in` as text, a fraction, absent, null, 0, negative, 1e18; 5 s; 30 days", "a bounded lifetime: never unlimited, never a fetch for each call"},
		{"45", "`token_type` DPoP, MAC or N_A", "a configuration error, never sent; `bearer` or absent is Bearer"},
		{"46", "`access_token` empty, with a newline, control character or space, or above the limit", "refused; the old token is kept"},
		{"47", "redirects; more than 1 MiB; JSON as text/plain", "not followed; refused; parsed"},
		{"48", "`invalid_client` and similar errors", unauthenticated + ", probed every 30 s to 5 min with the secret read again"},
		{"49", "many callers at once: 200 at expiry, 200 at a 503, 10,000 before the first token", "no call stalls; one request; one request"},
		{"50", "a connection in plain text", "refused before a token is fetched, except for peers on loopback, unix or bufconn with LocalPlaintext"},
		{"51", "clocks that jump, a machine that slept, Close during a fetch, a panic in a callback", "the token's lifetime is right; waiting calls end and no goroutine stays; an error"},
		{"52", unauthenticated + " from a server before the token's expiry", "one refresh, one retry of a unary call, at most one forced refresh in 30 s; meanwhile the current token is still sent, and each call gets its own server's answer"},
	}},
	{"Rules and templates", []row{
		{"53", "a method without a rule, without a descriptor, or registered after ValidateServer", "PERMISSION_DENIED RULE_MISSING, and reported at start"},
		{"54", "malformed rule bytes, unknown fields or enum values, a path that names nothing or can't name an object", "an error at start with file, method, rule path and column; all at once"},
		{"55", "values that are empty, `*`, or hold `:`, `#`, spaces, controls or invalid UTF-8, or break the engine's grammar", "never put into an object or a subject"},
		{"56", "an empty list", "denied: no check, no grant"},
		{"57", "an unset oneof or optional, a zero enum or scalar", "INVALID_ARGUMENT OBJECT_MISSING; the engine is not asked"},
		{"58", "more objects than the engine's batch takes; more than MaxObjects", "several batches; refused"},
	}},
	{"Engines", []row{
		{"59", "`allowed` missing, null or text; too many answers, too few, out of order, duplicate, truncated", "never a grant"},
		{"60", "a condition whose context is missing", "PERMISSION_DENIED; the explanation names what is missing"},
		{"61", "an engine that is slow, down, 401, 403, 429, 5xx, HTML, redirects, huge", "UNAVAILABLE, with RetryInfo where known: never a denial, never a grant; a circuit breaker that one caller's objects don't open"},
		{"62", "an unknown object type or relation", "INTERNAL and a record for the operator, not a denial"},
	}},
	{"Streams", []row{
		{"63", "a handler that sends before the first message is authorized", "nothing that it sends reaches the caller: no message, header, trailer or status text; under `handler` nothing before a granted check; under ON_DENY_NOT_FOUND usher's denial and the handler's own NOT_FOUND are the same bytes"},
		{"64", "a token that expires while the stream runs", unauthenticated + " TOKEN_EXPIRED at expiry plus leeway; both directions end, and the handler's context is cancelled"},
		{"65", "a relation that is revoked while the stream runs", "PERMISSION_DENIED within the rule's recheck interval"},
		{"66", "a later message that names another object", "checked again, or refused under FIRST_MESSAGE; a refusal is final"},
		{"67", "a handler that ignores its context, a client that never reads, half-closed streams, parallel Send and Recv", "no leak, no race, no deadlock"},
	}},
	{"Permissions, attributes, expressions, limits", []row{
		{"68", "an answer about another subject, action or resource than the one asked about; an answer without its subject, where one was chosen that must name it; a server that ignores the subject", "never a grant, and no query gets the answer of another one"},
		{"69", "a value of a context or a property that is missing, above 4 KiB, a list above MaxObjects, NaN, or not what its type can hold; one that the rule and the server both give; an address in a header of an untrusted peer", "INVALID_ARGUMENT (SUBJECT_INVALID for a claim), and the engine isn't asked; two values for one property are an error; the address is the connection's, or unknown: never a grant"},
		{"70", "an expression that fails at run time, costs too much, or reads what isn't there; one that doesn't compile, isn't boolean, or may cost too much", "denied, and the cause goes to hooks alone; a fault at the start, with its place"},
		{"71", "a limiter that is down, hangs, or answers nonsense; a flood of callers", "UNAVAILABLE with RetryInfo, while local limits go on; memory is bounded, no caller gets more than its limit, and those that have a place keep it"},
	}},
}
