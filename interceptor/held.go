package interceptor

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// held is what a handler wants its caller to get beside the messages, until it may
// go out. Its owner has the lock.
type held struct {
	header  metadata.MD
	trailer metadata.MD
	// compressor is the handler's choice; "": it has made none.
	compressor string
	// sends reports whether the handler has asked for its header to be sent, which
	// takes no more then.
	sends bool
}

// addHeader adds to the header.
func (h *held) addHeader(md metadata.MD, send bool) error {
	if h.sends {
		return errHeaderSent
	}
	h.header, h.sends = metadata.Join(h.header, md), send

	return nil
}

// choose takes the choice of a compressor if gRPC would, beneath the handler's
// context.
func (h *held) choose(beneath context.Context, name string) error {
	if h.sends {
		return errHeaderSent
	}
	if err := usable(beneath, name); err != nil {
		return err
	}
	h.compressor = name

	return nil
}
