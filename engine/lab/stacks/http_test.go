package stacks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"hairpin/engine/lab"
)

// TestHTTP: many clients of Go's, at the same time, whose connections are kept from request to request. No connection ends
// before its client closes it, and each has one backend. (A client closes one now and then: Go's does not keep a
// connection whose answer is there long before its own writer goroutine ran.)
func TestHTTP(t *testing.T) {
	n, ctx := begin(t)
	const clients, requests, size = 24, 40, 20_000
	for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		var group errgroup.Group
		all := homes{of: map[string]string{}}
		for range clients {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := n.DialContext(ctx, lab.Client, network, address)
				return &watched{conn, t}, err
			}}}
			t.Cleanup(client.CloseIdleConnections)
			group.Go(func() error {
				return all.browse(ctx, client, fmt.Sprintf("http://%s/bytes?n=%d", netip.AddrPortFrom(vip, lab.HTTPPort), size), requests, size)
			})
		}
		if err := group.Wait(); err != nil {
			t.Errorf("%s: %v", vip, err)
		}
		seen := map[string]bool{}
		for _, home := range all.of {
			seen[home] = true
		}
		if len(seen) < 2 {
			t.Errorf("%s: %v answered %d connections", vip, seen, len(all.of))
		}
		if most := clients + clients*requests/10; len(all.of) < clients || len(all.of) > most {
			t.Errorf("%s: %d connections of %d clients, not %d to %d: they are not kept", vip, len(all.of), clients, clients, most)
		}
	}
}

// watched is a connection whose end is an error of the test when it is not the client that closes it.
type watched struct {
	net.Conn
	t *testing.T
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		w.t.Errorf("%s to %s: %v", w.LocalAddr(), w.RemoteAddr(), err)
	}
	return n, err
}

// homes is the backend of each connection, which its client's address names.
type homes struct {
	mu sync.Mutex
	of map[string]string
}

// browse asks one question after the other, and notes which backend answers on which connection.
func (h *homes) browse(ctx context.Context, client *http.Client, url string, requests int, size int64) error {
	var from string
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { from = i.Conn.LocalAddr().String() }})
	for i := range requests {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		got, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || got != size {
			return fmt.Errorf("request %d: %d bytes of %d: %w", i, got, size, err)
		}
		if err := h.note(from, answer.Header.Get("X-Backend")); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
	}
	return nil
}

func (h *homes) note(from, backend string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if home, ok := h.of[from]; ok && home != backend {
		return fmt.Errorf("%s was answered by %s, before by %s", from, backend, home)
	}
	h.of[from] = backend
	return nil
}
