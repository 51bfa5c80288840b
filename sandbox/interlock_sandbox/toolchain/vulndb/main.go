// vulndb writes a vulnerability database in Trivy's form: nested buckets of a bbolt file.
//
// Standard input is a JSON object: an object below it is a bucket, a string is a value.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// place is what may hold buckets: the file itself, or a bucket.
type place interface {
	CreateBucket(name []byte) (*bbolt.Bucket, error)
}

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	var tree map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&tree); err != nil {
		return err
	}
	file, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Update(func(tx *bbolt.Tx) error {
		for name, value := range tree {
			if err := add(tx, name, value); err != nil {
				return err
			}
		}
		return nil
	})
}

func add(into place, name string, value any) error {
	bucket, inBucket := into.(*bbolt.Bucket)
	if text, ok := value.(string); ok && inBucket {
		return bucket.Put([]byte(name), []byte(text))
	}
	children, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%q is %T, expected an object or, in a bucket, a string", name, value)
	}
	made, err := into.CreateBucket([]byte(name))
	if err != nil {
		return fmt.Errorf("bucket %q: %w", name, err)
	}
	for child, below := range children {
		if err := add(made, child, below); err != nil {
			return err
		}
	}
	return nil
}
