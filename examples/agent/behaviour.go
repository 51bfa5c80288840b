package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	exitCrashed = 3
	leakStep    = 8 << 20
	leakEvery   = 100 * time.Millisecond
	leakMax     = 1 << 30 // more than any pod here may have; who tries it at home keeps a machine
)

// Behaviour is how the agent behaves from now on. Telling it anew ends what was told before.
type Behaviour struct {
	metrics *Metrics

	mu     sync.Mutex
	faults Faults
	since  time.Time
	failed float64 // the part of an answer that is due to fail
	end    context.CancelFunc
}

func newBehaviour(metrics *Metrics) *Behaviour {
	return &Behaviour{metrics: metrics, end: func() {}}
}

// Tell sets all faults at once; times count from now. Text that cannot be read changes nothing.
func (b *Behaviour) Tell(text string) error {
	faults, err := parseFaults(text)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	b.mu.Lock()
	b.end()
	b.faults, b.since, b.failed, b.end = faults, time.Now(), 0, end
	b.mu.Unlock()
	if faults.CrashAfter != nil {
		go after(ctx, *faults.CrashAfter, crash)
	}
	if faults.Violate != "" {
		go b.violate(ctx, faults)
	}
	if faults.Leak {
		go leak(ctx)
	}
	return nil
}

// Now is what was told last.
func (b *Behaviour) Now() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

// Sick says why the agent is not healthy now, or nothing.
func (b *Behaviour) Sick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := time.Since(b.since)
	switch {
	case b.faults.NeverReady:
		return "never-ready"
	case told < b.faults.ReadyAfter:
		return "ready-after"
	case b.faults.UnhealthyAfter != nil && told >= *b.faults.UnhealthyAfter:
		return "unhealthy-after"
	}
	return ""
}

// Fails says whether this answer is one of those that fail: evenly spread, not by chance.
func (b *Behaviour) Fails() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed += b.faults.Errors; b.failed < 1 {
		return false
	}
	b.failed--
	return true
}

func (b *Behaviour) violate(ctx context.Context, faults Faults) {
	b.metrics.Denied(faults.Violate)
	if faults.PerSecond == 0 {
		return
	}
	every := time.Duration(float64(time.Second) / faults.PerSecond)
	forever(ctx, every, func() { b.metrics.Denied(faults.Violate) })
}

func crash() {
	slog.Error("crashing as told", "exit", exitCrashed)
	os.Exit(exitCrashed)
}

func leak(ctx context.Context) {
	var kept [][]byte
	forever(ctx, leakEvery, func() {
		if len(kept)*leakStep >= leakMax {
			return
		}
		block := make([]byte, leakStep)
		for at := 0; at < len(block); at += os.Getpagesize() {
			block[at] = 1 // untouched pages cost nothing
		}
		kept = append(kept, block)
	})
}

func after(ctx context.Context, wait time.Duration, do func()) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
		do()
	}
}

func forever(ctx context.Context, every time.Duration, do func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
