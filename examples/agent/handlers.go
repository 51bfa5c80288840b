package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

const (
	maxBody     = 4096
	streamEvery = 100 * time.Millisecond
)

// Agent answers requests.
type Agent struct {
	config    Config
	model     string // tree digest, or "none"
	behaviour *Behaviour
	metrics   *Metrics
	stopping  chan struct{} // closed by SIGTERM
}

// Handler is all routes. Once the agent stops, each connection ends with its next answer.
func (a *Agent) Handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", a.answer)
	routes.HandleFunc("GET /healthz", a.health)
	routes.HandleFunc("GET /metrics", a.showMetrics)
	routes.HandleFunc("GET /stream", a.stream)
	routes.HandleFunc("GET /.well-known/agent", a.introduce)
	routes.HandleFunc("POST /control", a.control)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.stops() {
			w.Header().Set("Connection", "close")
		}
		routes.ServeHTTP(w, r)
	})
}

func (a *Agent) answer(w http.ResponseWriter, r *http.Request) {
	began, code := time.Now(), http.StatusOK
	a.metrics.Allowed()
	after(r.Context(), a.behaviour.Now().Slow, func() {})
	if a.behaviour.Fails() {
		code = http.StatusInternalServerError
		send(w, code, map[string]string{"error": "failing as told"})
	} else {
		send(w, code, map[string]string{
			"revision": a.config.Revision, "version": a.config.Version,
			"pod": a.config.Pod, "model": shortModel(a.model),
		})
	}
	a.metrics.Answered(code, time.Since(began))
}

func (a *Agent) health(w http.ResponseWriter, _ *http.Request) {
	sick := a.behaviour.Sick()
	if a.stops() {
		sick = "stopping"
	}
	if sick != "" {
		send(w, http.StatusServiceUnavailable, map[string]string{"status": sick})
		return
	}
	send(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (a *Agent) showMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	a.metrics.Write(w)
}

// stream sends a line every 100 ms without end; SIGTERM makes the line it sends then the last.
func (a *Agent) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	ticker := time.NewTicker(streamEvery)
	defer ticker.Stop()
	lines := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	for last := false; !last; {
		select {
		case <-r.Context().Done():
			return
		case <-a.stopping:
			last = true
		case <-ticker.C:
		}
		line := map[string]any{"revision": a.config.Revision}
		if last {
			line["last"] = true
		}
		if lines.Encode(line) != nil || flush.Flush() != nil {
			return
		}
	}
}

func (a *Agent) introduce(w http.ResponseWriter, _ *http.Request) {
	mode := "request"
	if a.config.QueueURL != "" {
		mode = "autonomous"
	}
	send(w, http.StatusOK, map[string]string{
		"agent": a.config.Agent, "revision": a.config.Revision, "version": a.config.Version,
		"modelTree": a.model, "mode": mode,
	})
}

func (a *Agent) control(w http.ResponseWriter, r *http.Request) {
	var told struct {
		Fault *string `json:"fault"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	err := body.Decode(&told)
	if err == nil && told.Fault == nil {
		err = fmt.Errorf("the field fault is missing")
	}
	if err != nil {
		err = fmt.Errorf(`the body is not {"fault": "..."} (%w); these faults exist: %s`,
			err, usage())
	} else {
		err = a.behaviour.Tell(*told.Fault)
	}
	if err != nil {
		send(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	slog.Info("told how to behave", "fault", *told.Fault)
	send(w, http.StatusOK, map[string]string{"fault": *told.Fault})
}

func (a *Agent) stops() bool {
	select {
	case <-a.stopping:
		return true
	default:
		return false
	}
}

func shortModel(tree string) string { return tree[:min(len(tree), 16)] }

func send(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) // who is gone needs no answer
}
