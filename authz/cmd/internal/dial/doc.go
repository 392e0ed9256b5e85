// Package dial connects to the engine that an operator names by a URL on the command line,
// be it for its schema or to ask it.
//
//	target, err := dial.Parse("openfga+grpc://fga.internal:8081/01H…", dial.GRPCForms)
//	if err != nil {
//		return err
//	}
//	conn, err := target.GRPC(os.Getenv)
//	if err != nil {
//		return fmt.Errorf("%s: %w", target, err)
//	}
//	defer conn.Close()
//
// A URL never holds a secret: tokens and keys are read from the environment, or from the
// file that it names. Connections are encrypted, unless the URL says plaintext and the
// engine is on this machine, or it says insecure; a token or key goes to no other machine
// in plain text, whatever the URL says. No error shows a secret, or a URL that could hold
// one.
package dial
