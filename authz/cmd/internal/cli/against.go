package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
)

// readOld reads the old side of a comparison. Patterns of --only that match nothing in it
// are no error: the methods are new.
func (c *common) readOld(ctx context.Context, against string, oldRoots, args []string, stdin io.Reader) (*authz.Policy, error) {
	config := load.Config{Inputs: []string{against}, Roots: oldRoots, Stdin: stdin}
	if ref, ok := strings.CutPrefix(against, "git:"); ok {
		folder, err := os.MkdirTemp("", "usher-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(folder) }() // a copy in the system's folder of such
		if config, err = atCommit(ctx, ref, folder, slices.Concat(c.in, args), c.roots); err != nil {
			return nil, fmt.Errorf("%s: %w", against, err)
		}
	} else if against == "-" && slices.Contains(slices.Concat(c.in, args), "-") {
		return nil, errors.New("both sides are the standard input")
	}
	sources, err := load.Read(ctx, config)
	if err != nil {
		return nil, err
	}
	template, err := c.source()
	if err != nil {
		return nil, err
	}
	policy, err := load.Policy(sources, template)
	if err != nil {
		return nil, err
	}
	if sources[0].Lock != nil && c.service == "" && c.user == "" && len(c.issuers) == 0 && !c.claimPermissions {
		// What the rules of the other side are compiled with is no change of theirs.
		c.lock = policy
	}

	return c.part(policy, make([]bool, len(c.only))), nil
}

// atCommit puts the files of the inputs and roots at a commit into a folder, and returns
// what to read there.
func atCommit(ctx context.Context, ref, folder string, inputs, roots []string) (load.Config, error) {
	var config load.Config
	if ref == "" {
		return config, errors.New("git: is followed by a commit")
	}
	for _, path := range slices.Concat(inputs, roots) {
		if !filepath.IsLocal(path) {
			return config, fmt.Errorf("%s: only what is within the working directory can be read at a commit", path)
		}
	}
	commit, err := git(ctx, 1<<10, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return config, noCommit(ref, err)
	}
	archive, err := git(ctx, load.MaxImage, slices.Concat([]string{"archive", "--format=tar", strings.TrimSpace(string(commit)), "--"}, inputs, roots)...)
	if err != nil {
		return config, err
	}
	if err := unpack(archive, folder); err != nil {
		return config, err
	}
	for _, input := range inputs {
		config.Inputs = append(config.Inputs, filepath.Join(folder, input))
	}
	for _, root := range roots {
		config.Roots = append(config.Roots, filepath.Join(folder, root))
	}
	if len(roots) == 0 && slices.ContainsFunc(inputs, func(input string) bool { return strings.HasSuffix(input, ".proto") }) {
		config.Roots = append(config.Roots, folder)
	}

	return config, nil
}

// noCommit returns why git has no commit of a name. For a name that it doesn't know it
// says nothing itself.
func noCommit(ref string, err error) error {
	if commit, path, ok := strings.Cut(ref, ":"); ok {
		return fmt.Errorf("git:REF takes no path, as in git:%s: INPUT says what is read at the commit, as in %s", commit, path)
	}

	return fmt.Errorf("there is no such commit here (a shallow clone has only its newest): %w", err)
}

// git runs git and returns what it writes, up to a limit in bytes.
func git(ctx context.Context, limit int, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := exec.CommandContext(ctx, "git", args...) //nolint:gosec // arguments are paths and a hash; the commit follows --end-of-options
	var stderr bytes.Buffer
	command.Stderr = &tail{buffer: &stderr}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	output, err := io.ReadAll(io.LimitReader(stdout, int64(limit)+1))
	if len(output) > limit {
		cancel()
		_ = command.Wait() // it was stopped

		return nil, fmt.Errorf("git: more than %d bytes", limit)
	}
	if waited := command.Wait(); waited != nil {
		if told := strings.TrimSpace(stderr.String()); told != "" {
			return nil, fmt.Errorf("git: %w: %s", waited, told)
		}

		return nil, fmt.Errorf("git: %w", waited)
	}

	return output, err
}

// tail keeps the first 4 KiB of what is written.
type tail struct{ buffer *bytes.Buffer }

func (t *tail) Write(data []byte) (int, error) {
	t.buffer.Write(data[:min(len(data), 4<<10-min(t.buffer.Len(), 4<<10))])

	return len(data), nil
}

// unpack writes the regular files of an archive that rules are read from.
func unpack(archive []byte, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // each file was closed
	for reader := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.FromSlash(header.Name)
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		content, err := io.ReadAll(reader) // within the archive, which is bounded
		if err != nil {
			return err
		}
		if err := root.WriteFile(name, content, 0o600); err != nil {
			return err
		}
	}
}
