package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const treeDomain = "interlock/model-tree/v1\n"

// modelTree is the digest of the one model below folder, or "none". It is computed as Interlock
// does it, so that what the pod sees can be compared with spec.model.tree.
func modelTree(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if os.IsNotExist(err) || (err == nil && len(entries) == 0) {
		return "none", nil
	}
	if err != nil {
		return "", err
	}
	if len(entries) > 1 || !entries[0].IsDir() {
		return "", fmt.Errorf("%s holds %d entries, expected the folder of one model",
			folder, len(entries))
	}
	return hashTree(filepath.Join(folder, entries[0].Name()))
}

func hashTree(root string) (string, error) {
	var paths []string // sorted below: a walk's order is not that of whole paths
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	slices.Sort(paths)
	tree := sha256.New()
	tree.Write([]byte(treeDomain))
	for _, path := range paths {
		if err := addFile(tree, root, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(tree.Sum(nil)), nil
}

func addFile(tree hash.Hash, root, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	content := sha256.New()
	size, err := io.Copy(content, file)
	if err != nil {
		return err
	}
	name := path[len(root)+1:]
	head := binary.BigEndian.AppendUint64(nil, uint64(len(name)))
	head = append(head, name...)
	head = binary.BigEndian.AppendUint64(head, uint64(size))
	tree.Write(content.Sum(head))
	return nil
}
