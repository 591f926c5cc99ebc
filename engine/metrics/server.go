package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"hairpin/engine"
)

// DefaultAddress is where metrics are served if nothing else is asked for.
const DefaultAddress = "127.0.0.1:9417"

// Address is where "HOST:PORT" is listened on: without a host, on loopback alone. It says too whether others can reach it.
func Address(text string) (addr string, open bool, err error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", false, fmt.Errorf("metrics address %q: %w", text, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ip := net.ParseIP(host)
	open = host != "localhost" && (ip == nil || !ip.IsLoopback())
	return net.JoinHostPort(host, port), open, nil
}

// Serve answers on l until ctx ends, with what state gives at the time. It closes l.
func Serve(ctx context.Context, l net.Listener, state func() *engine.State) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		s := state()
		if s == nil {
			http.Error(w, "no snapshot yet", http.StatusServiceUnavailable)
			return
		}
		var b bytes.Buffer
		_ = Write(&b, s) // to memory
		w.Header().Set("Content-Type", ContentType)
		_, _ = w.Write(b.Bytes()) // whoever hangs up gets nothing
	})
	const patience = 10 * time.Second
	server := &http.Server{Handler: mux, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
