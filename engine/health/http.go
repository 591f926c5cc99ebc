package health

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"hairpin/engine/spec"
)

// Bounds of what is read of an answer, in bytes.
const (
	mostHead = 64 << 10
	mostBody = 64 << 10
)

// tcp: the connection is accepted.
func (q *question) tcp() error {
	s, err := q.dial()
	if err != nil {
		return err
	}
	return s.Close()
}

// tls: the handshake succeeds.
func (q *question) tls() error {
	c, err := q.secure()
	if err != nil {
		return err
	}
	return c.Close()
}

// http: a GET is answered as it should be (RFC 9110, 9112).
func (q *question) http() error {
	c, err := q.connection()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(q.request()); err != nil {
		return err
	}
	limited := &io.LimitedReader{R: c, N: mostHead}
	answer, err := http.ReadResponse(bufio.NewReader(limited), nil)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("closed the connection before its answer was whole")
	case err != nil && limited.N <= 0:
		return fmt.Errorf("its answer's head is longer than %d bytes", mostHead)
	case err != nil:
		return err
	}
	limited.N = mostBody
	return q.judge(answer)
}

func (q *question) request() []byte {
	host := q.check.Host
	if host == "" {
		host = q.to.String()
		if usual := map[spec.CheckKind]uint16{spec.CheckHTTP: 80, spec.CheckHTTPS: 443}[q.check.Kind]; q.to.Port() == usual {
			host = strings.TrimSuffix(host, ":"+strconv.Itoa(int(usual)))
		}
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hairpin\r\nAccept: */*\r\nConnection: close\r\n\r\n", q.check.Path, host)
}

// judge compares an answer with what is right.
func (q *question) judge(answer *http.Response) error {
	c := q.check
	right := func(s spec.StatusSpan) bool {
		return answer.StatusCode >= int(s.First) && answer.StatusCode <= int(s.Last)
	}
	if !slices.ContainsFunc(c.Status, right) {
		all := make([]string, len(c.Status))
		for i, s := range c.Status {
			all[i] = s.String()
		}
		return fmt.Errorf("status %d, not %s", answer.StatusCode, strings.Join(all, ", "))
	}
	if c.Header != "" {
		name, text, _ := strings.Cut(c.Header, ":")
		name, text = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(text)
		if !slices.ContainsFunc(answer.Header[name], func(v string) bool { return strings.Contains(v, text) }) {
			return fmt.Errorf("no header %s", strings.TrimSuffix(name+": "+text, ": "))
		}
	}
	if c.Body == "" {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBody))
	if bytes.Contains(body, []byte(c.Body)) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%q is not in the first %d bytes of its body", c.Body, len(body))
}

func (q *question) connection() (net.Conn, error) {
	if q.check.Kind == spec.CheckHTTPS {
		return q.secure()
	}
	s, err := q.dial()
	if err != nil {
		return nil, err
	}
	return s, s.SetDeadline(q.deadline())
}

// secure is a connection over TLS. A certificate is looked at only where the check says whose it must be.
func (q *question) secure() (net.Conn, error) {
	s, err := q.dial()
	if err != nil {
		return nil, err
	}
	if err := s.SetDeadline(q.deadline()); err != nil {
		_ = s.Close()
		return nil, err
	}
	c := tls.Client(s, &tls.Config{ServerName: q.check.Host, InsecureSkipVerify: !q.check.Verify})
	if err := c.HandshakeContext(q.ctx); err != nil {
		_ = s.Close()
		if errors.Is(err, io.EOF) {
			err = errors.New("closed the connection in the handshake")
		}
		return nil, err
	}
	return c, nil
}
