// Package load reads the rules that a command is given: .proto files, images of buf and
// descriptor sets, and lock files.
//
//	sources, err := load.Read(ctx, load.Config{Inputs: []string{"proto"}})
//	if err != nil {
//		return err
//	}
//	policy, err := load.Policy(sources, lint.Source{Issuers: issuers})
//	if err != nil {
//		return err
//	}
//	findings := lint.Lint(policy, lint.Config{})
//
// What is read is bounded, and broken input is an error with its file and, where there is
// one, its line.
package load
