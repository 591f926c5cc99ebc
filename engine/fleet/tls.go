package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
)

// files are by which a store is opened. They are read for each connection anew: whoever renews certificates replaces them while the
// engine runs.
type files struct {
	secure        bool
	ca, cert, key string // empty = none, and for ca: whom the system trusts
}

// config is what the files say now. Errors name them.
func (f files) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	return c, errors.Join(f.readCA(c), f.readCert(c))
}

func (f files) readCA(c *tls.Config) error {
	if f.ca == "" {
		return nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("ca: %s has no certificate in PEM", f.ca)
	}
	return nil
}

func (f files) readCert(c *tls.Config) error {
	if (f.cert == "") != (f.key == "") {
		return errors.New("cert and key go together")
	}
	if f.cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("cert %s and key %s: %w", f.cert, f.key, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}

// renewed is TLS by what the files say when a connection is made.
type renewed struct{ files files }

func (r renewed) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, err := r.files.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(c).ClientHandshake(ctx, authority, conn)
}

func (r renewed) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("it is for clients")
}

func (r renewed) Info() credentials.ProtocolInfo { return credentials.NewTLS(nil).Info() }

func (r renewed) Clone() credentials.TransportCredentials { return r }

func (r renewed) OverrideServerName(string) error { return errors.New("names are those of endpoints") }

// secured speaks TLS over a connection to an endpoint, and says in words why it cannot. A server that wants another certificate
// says so only once it is spoken to.
func (f files) secured(ctx context.Context, endpoint string, conn net.Conn) error {
	c, err := f.config()
	if err != nil {
		return err
	}
	c.ServerName, _, _ = net.SplitHostPort(endpoint)
	c.NextProtos = []string{"h2"}
	t := tls.Client(conn, c)
	if err := t.HandshakeContext(ctx); err != nil {
		return f.explain(endpoint, err)
	}
	if end, limited := ctx.Deadline(); limited {
		_ = t.SetDeadline(end)
	}
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" // and no settings
	_, err = t.Write([]byte(preface))
	if err == nil {
		_, err = t.Read(make([]byte, 1))
	}
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() {
		return nil
	}
	return f.explain(endpoint, err)
}

func (f files) explain(endpoint string, err error) error {
	if err == nil {
		return nil
	}
	trust := "nobody whom this system trusts; name a file of its signers: ca"
	if f.ca != "" {
		trust = "nobody in " + f.ca
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return fmt.Errorf("the certificate of %s is signed by %s: %w", endpoint, trust, err)
	}
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return fmt.Errorf("the certificate of %s is not for that name: %w", endpoint, err)
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, io.EOF) {
		return fmt.Errorf("%s does not speak TLS: write etcd://, without ca, cert and key: %w", endpoint, err)
	}
	if told, is := errors.AsType[*net.OpError](err); is && told.Op == "remote error" {
		if f.cert == "" {
			return fmt.Errorf("%s asks for a certificate: name one: cert and key: %w", endpoint, err)
		}
		return fmt.Errorf("%s refuses the certificate in %s: %w", endpoint, f.cert, err)
	}
	return fmt.Errorf("%s: %w", endpoint, err)
}
