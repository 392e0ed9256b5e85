package credentialstest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Fault is what an endpoint does to one request instead of answering it.
type Fault interface{ serve(*exchange) }

// exchange is one request under a fault.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	done   <-chan struct{}
	answer http.HandlerFunc
	issuer *Issuer
}

type faultFunc func(*exchange)

func (f faultFunc) serve(x *exchange) { f(x) }

// OK answers as if nothing was scripted.
func OK() Fault { return faultFunc(func(x *exchange) { x.answer(x.w, x.r) }) }

// Delay waits, then does what the fault says, or answers if there is none.
func Delay(d time.Duration, then ...Fault) Fault {
	return faultFunc(func(x *exchange) {
		if !x.sleep(d) {
			return
		}
		for _, f := range then {
			f.serve(x)
			return
		}
		x.answer(x.w, x.r)
	})
}

// sleep reports whether the client is still there after d.
func (x *exchange) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
	case <-x.done:
	}
	return false
}

// Hang never answers. It ends when the client leaves or the issuer closes.
func Hang() Fault {
	return faultFunc(func(x *exchange) {
		// Without this a server doesn't see that the client left.
		_, _ = io.Copy(io.Discard, x.r.Body)
		select {
		case <-x.r.Context().Done():
		case <-x.done:
		}
	})
}

// Gate holds the request until the channel is closed, then answers.
func Gate(open <-chan struct{}) Fault {
	return faultFunc(func(x *exchange) {
		select {
		case <-open:
			x.answer(x.w, x.r)
		case <-x.r.Context().Done():
		case <-x.done:
		}
	})
}

// Status answers with a status and no body. A retryAfter that isn't empty
// becomes the header Retry-After, seconds or a date.
func Status(code int, retryAfter string) Fault {
	return faultFunc(func(x *exchange) {
		if retryAfter != "" {
			x.w.Header().Set("Retry-After", retryAfter)
		}
		x.w.WriteHeader(code)
	})
}

// Error answers with an OAuth error (RFC 6749 §5.2).
func Error(status int, code string) Fault {
	return faultFunc(func(x *exchange) { oauthError(x.w, status, code) })
}

// HTML answers with a page, as proxies and login walls do.
func HTML(code int) Fault {
	return Body(code, "text/html; charset=utf-8", "<!DOCTYPE html><title>Sorry</title><p>not-a-secret page</p>")
}

// Body answers with anything.
func Body(status int, contentType, body string) Fault {
	return faultFunc(func(x *exchange) {
		x.w.Header().Set("Content-Type", contentType)
		x.w.WriteHeader(status)
		_, _ = io.WriteString(x.w, body)
	})
}

// Redirect sends the client elsewhere: 302, 307 and so on.
func Redirect(code int, url string) Fault {
	return faultFunc(func(x *exchange) {
		x.w.Header().Set("Location", url)
		x.w.WriteHeader(code)
	})
}

// Truncate promises the whole answer, sends half of it and cuts the connection.
func Truncate() Fault {
	return faultFunc(func(x *exchange) {
		whole := record(x)
		x.w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
		x.w.WriteHeader(whole.status)
		_, _ = x.w.Write(whole.body.Bytes()[:whole.body.Len()/2])
		flush(x.w)
		panic(http.ErrAbortHandler)
	})
}

// Reset cuts the connection instead of answering.
func Reset() Fault { return faultFunc(func(*exchange) { panic(http.ErrAbortHandler) }) }

// HugeBody answers with a JSON object of that many bytes.
func HugeBody(size int64) Fault {
	return faultFunc(func(x *exchange) {
		x.w.Header().Set("Content-Type", "application/json")
		x.w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(x.w, `{"padding":"`)
		block := bytes.Repeat([]byte("x"), 32<<10)
		for sent := int64(0); sent < size; sent += int64(len(block)) {
			if _, err := x.w.Write(block); err != nil {
				return // the client had enough
			}
		}
		_, _ = io.WriteString(x.w, `"}`)
	})
}

// SlowBody answers at once and then dribbles the body, a byte each time.
func SlowBody(each time.Duration) Fault {
	return faultFunc(func(x *exchange) {
		whole := record(x)
		x.w.Header().Set("Content-Type", "application/json")
		x.w.WriteHeader(whole.status)
		for _, b := range whole.body.Bytes() {
			if _, err := x.w.Write([]byte{b}); err != nil {
				return
			}
			flush(x.w)
			if !x.sleep(each) {
				return
			}
		}
	})
}

// ContentType answers as usual under another content type.
func ContentType(contentType string) Fault {
	return faultFunc(func(x *exchange) {
		whole := record(x)
		x.w.Header().Set("Content-Type", contentType)
		x.w.WriteHeader(whole.status)
		_, _ = x.w.Write(whole.body.Bytes())
	})
}

// Alter answers as usual, but replaces some members of the JSON object: nil
// removes a member, and a json.RawMessage is written as it is.
func Alter(members map[string]any) Fault {
	return faultFunc(func(x *exchange) {
		whole := record(x)
		object := map[string]any{}
		if json.Unmarshal(whole.body.Bytes(), &object) != nil {
			x.answer(x.w, x.r)
			return
		}
		merge(object, members)
		writeJSON(x.w, whole.status, object)
	})
}

// recorded is an answer that wasn't sent yet.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(b []byte) (int, error) { return r.body.Write(b) }

func record(x *exchange) *recorded {
	whole := &recorded{header: http.Header{}, status: http.StatusOK}
	x.answer(whole, x.r)
	return whole
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

func randomText() string { return rand.Text() }
