package redislimit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/usher-auth/usher/authz"
)

const (
	// defaultTimeout is far above the time of a request to a healthy Redis, and adds
	// little to a call when Redis is slow.
	defaultTimeout = 250 * time.Millisecond
	defaultPrefix  = "usher:"
	// maxPrefix bounds Config.Prefix, in bytes.
	maxPrefix = 64
	// finest is the shortest time between two calls that Redis can tell: its clock
	// has microseconds.
	finest = time.Microsecond
)

// Config configures a [Limiter].
type Config struct {
	// Client is the client of a Redis server, cluster or failover group. The caller
	// closes it. Its option ContextTimeoutEnabled must be set: without it, the client
	// would wait for its own timeouts, and New returns an error. Required.
	Client redis.UniversalClient
	// Prefix begins all keys, after "rate:". Servers that use one Redis for different
	// purposes need different prefixes; replicas need the same. Optional. Default
	// "usher:"; more than 64 bytes is an error.
	Prefix string
	// Timeout bounds one request to Redis, with its retries. Optional. Default 250 ms;
	// negative is an error.
	Timeout time.Duration
}

// Limiter counts calls in Redis. It implements [authz.Limiter] and is safe for
// concurrent use.
type Limiter struct {
	rates   *redis_rate.Limiter
	prefix  string
	timeout time.Duration
}

var _ authz.Limiter = (*Limiter)(nil)

// New returns a Limiter. It does no I/O.
func New(config Config) (*Limiter, error) {
	var errs []error
	if heeds, known := heedsContext(config.Client); !known {
		errs = append(errs, errors.New("redislimit: Config.Client is nil"))
	} else if !heeds {
		errs = append(errs, errors.New("redislimit: Config.Client doesn't heed deadlines: set ContextTimeoutEnabled in its options"))
	}
	if len(config.Prefix) > maxPrefix {
		errs = append(errs, errors.New("redislimit: Config.Prefix is longer than 64 bytes"))
	}
	if config.Timeout < 0 {
		errs = append(errs, errors.New("redislimit: Config.Timeout is negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l := &Limiter{rates: redis_rate.NewLimiter(config.Client), prefix: config.Prefix, timeout: config.Timeout}
	if l.prefix == "" {
		l.prefix = defaultPrefix
	}
	if l.timeout == 0 {
		l.timeout = defaultTimeout
	}

	return l, nil
}

// heedsContext reports whether a client heeds the deadline of a context, and whether
// there is a client. A client of a type of its own is trusted to.
func heedsContext(client redis.UniversalClient) (heeds, known bool) {
	switch client := client.(type) {
	case nil:
		return false, false
	case *redis.Client:
		return client != nil && client.Options().ContextTimeoutEnabled, client != nil
	case *redis.ClusterClient:
		return client != nil && client.Options().ContextTimeoutEnabled, client != nil
	case *redis.Ring:
		return client != nil && client.Options().ContextTimeoutEnabled, client != nil
	default:
		return true, true
	}
}

// Take counts one call under the key in Redis. See [authz.Limiter].
func (l *Limiter) Take(ctx context.Context, key authz.LimitKey, limit authz.Limit) (wait time.Duration, err error) {
	defer func() {
		if recover() != nil {
			// redis_rate panics if an answer isn't of its script.
			wait, err = 0, errForeign
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	result, err := l.rates.Allow(ctx, l.name(key), rateOf(limit))
	switch {
	case err != nil:
		return 0, failure(err)
	case result.Allowed == 1:
		return 0, nil
	case result.Allowed == 0 && result.RetryAfter >= 0:
		return min(max(result.RetryAfter, time.Millisecond), limit.Per), nil
	default:
		return 0, errForeign
	}
}

// name returns the name of a key.
func (l *Limiter) name(key authz.LimitKey) string {
	kind := byte('u')
	if key.Service {
		kind = 's'
	}
	text := []byte{kind}
	for _, part := range []string{key.Method, key.Issuer, key.Client, key.Subject} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)

	return l.prefix + hex.EncodeToString(sum[:])
}

// rateOf returns a limit in redis_rate's terms.
func rateOf(limit authz.Limit) redis_rate.Limit {
	return redis_rate.Limit{Rate: min(limit.Requests, max(int(limit.Per/finest), 1)), Period: limit.Per, Burst: limit.Burst}
}
