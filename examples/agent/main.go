// A small agent to try Interlock with: it says who it is, and fails in the ways it is told to.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	exitBroken  = 1 // could not serve, or had to cut somebody off at the end
	exitRefused = 2 // the environment asks for what does not exist
	heartbeat   = time.Second
	headerBytes = 16 << 10
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	os.Exit(run())
}

func run() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	agent, err := newAgent()
	if err != nil {
		slog.Error("refused to start", "error", err.Error())
		return exitRefused
	}
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(agent.config.Port))
	if err != nil {
		slog.Error("cannot listen", "error", err.Error())
		return exitBroken
	}
	server := &http.Server{
		Handler:           agent.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    headerBytes,
	}
	broken := make(chan error, 1)
	go func() { broken <- server.Serve(listener) }()
	slog.Info("serving", "port", agent.config.Port, "revision", agent.config.Revision,
		"version", agent.config.Version, "pod", agent.config.Pod, "model", agent.model,
		"fault", agent.config.Fault, "autonomous", agent.config.QueueURL != "")
	working, cut := context.WithCancel(context.Background())
	defer cut()
	worked := agent.begin(working)
	select {
	case err := <-broken:
		slog.Error("stopped serving", "error", err.Error())
		return exitBroken
	case received := <-signals:
		slog.Info("stopping", "signal", received.String())
	}
	if err := agent.end(server, worked); err != nil {
		slog.Error("ended, but somebody was cut off", "error", err.Error())
		return exitBroken
	}
	slog.Info("ended")
	return 0
}

func newAgent() (*Agent, error) {
	config, err := readConfig()
	if err != nil {
		return nil, err
	}
	model, err := modelTree(config.Models)
	if err != nil {
		return nil, fmt.Errorf("the model cannot be read: %w", err)
	}
	metrics := newMetrics()
	behaviour := newBehaviour(metrics)
	if err := behaviour.Tell(config.Fault); err != nil {
		return nil, fmt.Errorf("AGENT_FAULT: %w", err)
	}
	return &Agent{config, model, behaviour, metrics, make(chan struct{})}, nil
}

// begin starts what goes on beside the answers; the channel closes when the queue's item is done.
func (a *Agent) begin(ctx context.Context) <-chan struct{} {
	beat := func() {
		if !a.behaviour.Now().Silence {
			a.metrics.Beat()
		}
	}
	beat()
	go forever(ctx, heartbeat, beat)
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		if a.config.QueueURL != "" {
			newWorker(a).Run(ctx)
		}
	}()
	return worked
}

// end takes nothing new and finishes what there is, within the grace. It lingers first: readiness
// fails at once, but it takes a moment until no node routes here any more.
func (a *Agent) end(server *http.Server, worked <-chan struct{}) error {
	ctx, done := context.WithTimeout(context.Background(), a.config.Grace)
	defer done()
	close(a.stopping)
	after(ctx, a.config.Linger, func() {})
	err := server.Shutdown(ctx)
	select {
	case <-worked:
	case <-ctx.Done():
		err = errors.Join(err, errors.New("an item of the queue was not written"))
	}
	return err
}
