package stacks

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"hairpin/engine/lab"
)

// TestHTTP: many clients of Go's, at the same time, whose connections are kept from request to request.
func TestHTTP(t *testing.T) {
	n, ctx := begin(t)
	const clients, requests, size = 24, 40, 20_000
	for _, vip := range []netip.Addr{lab.VIP4, lab.VIP6} {
		var group errgroup.Group
		var dialed atomic.Int32
		homes := make([]string, clients)
		for i := range clients {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				dialed.Add(1)
				return n.DialContext(ctx, lab.Client, network, address)
			}}}
			t.Cleanup(client.CloseIdleConnections)
			group.Go(func() (err error) {
				homes[i], err = browse(ctx, client, fmt.Sprintf("http://%s/bytes?n=%d", netip.AddrPortFrom(vip, lab.HTTPPort), size), requests, size)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Errorf("%s: %v", vip, err)
		}
		if dialed.Load() != clients {
			t.Errorf("%s: %d connections for %d clients", vip, dialed.Load(), clients)
		}
		seen := map[string]bool{}
		for _, home := range homes {
			seen[home] = true
		}
		if len(seen) < 2 {
			t.Errorf("%s: %v answered %d clients", vip, seen, clients)
		}
	}
}

// browse asks one question after the other, and says which backend has all the answers.
func browse(ctx context.Context, client *http.Client, url string, requests int, size int64) (home string, err error) {
	for i := range requests {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		answer, err := client.Do(r)
		if err != nil {
			return "", err
		}
		got, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || got != size {
			return "", fmt.Errorf("request %d: %d bytes of %d: %w", i, got, size, err)
		}
		backend := answer.Header.Get("X-Backend")
		if home == "" {
			home = backend
		}
		if backend != home {
			return "", fmt.Errorf("request %d was answered by %s, the others by %s", i, backend, home)
		}
	}
	return home, nil
}
