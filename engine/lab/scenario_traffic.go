package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
)

const (
	floodRate  = 3000 // SYNs a second: this machine has others to serve
	floodBurst = 30

	noise = 300 // connections a second of one source

	postRate = 10 // uploads a second
	postSize = 32 << 10
)

// synFlood sends SYNs from 198.18.0.0/15, which is for benchmarks and nobody's, until ctx ends.
func synFlood(ctx context.Context, l *Lab) error {
	return l.Do(Client, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return fmt.Errorf("open raw socket: %w", err)
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Addr: VIP4.As4()}
		pace := time.NewTicker(time.Second * floodBurst / floodRate)
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-pace.C:
			}
			for range floodBurst {
				if err := unix.Sendto(fd, syn(), 0, to); err != nil && !errors.Is(err, unix.ENOBUFS) {
					return fmt.Errorf("send SYN: %w", err)
				}
			}
		}
	})
}

func syn() []byte {
	var nobody [4]byte
	binary.BigEndian.PutUint32(nobody[:], 198<<24|18<<16|rand.Uint32()&0x1ffff)
	return packet.Build(packet.IPv4{Src: netip.AddrFrom4(nobody), Dst: VIP4},
		packet.TCP{Src: packet.Is(uint16(1024 + rand.IntN(64000))), Dst: packet.Is(HTTPPort), Seq: rand.Uint32(), Flags: "S"})
}

// noisy opens connections from one address, until ctx ends.
func noisy(ctx context.Context, l *Lab) error {
	all := Sources(VIP4)
	c := LoadConfig{For: MaxLoad, New: noise, Web: []netip.AddrPort{netip.AddrPortFrom(VIP4, HTTPPort)}, sources: all[len(all)-1:]}
	_, err := c.run(ctx, func() error { return enter(l.namespace(Client)) })
	return err
}

// upload posts bodies of many full packets until ctx ends. That some do not arrive is what somebody else has to notice.
func upload(ctx context.Context, l *Lab) error {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return l.DialContext(ctx, Client, network, address)
		}}}
	body := bytes.Repeat([]byte{'x'}, postSize)
	to := "http://" + netip.AddrPortFrom(VIP4, HTTPPort).String()
	var posting sync.WaitGroup
	defer posting.Wait()
	pace := time.NewTicker(time.Second / postRate)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		posting.Go(func() {
			if answer, err := client.Post(to, "text/plain", bytes.NewReader(body)); err == nil {
				_ = answer.Body.Close()
			}
		})
	}
}
