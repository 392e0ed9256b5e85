package redislimit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	errForeign = errors.New("redislimit: an answer that isn't the script's")
	errRefused = errors.New("redislimit: Redis refused the request")
	errTLS     = errors.New("redislimit: the TLS handshake with Redis failed")
)

// maxCode bounds the error code of an answer, in bytes. The longest of Redis's own
// have 13.
const maxCode = 24

// failure returns the error of a request without anything that came from the network
// but an error code: whatever answers may repeat what it was sent.
func failure(err error) error {
	var answered redis.Error
	var transport net.Error
	var unverified *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("redislimit: no answer from Redis: %w", err)
	case errors.As(err, &answered):
		return fmt.Errorf("%w: %s", errRefused, code(answered.Error()))
	case errors.As(err, &unverified), errors.As(err, &notTLS), errors.As(err, &alert):
		return errTLS
	case errors.As(err, &transport):
		return fmt.Errorf("redislimit: no answer from Redis: %w", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("redislimit: no answer from Redis: %w", io.EOF)
	default:
		return errForeign
	}
}

// code returns the first word of an error answer, such as NOAUTH or READONLY, if it is
// a code.
func code(answer string) string {
	first, _, _ := strings.Cut(answer, " ")
	if first == "" || len(first) > maxCode || strings.Trim(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "with an error of another form"
	}

	return first
}
