package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

const (
	queueTimeout = 2 * time.Second
	queuePause   = 100 * time.Millisecond // after an empty queue or a failed call
)

var (
	errRefused = errors.New("not for us, asking again does not help")
	errFailed  = errors.New("expected 2xx")
)

// Worker is the agent that acts by itself: it takes one item at a time and writes what it did.
type Worker struct {
	config   Config
	metrics  *Metrics
	stopping <-chan struct{}
	client   *http.Client
}

func newWorker(agent *Agent) *Worker {
	client := &http.Client{Timeout: queueTimeout, Transport: &http.Transport{}} // no proxy
	return &Worker{agent.config, agent.metrics, agent.stopping, client}
}

// Run ends once it is told to stop and holds nothing. Whatever a call that was under way then
// brings is still done: an item that was taken and not written would be lost.
func (w *Worker) Run(ctx context.Context) {
	for {
		select {
		case <-w.stopping:
			return
		default:
		}
		item, err := w.take(ctx)
		switch {
		case err != nil:
			slog.Warn("the queue gave nothing", "error", err.Error())
			w.pause(ctx)
		case item == "":
			w.pause(ctx)
		default:
			w.work(ctx, item)
		}
	}
}

func (w *Worker) work(ctx context.Context, item string) {
	began := time.Now()
	after(ctx, w.config.Work, func() {})
	w.metrics.Allowed()
	done, _ := json.Marshal(map[string]string{
		"id": item, "revision": w.config.Revision, "pod": w.config.Pod,
		"began": began.UTC().Format(time.RFC3339Nano),
		"ended": time.Now().UTC().Format(time.RFC3339Nano),
	})
	for ctx.Err() == nil {
		_, err := w.call(ctx, "/write", done)
		if err == nil {
			return
		}
		if errors.Is(err, errRefused) {
			slog.Error("the queue refused what was done, given up", "error", err.Error())
			return
		}
		slog.Warn("the queue did not take what was done, trying again", "error", err.Error())
		after(ctx, queuePause, func() {})
	}
}

func (w *Worker) take(ctx context.Context) (string, error) {
	answer, err := w.call(ctx, "/take", nil)
	if err != nil || len(answer) == 0 {
		return "", err
	}
	var item struct{ ID string }
	err = json.Unmarshal(answer, &item)
	return item.ID, err
}

func (w *Worker) call(ctx context.Context, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, w.config.QueueURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	switch {
	case err != nil || answer.StatusCode/100 == 2:
		return content, err
	case answer.StatusCode/100 == 4:
		err = errRefused
	default:
		err = errFailed
	}
	return nil, fmt.Errorf("POST %s answered %d: %w", path, answer.StatusCode, err)
}

func (w *Worker) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-w.stopping:
	case <-time.After(queuePause):
	}
}
