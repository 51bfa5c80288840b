package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
)

const (
	treeDomain  = "interlock/model-tree/v1\n"
	maxManifest = 1 << 20 // bytes: no ConfigMap holds more
)

// line is one file: SHA-256, size without leading zeros, path. A path may hold spaces.
var line = regexp.MustCompile(`\A([0-9a-f]{64}) (0|[1-9][0-9]{0,15}) ([^\n]+)\z`)

type file struct {
	path   string
	size   int64
	sha256 [sha256.Size]byte
}

// readManifest returns the files of a manifest whose tree has this digest, and of no other.
func readManifest(name, tree string) ([]file, error) {
	text, err := read(name)
	if err != nil {
		return nil, err
	}
	files, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("the manifest %s: %w", name, err)
	}
	if got := digestOf(files); got != tree {
		return nil, fmt.Errorf("the manifest %s lists the tree %s, and %q was admitted; "+
			"the ConfigMap is not the one that was rendered", name, got, tree)
	}
	return files, nil
}

func read(name string) (string, error) {
	opened, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read the manifest: %w", err)
	}
	defer opened.Close()
	text, err := io.ReadAll(io.LimitReader(opened, maxManifest+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the manifest: %w", err)
	}
	if len(text) > maxManifest {
		return "", fmt.Errorf("the manifest %s has more than %d bytes", name, maxManifest)
	}
	return string(text), nil
}

func parse(text string) ([]file, error) {
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("expected lines, each ended")
	}
	var files []file
	for number, row := range strings.Split(text[:len(text)-1], "\n") {
		found := line.FindStringSubmatch(row)
		if found == nil {
			return nil, fmt.Errorf("line %d is not `SHA-256 size path`", number+1)
		}
		if !plain(found[3]) {
			return nil, fmt.Errorf("line %d: %q is no plain relative path", number+1, found[3])
		}
		if number > 0 && found[3] <= files[number-1].path {
			return nil, fmt.Errorf("line %d: %q is out of order", number+1, found[3])
		}
		one := file{path: found[3]}
		one.size, _ = strconv.ParseInt(found[2], 10, 64)
		hex.Decode(one.sha256[:], []byte(found[1]))
		files = append(files, one)
	}
	return files, nil
}

// plain says whether a path leads down from its folder, and is written in one way only.
func plain(name string) bool {
	return !path.IsAbs(name) && path.Clean(name) == name && name != "." &&
		name != ".." && !strings.HasPrefix(name, "../") && !strings.Contains(name, "\x00")
}

// digestOf is the tree's digest as Interlock computes it: names, sizes and bytes.
func digestOf(files []file) string {
	tree := sha256.New()
	tree.Write([]byte(treeDomain))
	for _, one := range files {
		head := binary.BigEndian.AppendUint64(nil, uint64(len(one.path)))
		head = append(head, one.path...)
		head = binary.BigEndian.AppendUint64(head, uint64(one.size))
		tree.Write(append(head, one.sha256[:]...))
	}
	return "sha256:" + hex.EncodeToString(tree.Sum(nil))
}
