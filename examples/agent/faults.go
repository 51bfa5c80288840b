package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults is what the agent does wrong; the zero value is a healthy agent. AGENT_FAULT and
// POST /control say it in the same words.
type Faults struct {
	NeverReady     bool
	ReadyAfter     time.Duration
	UnhealthyAfter *time.Duration
	CrashAfter     *time.Duration
	Slow           time.Duration
	Leak           bool
	Violate        string  // severity, or empty
	PerSecond      float64 // violations; 0: a single one
	Errors         float64 // this part of all answers is a 500
	Silence        bool
}

const maxFaultText, maxPerSecond = 512, 1000.0

var severities = []string{"policy", "safety"}

// kind is one fault: its name, how it is written, and how its value is read.
type kind struct {
	name, usage string
	read        func(faults *Faults, value string) error
}

var kinds = []kind{
	{"never-ready", "never-ready", flag(func(f *Faults) { f.NeverReady = true })},
	{"ready-after", "ready-after=5s", func(f *Faults, value string) (err error) {
		f.ReadyAfter, err = duration(value)
		return err
	}},
	{"unhealthy-after", "unhealthy-after=5s", later(func(f *Faults) **time.Duration {
		return &f.UnhealthyAfter
	})},
	{"crash-after", "crash-after=3s", later(func(f *Faults) **time.Duration {
		return &f.CrashAfter
	})},
	{"slow", "slow=2s", func(f *Faults, value string) (err error) {
		f.Slow, err = duration(value)
		return err
	}},
	{"leak", "leak", flag(func(f *Faults) { f.Leak = true })},
	{"violate", "violate=policy|safety[@10/s]", readViolate},
	{"errors", "errors=0.5", func(f *Faults, value string) (err error) {
		f.Errors, err = number(value, 1)
		return err
	}},
	{"silence", "silence", flag(func(f *Faults) { f.Silence = true })},
}

// parseFaults reads faults joined by commas; empty text is no fault.
func parseFaults(text string) (Faults, error) {
	var faults Faults
	if len(text) > maxFaultText {
		return faults, fmt.Errorf("the faults are %d bytes long, expected at most %d",
			len(text), maxFaultText)
	}
	seen := map[string]bool{}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, value, _ := strings.Cut(item, "=")
		if seen[name] {
			return Faults{}, fmt.Errorf("the fault %q stands there twice; give it once", name)
		}
		seen[name] = true
		if err := readFault(&faults, name, value); err != nil {
			return Faults{}, err
		}
	}
	return faults, nil
}

func readFault(faults *Faults, name, value string) error {
	at := slices.IndexFunc(kinds, func(each kind) bool { return each.name == name })
	if at < 0 {
		return fmt.Errorf("there is no fault %q; these exist, joined by commas: %s", name, usage())
	}
	if err := kinds[at].read(faults, value); err != nil {
		return fmt.Errorf("the value of %q is %w; it is written %s", name, err, kinds[at].usage)
	}
	return nil
}

func usage() string {
	written := make([]string, len(kinds))
	for i, each := range kinds {
		written[i] = each.usage
	}
	return strings.Join(written, ", ")
}

func readViolate(faults *Faults, value string) (err error) {
	severity, rate, repeated := strings.Cut(value, "@")
	if !slices.Contains(severities, severity) {
		return fmt.Errorf("%q, expected one of %s", value, strings.Join(severities, ", "))
	}
	faults.Violate = severity
	if repeated {
		faults.PerSecond, err = number(strings.TrimSuffix(rate, "/s"), maxPerSecond)
	}
	return err
}

func flag(set func(*Faults)) func(*Faults, string) error {
	return func(faults *Faults, value string) error {
		if value != "" {
			return fmt.Errorf("%q, expected none", value)
		}
		set(faults)
		return nil
	}
}

func later(field func(*Faults) **time.Duration) func(*Faults, string) error {
	return func(faults *Faults, value string) error {
		after, err := duration(value)
		*field(faults) = &after
		return err
	}
}

// number reads a positive number that is at most max; the negated test also refuses NaN.
func number(text string, max float64) (float64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err == nil && !(value > 0 && value <= max) {
		err = errors.New("out of range")
	}
	if err != nil {
		return 0, fmt.Errorf("%q, expected a number above 0 and up to %v", text, max)
	}
	return value, nil
}
