package discover

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hairpin/engine/spec"
)

const config = `
apiVersion: v1
kind: Config
current-context: lab
contexts:
  - {name: other, context: {cluster: nowhere, user: nobody}}
  - {name: lab, context: {cluster: here, user: me, namespace: shop}}
clusters:
  - {name: here, cluster: {server: "SERVER", certificate-authority: ca.pem}}
users:
  - name: me
    user: USER
`

// TestKubeconfig: the server is asked over TLS by the authority and with the token that the file names, read anew each time.
func TestKubeconfig(t *testing.T) {
	var tokens []string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"metadata": {"resourceVersion": "1"}}`))
	}))
	defer s.Close()
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	write("config", strings.NewReplacer("SERVER", s.URL, "USER", "{tokenFile: token}").Replace(config))
	k := newKubernetes(spec.From{Service: "web", Namespace: "shop", Kubeconfig: filepath.Join(folder, "config")}, &spec.VIP{}, dialer(here))
	for _, token := range []string{"first", "second"} {
		write("token", token+"\n")
		c, err := k.config(&k.From)
		if err != nil {
			t.Fatal(err)
		}
		client, err := c.client(k.dial)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.list(t.Context(), c, client); err != nil {
			t.Fatal(err)
		}
		client.CloseIdleConnections()
	}
	if strings.Join(tokens, " ") != "Bearer first Bearer second" {
		t.Errorf("tokens: %q", tokens)
	}

	write("ca.pem", strings.Replace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), "x", "y", 1))
	c, err := k.config(&k.From)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.client(k.dial); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Errorf("an authority that is none: %v", err)
	}
}

// TestKubeconfigRefused: what cannot be used is said with the file and the field.
func TestKubeconfigRefused(t *testing.T) {
	nowhere := base64.StdEncoding.EncodeToString([]byte("nothing"))
	for _, row := range []struct{ old, now, want string }{
		{"current-context: lab", "current-context: lost", `current-context: "lost" is none of its contexts`},
		{"cluster: here", "cluster: away", `clusters: "away" has no server`},
		{"certificate-authority: ca.pem", "insecure-skip-tls-verify: true", "insecure-skip-tls-verify: "},
		{"ca.pem", "lost.pem", "certificate-authority: open "},
		{"USER", "{exec: {command: aws}}", "users: only tokens and client certificates"},
		{"USER", "{username: me, password: x}", "users: only tokens and client certificates"},
		{"USER", "{client-certificate: lost.pem, client-key: key.pem}", "client-certificate: open "},
		{"USER", "{client-certificate-data: " + nowhere + ", client-key-data: " + nowhere + "}", "failed to find any PEM data"},
		{"users:", "users", "yaml: "},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "config")
		text := strings.Replace(config, row.old, row.now, 1)
		if err := os.WriteFile(filepath.Join(folder, "ca.pem"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.NewReplacer("SERVER", "https://x", "USER", "{token: x}").Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readKubeconfig(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.now, err)
		}
	}
	if _, err := findCluster(&spec.From{}); err == nil || !strings.Contains(err.Error(), "write a kubeconfig") {
		t.Errorf("outside of a pod: %v", err)
	}
}
