// Package lint reviews rules before they run: it finds mistakes in them, compares two
// versions of them, and shows who may call what. It works on [authz.Policy], which
// descriptors give without a server, or a server's Authorizer gives as it runs.
//
//	policy, err := lint.Compile(lint.Source{Files: files})
//	if err != nil {
//		return err
//	}
//	for _, finding := range lint.Lint(policy, lint.Config{Schema: model}) {
//		fmt.Println(finding)
//	}
//	for _, change := range lint.Compare(old, policy, lint.CompareConfig{Schema: model}).Changes {
//		fmt.Println(change)
//	}
//	matrix, err := lint.NewMatrix(lint.MatrixConfig{Policies: []lint.NamedPolicy{{Policy: policy}}, Schema: model})
//	if err != nil {
//		return err
//	}
//	return matrix.HTML(w) // one page, which loads nothing
//
// The command usher and buf-plugin-usher, of the module authz/cmd, do this for files and
// in CI. Nothing here asks an engine about a caller, or guards a call.
package lint
