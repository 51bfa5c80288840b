// thief is a scanner that was taken over: it tells what it could lay hands on, or never ends.
//
// Its image says by MODE what it does. No dependencies.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	modes := map[string]func(){
		"look": look, "nothing": nothing, "talk": talk, "sleep": sleep, "memory": memory, "fork": fork, "fill": fill, "fail": fail,
	}
	modes[os.Getenv("MODE")]()
}

// look prints what a thief would want to know.
func look() {
	told := map[string]any{
		"user":       fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()),
		"status":     status(),
		"interfaces": interfaces(),
		"reached":    reached(),
		"written":    written(),
		"environ":    os.Environ(),
		"sockets":    sockets(),
		"ran":        ran(),
		"mounts":     mounts(),
	}
	json.NewEncoder(os.Stdout).Encode(told)
}

func status() map[string]string {
	found := map[string]string{}
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			found[name] = strings.TrimSpace(value)
		}
	}
	return found
}

func interfaces() []string {
	names := []string{}
	found, _ := net.Interfaces()
	for _, each := range found {
		names = append(names, each.Name)
	}
	return names
}

// reached lists the addresses of ADDRESSES that take a connection.
func reached() []string {
	open := []string{}
	for _, address := range strings.Fields(os.Getenv("ADDRESSES")) {
		if connection, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			connection.Close()
			open = append(open, address)
		}
	}
	return open
}

// written lists the folders that take a new file.
func written() []string {
	folders := []string{}
	filepath.WalkDir("/", func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		if path == "/proc" || path == "/sys" {
			return filepath.SkipDir
		}
		name := filepath.Join(path, "loot")
		if file, err := os.Create(name); err == nil {
			file.Close()
			os.Remove(name)
			folders = append(folders, path)
		}
		return nil
	})
	return folders
}

func sockets() []string {
	found := []string{}
	filepath.WalkDir("/", func(path string, entry os.DirEntry, err error) error {
		if path == "/proc" || path == "/sys" {
			return filepath.SkipDir
		}
		if err == nil && entry.Type()&os.ModeSocket != 0 {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// mounts tells of each place whether it is `ro` or `rw`.
func mounts() map[string]string {
	found := map[string]string{}
	text, _ := os.ReadFile("/proc/self/mounts")
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 3 {
			found[fields[1]], _, _ = strings.Cut(fields[3], ",")
		}
	}
	return found
}

// ran says whether it could start a program that it wrote.
func ran() bool {
	program, _ := os.ReadFile("/proc/self/exe")
	copied := filepath.Join(os.TempDir(), "copy")
	if os.WriteFile(copied, program, 0o755) != nil {
		return false
	}
	child := exec.Command(copied)
	child.Env = []string{"MODE=nothing"}
	return child.Run() == nil
}

func nothing() {}

func talk() {
	line := []byte(strings.Repeat("x", 1<<16))
	for {
		os.Stdout.Write(line)
	}
}

func sleep() {
	os.Stdout.Close()
	for {
		time.Sleep(time.Hour)
	}
}

func memory() {
	kept := [][]byte{}
	for {
		block := make([]byte, 64<<20)
		for place := 0; place < len(block); place += 4096 {
			block[place] = 1
		}
		kept = append(kept, block)
	}
}

// fork prints how many processes it could start.
func fork() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		sleep()
	}
	started := 0
	for ; started < 1000; started++ {
		if exec.Command("/proc/self/exe", "child").Start() != nil {
			break
		}
	}
	fmt.Printf("{\"started\": %d}\n", started)
}

// fill prints how many bytes it could write.
func fill() {
	file, _ := os.Create("/tmp/loot")
	block, written := make([]byte, 1<<20), 0
	for {
		n, err := file.Write(block)
		written += n
		if err != nil {
			break
		}
	}
	fmt.Printf("{\"written\": %d}\n", written)
}

func fail() {
	fmt.Fprintln(os.Stderr, "first line")
	fmt.Fprintln(os.Stderr, "FATAL\x1b[2J the end")
	os.Exit(3)
}
