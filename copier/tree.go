package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileMode   = 0o444
	folderMode = 0o755
	buffer     = 1 << 20 // bytes: all that is held of a model at a time
)

// copyTree makes `to` hold these files and nothing else, and returns how many bytes they have.
// What an image has beside the listed files stays there: a runtime puts files of its own into it.
func copyTree(files []file, from, to string) (int64, error) {
	if err := empty(to); err != nil {
		return 0, err
	}
	var size int64
	space := make([]byte, buffer)
	for _, one := range files {
		if err := copyFile(one, from, to, space); err != nil {
			return 0, err
		}
		size += one.size
	}
	return size, nil
}

// empty removes what an earlier attempt left: a container that fails is started again.
func empty(folder string) error {
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, entry.Name())))
	}
	if err != nil {
		return fmt.Errorf("cannot empty %s: %w", folder, err)
	}
	return nil
}

func copyFile(one file, from, to string, space []byte) error {
	source, err := open(one, from)
	if err != nil {
		return err
	}
	defer source.Close()
	target := filepath.Join(to, one.path)
	if err := os.MkdirAll(filepath.Dir(target), folderMode); err != nil {
		return fmt.Errorf("cannot make a folder for %q: %w", one.path, err)
	}
	made, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", one.path, err)
	}
	digest := sha256.New()
	both := io.MultiWriter(made, digest)
	// One byte more than listed is asked for, so that a longer file is noticed and not cut.
	size, err := io.CopyBuffer(both, io.LimitReader(source, one.size+1), space)
	if err = errors.Join(err, made.Chmod(fileMode), made.Close()); err != nil {
		return fmt.Errorf("cannot copy %q: %w", one.path, err)
	}
	if size != one.size || !bytes.Equal(digest.Sum(nil), one.sha256[:]) {
		return fmt.Errorf("%q has other bytes than the manifest says; the image that the node "+
			"holds is not the one that was verified: remove it from the node", one.path)
	}
	return nil
}

// open opens a regular file below a folder, through folders alone: no link leads elsewhere.
func open(one file, from string) (*os.File, error) {
	place := from
	for _, part := range strings.Split(one.path, "/") {
		place = filepath.Join(place, part)
		about, err := os.Lstat(place)
		if err != nil {
			return nil, fmt.Errorf("the model's file %q is missing: %w", one.path, err)
		}
		if about.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("%q is reached through a link, which no model has", one.path)
		}
	}
	about, err := os.Lstat(place)
	if err != nil || !about.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is no regular file", one.path)
	}
	return os.Open(place)
}
