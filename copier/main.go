// Copier fills a pod's folder with a model's files, each compared with a manifest, on clusters
// without image volumes. It runs as two init containers: from its own image it puts itself into a
// folder of the pod, and from there it runs on the model's image, which holds nothing that runs.
//
//	copier install TO
//	copier copy -tree sha256:… -manifest FILE -from FOLDER -to FOLDER
//
// It believes nothing but its arguments, which the API server compares with what was admitted: the
// manifest has to be that of the tree, and each file has to be as the manifest says.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const programMode = 0o555

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "copier: %v.\n", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "install":
		return install(arguments[1])
	case len(arguments) > 0 && arguments[0] == "copy":
		return copyModel(arguments[1:])
	}
	return errors.New("expected `install TO`, or `copy` with -tree, -manifest, -from and -to")
}

func copyModel(arguments []string) error {
	flags := flag.NewFlagSet("copy", flag.ContinueOnError)
	tree := flags.String("tree", "", "digest of the tree that was admitted")
	manifest := flags.String("manifest", "", "file with a line for each file of the model")
	from := flags.String("from", "", "folder of the model")
	to := flags.String("to", "", "folder to fill; what it holds is removed")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no argument of `copy`", flags.Arg(0))
	}
	files, err := readManifest(*manifest, *tree)
	if err != nil {
		return err
	}
	size, err := copyTree(files, *from, *to)
	if err != nil {
		return err
	}
	fmt.Printf("copied %d files, %d bytes, tree %s\n", len(files), size, *tree)
	return nil
}

// install puts the running program at a path, in one move: a half-written program never has the
// name that the next container starts.
func install(to string) error {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("cannot read itself: %w", err)
	}
	defer program.Close()
	made, err := os.CreateTemp(filepath.Dir(to), ".copier-")
	if err != nil {
		return fmt.Errorf("cannot write beside %s: %w", to, err)
	}
	_, err = io.Copy(made, program)
	if err = errors.Join(err, made.Chmod(programMode), made.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", made.Name(), err)
	}
	if err := os.Rename(made.Name(), to); err != nil {
		return fmt.Errorf("cannot name %s: %w", to, err)
	}
	return nil
}
