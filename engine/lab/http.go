package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Limits of what one request may ask for.
const (
	mostBytes  = 1 << 30
	longestLag = time.Minute
)

// serveHTTP answers, on every path, with the backend's name in the header X-Backend:
//
//	/            the name in the body; of a POST, with the number of bytes received
//	/slow?for=1s the same after that time
//	/bytes?n=1   n bytes
//	/stream      the name, a line every 100 ms, until the client goes
func serveHTTP(ctx context.Context, on net.Listener, backend string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", answerName(backend))
	mux.HandleFunc("/slow", answerSlow(backend))
	mux.HandleFunc("/bytes", answerBytes)
	mux.HandleFunc("/stream", answerStream(backend))
	named := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", backend)
		mux.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: named, BaseContext: func(net.Listener) context.Context { return ctx }}
	if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func answerName(backend string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			io.WriteString(w, backend+"\n")
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return // the client is gone
		}
		fmt.Fprintf(w, "%s %d\n", backend, n)
	}
}

func answerSlow(backend string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		lag, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err != nil || lag < 0 || lag > longestLag {
			http.Error(w, "for: a time up to "+longestLag.String(), http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(lag):
			io.WriteString(w, backend+"\n")
		case <-r.Context().Done():
		}
	}
}

func answerBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil || n < 0 || n > mostBytes {
		http.Error(w, fmt.Sprintf("n: 0 to %d", mostBytes), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	io.CopyN(w, endless{}, n) // an error means that the client is gone
}

func answerStream(backend string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := io.WriteString(w, backend+"\n"); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// endless reads as the letter x without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
