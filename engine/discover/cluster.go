package discover

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"hairpin/engine/spec"
)

// cluster is how an API server is reached.
type cluster struct {
	server      string // its URL
	authorities []byte // PEM; nil = the host's
	name        string // in its certificate, where that is not the URL's
	token       string
	tokenFile   string // read with each request, for tokens are replaced
	certificate func() (*tls.Certificate, error)
}

// bearer is the token to show; empty = none.
func (c *cluster) bearer() (string, error) {
	if c.tokenFile == "" {
		return c.token, nil
	}
	text, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (c *cluster) client(dial dial) (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.name}
	if c.authorities != nil {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(c.authorities) {
			return nil, errors.New("the certificate authority of the cluster is no PEM certificate")
		}
	}
	if c.certificate != nil {
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.certificate() }
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: t, MaxIdleConns: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil // a token goes nowhere else
}

// podFolder is where a pod finds its account.
const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

// findCluster reads the kubeconfig that f names, or what a pod is given.
func findCluster(f *spec.From) (*cluster, error) {
	if f.Kubeconfig != "" {
		return readKubeconfig(f.Kubeconfig)
	}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("this process runs in no pod of Kubernetes: write a kubeconfig")
	}
	authorities, err := os.ReadFile(filepath.Join(podFolder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	return &cluster{server: "https://" + net.JoinHostPort(host, port), authorities: authorities, tokenFile: filepath.Join(podFolder, "token")}, nil
}

// kubeconfig is what is read of such a file. Plugins that get credentials are not run.
type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Server      string
			Authority   string `yaml:"certificate-authority"`
			Authorities string `yaml:"certificate-authority-data"`
			Name        string `yaml:"tls-server-name"`
			Insecure    bool   `yaml:"insecure-skip-tls-verify"`
		}
	}
	Users []struct {
		Name string
		User credentials
	}
}

type credentials struct {
	Token           string
	TokenFile       string `yaml:"tokenFile"`
	Certificate     string `yaml:"client-certificate"`
	CertificateData string `yaml:"client-certificate-data"`
	Key             string `yaml:"client-key"`
	KeyData         string `yaml:"client-key-data"`
	Exec            any
	Provider        any `yaml:"auth-provider"`
	Username        string
}

func readKubeconfig(path string) (*cluster, error) {
	text, err := readAtMost(path, mostBytes)
	if err != nil {
		return nil, err
	}
	var k kubeconfig
	if err := yaml.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := k.cluster(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// cluster is that of the current context. Paths in the file are relative to its folder.
func (k *kubeconfig) cluster(folder string) (*cluster, error) {
	found := &cluster{}
	var of, user string
	for _, x := range k.Contexts {
		if x.Name == k.Current {
			of, user = x.Context.Cluster, x.Context.User
		}
	}
	if of == "" {
		return nil, fmt.Errorf("current-context: %.40q is none of its contexts", k.Current)
	}
	for _, x := range k.Clusters {
		if x.Name != of {
			continue
		}
		if x.Cluster.Insecure {
			return nil, errors.New("insecure-skip-tls-verify: whoever is in between could say where packets go; write certificate-authority instead")
		}
		authorities, err := inline(x.Cluster.Authorities, x.Cluster.Authority, folder)
		if err != nil {
			return nil, fmt.Errorf("certificate-authority: %w", err)
		}
		found.server, found.authorities, found.name = x.Cluster.Server, authorities, x.Cluster.Name
	}
	if found.server == "" {
		return nil, fmt.Errorf("clusters: %.40q has no server", of)
	}
	for _, x := range k.Users {
		if x.Name == user {
			return found, x.User.give(found, folder)
		}
	}
	return found, nil
}

func (u *credentials) give(c *cluster, folder string) error {
	if u.Exec != nil || u.Provider != nil || u.Username != "" {
		return errors.New("users: only tokens and client certificates are supported: write token, tokenFile, or client-certificate and client-key")
	}
	c.token = u.Token
	if u.TokenFile != "" {
		c.tokenFile = within(folder, u.TokenFile)
	}
	if u.Certificate == "" && u.CertificateData == "" {
		return nil
	}
	c.certificate = func() (*tls.Certificate, error) { // read again for each connection, for it expires
		certificate, err := inline(u.CertificateData, u.Certificate, folder)
		if err != nil {
			return nil, fmt.Errorf("client-certificate: %w", err)
		}
		key, err := inline(u.KeyData, u.Key, folder)
		if err != nil {
			return nil, fmt.Errorf("client-key: %w", err)
		}
		pair, err := tls.X509KeyPair(certificate, key)
		return &pair, err
	}
	_, err := c.certificate()
	return err
}

// inline is what stands in the file itself, in base64, or else in the one that it names. nil = neither.
func inline(data, path, folder string) ([]byte, error) {
	switch {
	case data != "":
		return base64.StdEncoding.DecodeString(data)
	case path != "":
		return os.ReadFile(within(folder, path))
	}
	return nil, nil
}

func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
