package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
)

// signer makes certificates.
type signer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newSigner(t *testing.T, name string) *signer {
	s := &signer{t: t}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, key := s.sign(template)
	var err error
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	s.key = key
	return s
}

func (s *signer) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	parent, by := s.cert, s.key
	if parent == nil {
		parent, by = template, key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		s.t.Fatal(err)
	}
	return der, key
}

// leave writes ca.pem, NAME.pem and NAME.key of a new certificate into a folder.
func (s *signer) leave(dir, name string, of x509.Certificate) {
	s.t.Helper()
	of.Subject = pkix.Name{CommonName: name}
	of.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, key := s.sign(&of)
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: s.cert.Raw}, name + ".pem": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

var loopback = x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}

// secureServer is an etcd that asks its clients for certificates, with a folder of its own.
func secureServer(t *testing.T, by *signer) (s *server, dir string) {
	dir = t.TempDir()
	by.leave(dir, "server", loopback)
	s = &server{t: t, dir: t.TempDir(), tls: &transport.TLSInfo{CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key"),
		TrustedCAFile: filepath.Join(dir, "ca.pem"), ClientCertAuth: true}}
	s.start("127.0.0.1:0")
	t.Cleanup(s.stop)
	return s, dir
}

func addressOf(t *testing.T, endpoint string, options ...string) *Address {
	t.Helper()
	a, err := ParseAddress("etcds://" + endpoint + "/test?" + strings.Join(options, "&"))
	if err != nil {
		t.Fatal(err)
	}
	a.answer = 3 * time.Second
	return a
}

// listed asks a store for what it has, and says how that goes.
func listed(t *testing.T, s Store) string {
	t.Helper()
	if _, _, err := s.List(t.Context(), ""); err != nil {
		return err.Error()
	}
	return ""
}

func opened(t *testing.T, a *Address) Store {
	t.Helper()
	s := Open(a)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestTLS: a store is reached with what the files say, and what is wrong with them is said by their names.
func TestTLS(t *testing.T) {
	t.Parallel()
	good, other := newSigner(t, "good"), newSigner(t, "other")
	s, _ := secureServer(t, good)
	dir, strange := t.TempDir(), t.TempDir()
	good.leave(dir, "node", x509.Certificate{})
	good.leave(dir, "old", x509.Certificate{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	other.leave(strange, "node", x509.Certificate{})
	ca := func(dir string) string { return "ca=" + dir + "/ca.pem" }
	cert := func(dir, name string) string {
		return "cert=" + dir + "/" + name + ".pem&key=" + dir + "/" + name + ".key"
	}
	plain := newServer(t)
	for _, row := range []struct {
		what     string
		endpoint string
		options  []string
		want     string
	}{
		{"as it should be", s.endpoint, []string{ca(dir), cert(dir, "node")}, ""},
		{"no certificate", s.endpoint, []string{ca(dir)}, "asks for a certificate: name one: cert and key"},
		{"one of another signer", s.endpoint, []string{ca(dir), cert(strange, "node")}, "refuses the certificate in " + strange + "/node.pem"},
		{"one that is over", s.endpoint, []string{ca(dir), cert(dir, "old")}, "refuses the certificate in " + dir + "/old.pem"},
		{"another signer's server", s.endpoint, []string{ca(strange), cert(dir, "node")}, "is signed by nobody in " + strange + "/ca.pem"},
		{"nobody is trusted", s.endpoint, []string{cert(dir, "node")}, "name a file of its signers: ca"},
		{"another name", strings.Replace(s.endpoint, "127.0.0.1", "localhost", 1), []string{ca(dir), cert(dir, "node")}, "is not for that name"},
		{"no TLS there", plain.endpoint, []string{ca(dir)}, "does not speak TLS: write etcd://"},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			if got := listed(t, opened(t, addressOf(t, row.endpoint, row.options...))); row.want == "" && got != "" || !strings.Contains(got, row.want) {
				t.Error(got)
			}
		})
	}
	a, err := ParseAddress("etcd://" + s.endpoint + "/test")
	if err != nil {
		t.Fatal(err)
	}
	a.answer = 3 * time.Second
	if got := listed(t, opened(t, a)); !strings.Contains(got, "does it speak TLS or not as the address says?") {
		t.Errorf("without TLS: %s", got)
	}
}

// TestRenewed: files that are replaced are read again, without a new engine; while they do not fit, that is said by their names.
func TestRenewed(t *testing.T) {
	t.Parallel()
	first, second := newSigner(t, "first"), newSigner(t, "second")
	s, its := secureServer(t, first)
	dir := t.TempDir()
	first.leave(dir, "node", x509.Certificate{})
	at := func(file string) string { return filepath.Join(dir, file) }
	c := newCrew(t)
	c.startWith("a", addressOf(t, s.endpoint, "ca="+at("ca.pem"), "cert="+at("node.pem"), "key="+at("node.key")), &fakeNode{})
	c.joined("a")

	s.stop()
	second.leave(its, "server", loopback)
	s.start(s.endpoint)
	says := func(want string) {
		t.Helper()
		await(t, func() string {
			if v := c.members["a"].View(); v.Reached || !strings.Contains(v.Why, want) {
				return v.Why + ", not " + want
			}
			return ""
		})
	}
	says("is signed by nobody in " + at("ca.pem"))
	if err := os.Remove(at("node.pem")); err != nil {
		t.Fatal(err)
	}
	says(at("node.pem") + ": no such file")
	old, err := os.ReadFile(at("node.key"))
	if err != nil {
		t.Fatal(err)
	}
	second.leave(dir, "node", x509.Certificate{})
	whole, err := os.ReadFile(at("node.key"))
	if err == nil {
		err = os.WriteFile(at("node.key"), old, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	says("key " + at("node.key") + ": tls: private key does not match public key")
	if err := os.WriteFile(at("node.key"), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	c.joined("a")
	c.apply("a", plainDocument)
	c.reaches(1, Done, "a")
}

// TestFilesRefused: what cannot be used is said before an engine starts.
func TestFilesRefused(t *testing.T) {
	dir := t.TempDir()
	newSigner(t, "one").leave(dir, "node", x509.Certificate{})
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for options, want := range map[string]string{
		"ca=" + dir + "/none":       "ca: open " + dir + "/none: no such file",
		"ca=" + dir + "/empty":      "ca: " + dir + "/empty has no certificate in PEM",
		"ca=ca.pem":                 "ca: ca.pem is no absolute path",
		"cert=" + dir + "/node.pem": "cert and key go together",
		"cert=" + dir + "/node.pem&key=" + dir + "/ca.pem":     "cert " + dir + "/node.pem and key " + dir + "/ca.pem: ",
		"cert=" + dir + "/node.pem&key=" + dir + "/none":       dir + "/none: no such file",
		"cert=" + dir + "/node.pem&cert=" + dir + "/other.pem": "cert: write it once",
	} {
		if _, err := ParseAddress("etcd://127.0.0.1:2379/test?" + options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", options, err)
		}
	}
	if a, err := ParseAddress("etcd://127.0.0.1:2379/test"); err != nil || a.files.secure {
		t.Errorf("%+v %v", a, err)
	}
	if _, _, err := (renewed{}).ServerHandshake(nil); err == nil {
		t.Error("it serves")
	}
	_, _, err := renewed{files{ca: dir + "/none"}}.ClientHandshake(context.Background(), "x", nil)
	if err == nil || !strings.Contains(err.Error(), "none: no such file") {
		t.Error(err)
	}
}
